//! `althing_tx_status`, `althing_tx_wait`, and waiting for a transaction's end wherever else that is needed.

use std::sync::Arc;
use std::time::Duration;

use althing_crypto::TxHash;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use super::fate::{Fate, fate};
use super::{Context, RpcError, params::Params};

/// The longest that anybody may wait with one request, and how long one waits who does not say.
const MAX_WAIT_MS: u64 = 60_000;
const WAIT_MS: u64 = 30_000;

/// Where a transaction stands.
pub(crate) async fn tx_status(context: &Arc<Context>, params: &Params) -> Result<Value, RpcError> {
    let tx = TxHash(params.hash("hash")?);
    Ok(fate(context, params.asked_by(), tx).await?.shown(&tx))
}

/// Where a transaction stands once it has come to an end, or when the time is over.
pub(crate) async fn tx_wait(context: &Arc<Context>, params: &Params) -> Result<Value, RpcError> {
    let tx = TxHash(params.hash("hash")?);
    let wait = wait(params, WAIT_MS)?;
    let _place = params.asked_by().wait()?;
    Ok(end_of(context, params, tx, wait).await?.shown(&tx))
}

/// How long the client wants to wait; `unsaid` milliseconds if it does not say.
pub(super) fn wait(params: &Params, unsaid: u64) -> Result<Duration, RpcError> {
    match params.number("wait_ms")?.unwrap_or(unsaid) {
        wait if wait <= MAX_WAIT_MS => Ok(Duration::from_millis(wait)),
        wait => {
            Err(RpcError::params(format!("wait_ms: {wait}, at most {MAX_WAIT_MS}; ask again to wait longer")))
        }
    }
}

/// What a transaction came to, or where it stands when the time is over, the client has gone or the node stops.
pub(super) async fn end_of(
    context: &Arc<Context>,
    params: &Params,
    tx: TxHash,
    wait: Duration,
) -> Result<Fate, RpcError> {
    let until = Instant::now() + wait;
    loop {
        // First the place, then the look: what happens in between is told.
        let mut place = context.node.journal().wait_for(tx);
        let fate = fate(context, params.asked_by(), tx).await?;
        if fate.is_end() {
            return Ok(fate);
        }
        let news = tokio::select! {
            news = timeout_at(until, place.news()) => news.unwrap_or(false),
            () = params.asked_by().gone() => false,
        };
        if !news {
            return Ok(fate);
        }
    }
}
