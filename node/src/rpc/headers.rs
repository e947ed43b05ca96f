//! Headers without what is below them: `blockchain`, `header`, `header_by_hash`.

use std::sync::Arc;

use althing_consensus::Height;
use althing_crypto::{BlockHash, Encoding};
use serde_json::{Value, json};

use super::{
    Context, RpcError,
    blocks::{by_hash, header_of, kept},
    json::block_id,
    params::Params,
};

/// Blocks in one answer of `blockchain`.
const MAX_METAS: u64 = 20;

/// The header of a height.
pub(crate) async fn header(context: &Arc<Context>, params: &Params) -> Result<Value, RpcError> {
    let height = context.height(params.height("height")?)?;
    context
        .read(params.asked_by(), move |node| {
            Ok(json!({ "header": header_of(node, &kept(node, height)?.block.header)? }))
        })
        .await
}

/// The header of a block's hash; null where there is none that is executed.
pub(crate) async fn header_by_hash(context: &Arc<Context>, params: &Params) -> Result<Value, RpcError> {
    let hash = BlockHash(params.hash("hash")?);
    context
        .read(params.asked_by(), move |node| {
            let body = by_hash(node, &hash)?;
            let header = body.map(|body| header_of(node, &body.block.header)).transpose()?;
            Ok(json!({ "header": header }))
        })
        .await
}

/// Headers from the highest down, with the sizes of their blocks: at most 20, of those that are asked for the highest ones.
pub(crate) async fn blockchain(context: &Arc<Context>, params: &Params) -> Result<Value, RpcError> {
    let newest = *context.node.executed().borrow();
    // Here 0 is no height but says that there is no bound.
    let bound = |name| Ok::<_, RpcError>(params.number(name)?.filter(|height| *height > 0));
    let high = bound("maxHeight")?.unwrap_or(newest.0).min(newest.0);
    let low = bound("minHeight")?.unwrap_or(1);
    let metas = context
        .read(params.asked_by(), move |node| {
            let lowest = node.chain().oldest()?.unwrap_or(Height(1));
            let low = low.max(lowest.0).max((high + 1).saturating_sub(MAX_METAS));
            if low > high && newest > Height(0) {
                let reason = format!("min height {low} can't be greater than max height {high}");
                return Err(RpcError::params(reason));
            }
            let mut metas = Vec::new();
            for height in (low..=high).rev() {
                // One that was removed in between is available no more.
                let Some(body) = node.chain().block(Height(height))? else { break };
                metas.push(json!({
                    "block_id": block_id(&body.block.hash()),
                    "block_size": body.encode().len().to_string(),
                    "header": header_of(node, &body.block.header)?,
                    "num_txs": body.txs.len().to_string(),
                }));
            }
            Ok(metas)
        })
        .await?;
    Ok(json!({ "last_height": newest.to_string(), "block_metas": metas }))
}
