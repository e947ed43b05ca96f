//! Transactions: `broadcast_tx_sync`, `broadcast_tx_async`, `broadcast_tx_commit`, `tx`, `unconfirmed_txs`,
//! `num_unconfirmed_txs`.
//!
//! Whatever becomes of a transaction that could be decoded from the request is a result with code, codespace, log and hash; code
//! 0 is success: the transaction is durable in this node's journal, or executed. `docs/codes.md` lists the codes.

use std::{sync::Arc, time::Duration};

use althing_consensus::Height;
use althing_crypto::{TxHash, merkle_proof};
use althing_ledger::TxResult;
use althing_mempool::{Outcome, Refusal};
use serde_json::{Value, json};

use super::{
    Context, RpcError,
    context::stored,
    fate::Fate,
    json::{base64, hex, tx_result},
    params::Params,
    waits,
};
use crate::handle::{AskError, NodeHandle};

/// The codespace of what this interface itself says about a transaction.
pub const CODESPACE: &str = "rpc";

/// Why this interface cannot tell what becomes of a transaction. The numbers never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Code {
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

/// What becomes of a submission that had no verdict.
fn not_taken(error: AskError) -> Result<Refusal, RpcError> {
    match error {
        AskError::Stopping => Ok(Code::Stopping.refusal(error.to_string())),
        other => Err(other.into()),
    }
}

/// Hands a transaction to the mempool and answers with its verdict.
pub(crate) async fn broadcast_tx_sync(context: &Arc<Context>, params: &Params) -> Result<Value, RpcError> {
    let tx = params.tx("tx")?;
    let hash = TxHash::of(&tx);
    let verdict = match admit(context, params, tx).await? {
        Ok(Admitted::Pending { again: true }) => success("already pending"),
        Ok(Admitted::Committed) => success("already committed"),
        Ok(Admitted::Pending { again: false }) => success(""),
        Err(refusal) => refusal,
    };
    Ok(admission(&hash, verdict))
}

/// Makes a transaction durable, hands it to the mempool and answers without waiting for the verdict.
pub(crate) async fn broadcast_tx_async(context: &Arc<Context>, params: &Params) -> Result<Value, RpcError> {
    let tx = params.tx("tx")?;
    let hash = TxHash::of(&tx);
    let verdict = match context.node.offer_for(&client(params), tx).await.map(|offered| offered.outcome) {
        Ok(Outcome::Refused(refusal)) => refusal,
        Ok(Outcome::Committed { .. }) => success("already committed"),
        Ok(Outcome::Accepted { .. }) => success(""),
        Err(error) => not_taken(error)?,
    };
    Ok(admission(&hash, verdict))
}

/// On whose account the journal keeps what this client hands in.
fn client(params: &Params) -> String {
    params.asked_by().who().to_string()
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

async fn admit(
    context: &Arc<Context>,
    params: &Params,
    tx: Vec<u8>,
) -> Result<Result<Admitted, Refusal>, RpcError> {
    let hash = TxHash::of(&tx);
    let submitted = context.node.submit_for(&client(params), tx).await;
    let refusal = match submitted.map(|submitted| submitted.outcome) {
        Ok(Outcome::Accepted { duplicate }) => return Ok(Ok(Admitted::Pending { again: duplicate })),
        Ok(Outcome::Committed { .. }) => return Ok(Ok(Admitted::Committed)),
        Ok(Outcome::Refused(refusal)) => refusal,
        Err(error) => return not_taken(error).map(Err),
    };
    // The mempool forgets, and then finds that it has expired, or that its sequence is used: by itself.
    let on_chain =
        context.look(params.asked_by(), move |node| Ok(node.chain().tx_location(&hash)?.is_some())).await?;
    Ok(if on_chain { Ok(Admitted::Committed) } else { Err(refusal) })
}

/// Hands a transaction to the mempool and answers when it is committed and executed.
pub(crate) async fn broadcast_tx_commit(context: &Arc<Context>, params: &Params) -> Result<Value, RpcError> {
    let tx = params.tx("tx")?;
    let hash = TxHash::of(&tx);
    let _place = params.asked_by().wait()?;
    let (check, executed, height) = match admit(context, params, tx).await? {
        Err(refusal) => (check_result(refusal), TxResult::default(), Height(0)),
        Ok(_) => {
            let wait = Duration::from_millis(context.config.commit_timeout_ms);
            match waits::end_of(context, params, hash, wait).await? {
                Fate::Executed { result, height, is_final: true, .. } => {
                    (TxResult::default(), result, height)
                }
                Fate::Dropped { refusal, is_final: true, .. } => {
                    (check_result(refusal), TxResult::default(), Height(0))
                }
                open => return Err(not_committed(context, &hash, &open)),
            }
        }
    };
    Ok(json!({
        "check_tx": tx_result(&check),
        "tx_result": tx_result(&executed),
        "hash": hex(hash),
        "height": height.to_string(),
    }))
}

fn check_result(refusal: Refusal) -> TxResult {
    let Refusal { code, codespace, log } = refusal;
    TxResult { code, codespace, log, ..TxResult::default() }
}

/// Nobody may take this for a failure: the words are those that clients of this dialect know, and then what to do.
fn not_committed(context: &Context, hash: &TxHash, fate: &Fate) -> RpcError {
    let why = match fate {
        Fate::Dropped { refusal, .. } => {
            format!("dropped from this node's mempool ({refusal}), but others may still have it")
        }
        Fate::Executed { result, height, .. } => {
            format!(
                "failed at height {height} (code {}) in a way that does not keep it from being executed later",
                result.code
            )
        }
        _ => format!(
            "not committed within {} ms, or before this node stopped",
            context.config.commit_timeout_ms
        ),
    };
    let hash = hex(hash);
    RpcError::internal(format!(
        "timed out waiting for tx to be included in a block: {hash} is taken, {why}; it may still be committed: ask \
         althing_tx_wait for it, or send the same bytes again"
    ))
}

/// A committed transaction, its result and, if asked for, the proof that its block holds it.
pub(crate) async fn tx(context: &Arc<Context>, params: &Params) -> Result<Value, RpcError> {
    let (hash, prove) = (TxHash(params.hash("hash")?), params.flag("prove")?);
    context
        .show(params.asked_by(), move |node| {
            let not_found = || RpcError::internal(format!("tx ({}) not found", hex(hash)));
            let location = node.chain().tx_location(&hash)?.ok_or_else(not_found)?;
            shown(node, location.height, &[location.index], prove)?.pop().ok_or_else(not_found)
        })
        .await
}

/// Transactions of one block, by their places in it, as `tx` and `tx_search` show them.
pub(super) fn shown(
    node: &NodeHandle,
    height: Height,
    places: &[u32],
    prove: bool,
) -> Result<Vec<Value>, RpcError> {
    let block = stored(node.chain().block(height), "block", height)?;
    let results = stored(node.chain().results(height), "result", height)?;
    let show = |index: &u32| {
        let place = *index as usize;
        let found = block.block.txs.get(place).zip(block.txs.get(place)).zip(results.tx_results.get(place));
        let Some(((hash, bytes), result)) = found else {
            let reason = format!("transaction {index} of height {height} is not in its block");
            return Err(RpcError::internal(reason));
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
    };
    places.iter().map(show).collect()
}

/// The first pending transactions.
pub(crate) async fn unconfirmed_txs(context: &Arc<Context>, params: &Params) -> Result<Value, RpcError> {
    let limit = params.per_page("limit")?;
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
