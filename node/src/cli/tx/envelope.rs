//! What a transaction is made with beside its instructions.

use althing_ledger::asset::{Address, Instruction, Parameters, Question, Transaction};
use clap::Args;
use serde_json::{Value, json};

use super::source::from_base64;
use crate::{
    cli::Failure,
    client::{Client, integer},
};

/// With a window of fewer heights nothing expires by default.
const SHORTEST: u64 = 1_000;

/// The fields of a transaction that are not its instructions.
#[derive(Debug, Args)]
pub(super) struct Envelope {
    /// The sender's sequence [default: the one after all that the node knows of, committed or pending]
    #[arg(long, value_name = "N")]
    sequence: Option<u64>,
    /// The last height at which it may execute; 0 if it never expires [default: for what is signed and submitted here, as many heights
    /// from now as the chain keeps an idempotency key, if these are 1,000 or more; else 0]
    #[arg(long, value_name = "HEIGHT")]
    expiry: Option<u64>,
    /// A note for people, at most 256 bytes
    #[arg(long, value_name = "TEXT", default_value = "")]
    memo: String,
    /// Of the sender's transactions with this text, 1 to 32 bytes, only one succeeds [default: for what is signed here, random bytes]
    #[arg(long, value_name = "TEXT", value_parser = idempotency_key)]
    idempotency_key: Option<String>,
    /// The chain; if it is not given the node says it, and so which chain one signs for
    #[arg(long, value_name = "ID", env = "ALTHING_CHAIN_ID")]
    chain_id: Option<String>,
}

fn idempotency_key(text: &str) -> Result<String, String> {
    match text.len() {
        1..=Transaction::MAX_IDEMPOTENCY_KEY_BYTES => Ok(text.to_owned()),
        found => Err(format!("{found} bytes: give 1 to {}", Transaction::MAX_IDEMPOTENCY_KEY_BYTES)),
    }
}

impl Envelope {
    /// Whether the sequence is given, and so stays what it is.
    pub(super) fn fixes_sequence(&self) -> bool {
        self.sequence.is_some()
    }

    /// The transaction that nobody has approved yet. The node is asked only for what is not given; if it is asked, or the transaction
    /// `goes` to it, it must be of the chain that is given.
    pub(super) async fn fill(
        self,
        sender: Address,
        instructions: Vec<Instruction>,
        client: &mut Client,
        goes: bool,
    ) -> Result<Transaction, Failure> {
        let mut newest = None;
        let chain_id = match self.chain_id {
            Some(chain_id) if self.sequence.is_some() && !goes => chain_id,
            given => {
                let status = client.call("status", json!({})).await?;
                newest = integer(&status["sync_info"]["latest_block_height"]);
                let found =
                    status["node_info"]["network"].as_str().ok_or("the node's status names no chain")?;
                if let Some(given) = given.filter(|given| given != found) {
                    return Err(format!(
                        "the node is of the chain {found:?}, and --chain-id (or ALTHING_CHAIN_ID) says {given:?}: nothing was signed"
                    )
                    .into());
                }
                found.to_owned()
            }
        };
        let sequence = match self.sequence {
            Some(sequence) => sequence,
            None => next_sequence(client, &sender).await?,
        };
        let expiry_height = match self.expiry {
            Some(expiry) => expiry,
            None if goes => {
                let newest = newest.ok_or("the node's status names no height")?;
                // A short memory guards nothing, and would be over before the transaction has its turn.
                let window = Some(idempotency_window(client).await?).filter(|window| *window >= SHORTEST);
                window.map_or(0, |window| newest.saturating_add(window))
            }
            None => 0,
        };
        Ok(Transaction {
            expiry_height,
            idempotency_key: self.idempotency_key.map(String::into_bytes),
            memo: self.memo,
            ..Transaction::new(&chain_id, sender, sequence, instructions)
        })
    }
}

/// For how many heights the chain keeps a key. A copy that has expired by then cannot succeed beside another one.
async fn idempotency_window(client: &mut Client) -> Result<u64, Failure> {
    let parameters: Parameters = client.ask(&Question::Parameters {}).await?;
    Ok(parameters.idempotency_window)
}

/// The sequence after the sender's committed and pending ones.
pub(super) async fn next_sequence(client: &mut Client, sender: &Address) -> Result<u64, Failure> {
    // Asked before the account, so that what is executed in between is counted. A node lists 100 at most; with more it may
    // answer that the sequence is taken.
    let pending = client.call("unconfirmed_txs", json!({ "limit": "100" })).await?;
    let committed = client.account(sender).await?.sequence;
    Ok(committed.max(after_pending(&pending, sender)))
}

fn after_pending(pending: &Value, sender: &Address) -> u64 {
    use althing_crypto::Encoding;
    let txs = pending["txs"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let txs = txs.filter_map(|tx| Transaction::decode(&from_base64(tx).ok()?).ok());
    let own = txs.filter(|tx| tx.sender == *sender);
    own.map(|tx| tx.sequence.saturating_add(1)).max().unwrap_or(0)
}
