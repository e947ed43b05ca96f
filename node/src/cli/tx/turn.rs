//! Submitting one's own payment, once: also when its sequence went to another transaction, and whatever the node says.
//!
//! Every transaction that is made and signed here has an idempotency key of its own. So its bytes are nobody else's: what the node
//! has of them already is this payment. A copy with another sequence has the same key, so of all copies one alone can succeed,
//! as long as the chain keeps the key; by then all have expired, if no other expiry was asked for.

use std::time::Duration;

use althing_crypto::{Encoding, TxHash, ed25519::SecretKey};
use althing_ledger::asset::Transaction;
use serde_json::json;

use super::{
    envelope::next_sequence,
    submit::{Outcome, Wait, submit, upper},
};
use crate::{
    cli::{Failure, Output},
    client::{Client, ClientError, integer},
};

/// So many copies are signed at most, the first among them.
const COPIES: usize = 3;
/// Between its commit and its execution a sender's transaction is neither pending nor counted in the account: so long the node gives its
/// sequence away once more, and is asked again. It announces no execution that could be awaited.
const TRIES: u32 = 20;
const BETWEEN_TRIES: Duration = Duration::from_millis(100);

/// A key that no other transaction has.
pub(super) fn fresh_key() -> Vec<u8> {
    // Of the system's randomness, as every new key is.
    SecretKey::generate().seed()[..16].to_vec()
}

/// Submits `tx`; if its sequence is refused as another's, and it is not on the chain, signs a copy with the next one, given the key.
/// In the end `tx` is the copy that the outcome is of.
pub(super) async fn submit_once(
    tx: &mut Transaction,
    key: Option<&SecretKey>,
    client: &mut Client,
    wait: &Wait,
    output: &Output,
) -> Result<Outcome, Failure> {
    let mut outcome = submit(client, &tx.encode(), wait).await?;
    let Some(key) = key else { return Ok(outcome) };
    let mut copies = vec![tx.clone()];
    for _ in 0..TRIES {
        if !outcome.is_late() || copies.len() == COPIES {
            break;
        }
        if let Some(done) = any_on_chain(tx, &copies, client).await? {
            return Ok(done);
        }
        tokio::time::sleep(BETWEEN_TRIES).await;
        let next = next_sequence(client, &tx.sender).await?;
        if copies.iter().any(|copy| copy.sequence == next) {
            continue;
        }
        output.note(&format!(
            "the sequence {} is another transaction's: {} was refused, and a copy of it signed with the sequence {next} and the same idempotency key, so that at most one of them can succeed",
            tx.sequence,
            upper(&hash_of(tx))
        ));
        *tx = Transaction { sequence: next, approvals: Vec::new(), ..tx.clone() }.approved_by(key);
        copies.push(tx.clone());
        outcome = submit(client, &tx.encode(), wait).await?;
    }
    // An earlier copy was not refused after all, or its refusal was a lie.
    let outdone = copies.len() > 1 && outcome.is_failure();
    match if outdone { any_on_chain(tx, &copies, client).await? } else { None } {
        Some(done) => Ok(done),
        None => Ok(outcome),
    }
}

fn hash_of(tx: &Transaction) -> TxHash {
    TxHash::of(&tx.encode())
}

/// What has come of the copy that is on the chain: of one that succeeded, or else of the last. `tx` is that copy then.
async fn any_on_chain(
    tx: &mut Transaction,
    copies: &[Transaction],
    client: &mut Client,
) -> Result<Option<Outcome>, Failure> {
    let mut found = None;
    for copy in copies {
        let hash = hash_of(copy);
        match client.call("tx", json!({ "hash": upper(&hash) })).await {
            Ok(object) => {
                let height = integer(&object["height"]).ok_or("the node's answer holds no height")?;
                let outcome = Outcome::new(hash, height, &object["tx_result"])?;
                let succeeded = !outcome.is_failure();
                *tx = copy.clone();
                found = Some(outcome);
                if succeeded {
                    break;
                }
            }
            Err(ClientError::Rpc { data, .. }) if data.contains("not found") => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
