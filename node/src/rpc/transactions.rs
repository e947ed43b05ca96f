//! Transactions: `broadcast_tx_sync`, `broadcast_tx_async`, `broadcast_tx_commit`, `tx`, `unconfirmed_txs`,
//! `num_unconfirmed_txs`.
//!
//! Whatever becomes of a transaction that could be decoded from the request is a result with code, codespace, log and hash; code
//! 0 is success. `docs/codes.md` lists the codes.

use std::{sync::Arc, time::Duration};

use althing_consensus::Height;
use althing_crypto::{TxHash, merkle_proof};
use althing_ledger::TxResult;
use althing_mempool::{self as mempool, Outcome, Refusal};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{
    Context, RpcError, commits,
    context::stored,
    json::{base64, hex, tx_result},
    params::Params,
};
use crate::handle::{AskError, NodeHandle};
use crate::storage::TxLocation;

/// The codespace of what this interface itself says about a transaction.
pub const CODESPACE: &str = "rpc";
/// Pending transactions shown: by default, and at most.
const PENDING: (u64, u64) = (30, 100);

/// Why this interface cannot tell what becomes of a transaction. The numbers never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Code {
    /// Not taken: too much waits already.
    Overloaded = 1,
    /// Not taken: the node is going down.
    Stopping = 2,
    /// Taken, and nothing is known of a commit while this node waited, or could. It may still be executed.
    CommitTimeout = 3,
}

impl Code {
    fn refusal(self, log: impl Into<String>) -> Refusal {
        Refusal { code: self as u32, codespace: CODESPACE.to_owned(), log: log.into() }
    }
}

impl From<AskError> for Refusal {
    fn from(error: AskError) -> Self {
        let code = match error {
            AskError::Overloaded => Code::Overloaded,
            AskError::Stopping => Code::Stopping,
        };
        code.refusal(error.to_string())
    }
}

/// Hands a transaction to the mempool and answers with its verdict.
pub(crate) async fn broadcast_tx_sync(context: &Arc<Context>, params: &Params) -> Result<Value, RpcError> {
    let tx = params.tx("tx")?;
    let hash = TxHash::of(&tx);
    let verdict = match admit(context, tx).await? {
        Ok(Admitted::Pending { again: true }) => success("already pending"),
        Ok(Admitted::Committed) => success("already committed"),
        Ok(Admitted::Pending { again: false }) => success(""),
        Err(refusal) => refusal,
    };
    Ok(admission(&hash, verdict))
}

/// Hands a transaction to the mempool and answers at once.
pub(crate) fn broadcast_tx_async(context: &Context, params: &Params) -> Result<Value, RpcError> {
    let tx = params.tx("tx")?;
    let hash = TxHash::of(&tx);
    Ok(admission(&hash, context.node.offer(tx).map_or_else(Refusal::from, |_| success(""))))
}

/// The verdict on a transaction against which nothing is to be said.
fn success(log: &str) -> Refusal {
    Refusal { code: 0, codespace: String::new(), log: log.to_owned() }
}

fn admission(hash: &TxHash, verdict: Refusal) -> Value {
    let Refusal { code, codespace, log } = verdict;
    json!({ "code": code, "data": "", "log": log, "codespace": codespace, "hash": hex(hash) })
}

/// Where a transaction stands that was not refused.
enum Admitted {
    /// In the pool; `again`: it was there before.
    Pending { again: bool },
    /// In a block.
    Committed,
}

async fn admit(context: &Arc<Context>, tx: Vec<u8>) -> Result<Result<Admitted, Refusal>, RpcError> {
    let hash = TxHash::of(&tx);
    let refusal = match context.node.submit(tx).await.map(|submitted| submitted.outcome) {
        Ok(Outcome::Accepted { duplicate }) => return Ok(Ok(Admitted::Pending { again: duplicate })),
        Ok(Outcome::Committed { .. }) => return Ok(Ok(Admitted::Committed)),
        Ok(Outcome::Refused(refusal)) => refusal,
        Err(error) => return Ok(Err(error.into())),
    };
    // The mempool forgets, and then finds that it has expired, or that its sequence is used: by itself.
    let on_chain = context.look(move |node| Ok(node.chain().tx_location(&hash)?.is_some())).await?;
    Ok(if on_chain { Ok(Admitted::Committed) } else { Err(refusal) })
}

/// Hands a transaction to the mempool and answers when it is committed and executed.
pub(crate) async fn broadcast_tx_commit(context: &Arc<Context>, params: &Params) -> Result<Value, RpcError> {
    let tx = params.tx("tx")?;
    let hash = TxHash::of(&tx);
    let outcome = match context.waiter() {
        Some(_waiter) => submit_and_wait(context, tx, hash).await?,
        None => Err(Code::Overloaded.refusal(format!(
            "{} clients wait for a commit already; use broadcast_tx_sync, then tx",
            context.config.max_waiting
        ))),
    };
    let (check, executed, height) = match outcome {
        Ok((result, height)) => (TxResult::default(), result, height),
        Err(refusal) => {
            let check = TxResult {
                code: refusal.code,
                codespace: refusal.codespace,
                log: refusal.log,
                ..TxResult::default()
            };
            (check, TxResult::default(), Height(0))
        }
    };
    Ok(json!({
        "check_tx": tx_result(&check),
        "tx_result": tx_result(&executed),
        "hash": hex(hash),
        "height": height.to_string(),
    }))
}

