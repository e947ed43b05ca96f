//! `althing_block_hashes`: which transactions a block has, in few bytes, for those who follow a chain to find their own in it. Who only
//! wants to know when a height is executed reads nothing.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::time::timeout;

use super::{Context, RpcError, blocks::kept, json::base64, params::Params, waits::wait};

/// Bytes of a hash.
const HASH_BYTES: u64 = 32;

/// The hashes of a height's transactions. If the height is not executed when the time is over, they are null.
pub(crate) async fn block_hashes(context: &Arc<Context>, params: &Params) -> Result<Value, RpcError> {
    let bytes = match params.number("bytes")?.unwrap_or(HASH_BYTES) {
        bytes if bytes <= HASH_BYTES => bytes as usize,
        bytes => return Err(RpcError::params(format!("bytes: {bytes}, a hash has {HASH_BYTES}"))),
    };
    let asked = params.height("height")?;
    let wait = wait(params, 0)?;
    let mut executed = context.node.executed();
    if let Some(height) = asked.filter(|height| *height > *executed.borrow()) {
        if wait > Duration::ZERO {
            let _place = params.asked_by().wait()?;
            tokio::select! {
                // Over, or the node stops: what there is then is told.
                _ = timeout(wait, executed.wait_for(|executed| *executed >= height)) => {}
                () = params.asked_by().gone() => {}
            }
        }
        let executed = *context.node.executed().borrow();
        if executed < height {
            return Ok(
                json!({ "executed": executed.to_string(), "time_ms": null, "count": null, "hashes": null }),
            );
        }
    }
    let height = context.height(asked)?;
    let executed = context.node.executed().borrow().to_string();
    if bytes == 0 {
        return Ok(json!({ "executed": executed, "time_ms": null, "count": null, "hashes": null }));
    }
    let read = move |node: &crate::handle::NodeHandle| {
        let block = kept(node, height)?.block;
        let hashes: Vec<u8> = block.txs.iter().flat_map(|hash| hash.as_bytes()[..bytes].to_vec()).collect();
        Ok((block.header.time_ms, block.txs.len(), base64(hashes)))
    };
    let (time_ms, count, hashes) = context.show(params.asked_by(), read).await?;
    Ok(json!({ "executed": executed, "time_ms": time_ms.to_string(), "count": count, "hashes": hashes }))
}