async fn submit_and_wait(
    context: &Arc<Context>,
    tx: Vec<u8>,
    hash: TxHash,
) -> Result<commits::Outcome, RpcError> {
    let wait = Duration::from_millis(context.config.commit_timeout_ms);
    let mut place = context.commits.wait_for(hash);
    match admit(context, tx).await? {
        Err(refusal) => return Ok(Err(refusal)),
        // Perhaps executed before the place was taken.
        Ok(Admitted::Committed) => {
            if let Some(found) = context.read(move |node| result_of(node, &hash)).await? {
                return Ok(Ok(found));
            }
        }
        Ok(Admitted::Pending { .. }) => {}
    }
    // Once it was taken, others have it: only what stands on the chain, or can no more come to stand there, is an end.
    let open = match timeout(wait, place.outcome()).await {
        Ok(Some(Err(refusal))) if !is_final(&refusal) => {
            format!("dropped from this node's mempool ({refusal}); a block under way may still hold it")
        }
        Ok(Some(outcome)) => return Ok(outcome),
        Ok(None) => "not committed before this node stopped; it may still be".to_owned(),
        Err(_) => {
            format!("not committed within {} ms; it may still be", context.config.commit_timeout_ms)
        }
    };
    Ok(Err(Code::CommitTimeout.refusal(format!("accepted, but {open}: ask for it with tx"))))
}

/// Whether a transaction that was taken can never be executed, now that the mempool drops it so: what else it says is about a state
/// that a block under way may have changed.
fn is_final(refusal: &Refusal) -> bool {
    matches!(refusal.own_code(), Some(mempool::Code::Expired | mempool::Code::SequenceUsed))
}

/// The result of a committed and executed transaction.
fn result_of(node: &NodeHandle, hash: &TxHash) -> Result<Option<(TxResult, Height)>, RpcError> {
    let Some(location) = node.chain().tx_location(hash)? else { return Ok(None) };
    let results = stored(node.chain().results(location.height), "result", location.height)?;
    let result = results.tx_results.into_iter().nth(location.index as usize);
    Ok(result.map(|result| (result, location.height)))
}

/// A committed transaction, its result and, if asked for, the proof that its block holds it.
pub(crate) async fn tx(context: &Arc<Context>, params: &Params) -> Result<Value, RpcError> {
    let (hash, prove) = (TxHash(params.hash("hash")?), params.flag("prove")?);
    context
        .read(move |node| {
            let not_found = || RpcError::internal(format!("tx ({}) not found", hex(hash)));
            let location = node.chain().tx_location(&hash)?.ok_or_else(not_found)?;
            shown(node, location, prove)
        })
        .await
}

/// A transaction as `tx` and `tx_search` show it.
pub(super) fn shown(node: &NodeHandle, location: TxLocation, prove: bool) -> Result<Value, RpcError> {
    let TxLocation { height, index } = location;
    let place = index as usize;
    let block = stored(node.chain().block(height), "block", height)?;
    let results = stored(node.chain().results(height), "result", height)?;
    let found = block.block.txs.get(place).zip(block.txs.get(place)).zip(results.tx_results.get(place));
    let Some(((hash, bytes), result)) = found else {
        return Err(RpcError::internal(format!(
            "transaction {index} of height {height} is not in its block"
        )));
    };
    let mut answer = json!({
        "hash": hex(hash),
        "height": height.to_string(),
        "index": index,
        "tx_result": tx_result(result),
        "tx": base64(bytes),
    });
    if prove && let Some(proof) = merkle_proof(&block.block.txs, place) {
        answer["proof"] = json!({
            "root_hash": hex(block.block.header.payload_root),
            "data": base64(bytes),
            "proof": {
                "total": proof.total.to_string(),
                "index": proof.index.to_string(),
                "leaf_hash": base64(althing_crypto::sha256_concat(&[&[0], hash.as_bytes()])),
                "aunts": proof.path.iter().map(base64).collect::<Vec<_>>(),
            },
        });
    }
    Ok(answer)
}

/// The first pending transactions.
pub(crate) async fn unconfirmed_txs(context: &Arc<Context>, params: &Params) -> Result<Value, RpcError> {
    let limit = params.number("limit")?.unwrap_or(PENDING.0).clamp(1, PENDING.1);
    let txs: Vec<_> = context.node.pending(limit as usize).await?.into_iter().map(base64).collect();
    let mut answer = num_unconfirmed_txs(context);
    answer["n_txs"] = txs.len().to_string().into();
    answer["txs"] = txs.into();
    Ok(answer)
}

/// How many transactions are pending.
pub(crate) fn num_unconfirmed_txs(context: &Context) -> Value {
    let status = context.node.status();
    json!({
        "n_txs": status.pending_txs.to_string(),
        "total": status.pending_txs.to_string(),
        "total_bytes": status.pending_bytes.to_string(),
    })
}
