//! `althing_broadcast_txs`: many transactions in one request, for those who send thousands in a second. They become durable together,
//! and the mempool is asked about all of them at once.

use std::sync::Arc;

use althing_mempool::Outcome;
use serde_json::{Value, json};

use super::{Context, RpcError, json::hex, params::Params};

/// What each transaction costs beyond the request itself: less than alone, where most of it is the request.
const COST_PER_TX: u32 = 2;

/// Hands transactions to the mempool and answers with its verdict on each, in their order.
pub(crate) async fn broadcast_txs(context: &Arc<Context>, params: &Params) -> Result<Value, RpcError> {
    let txs = params.txs("txs")?;
    let count = u32::try_from(txs.len()).unwrap_or(u32::MAX);
    params.asked_by().spend(count.saturating_mul(COST_PER_TX))?;
    let client = params.asked_by().who().to_string();
    let submissions = context.node.submit_many_for(&client, txs).await?;
    let refused: Vec<_> = submissions
        .iter()
        .filter(|one| matches!(one.outcome, Outcome::Refused(_)))
        .map(|one| one.hash)
        .collect();
    // The mempool forgets, and then finds that it has expired, or that its sequence is used: by itself.
    let on_chain: Vec<_> = match refused.is_empty() {
        true => Vec::new(),
        false => {
            let find = move |node: &crate::handle::NodeHandle| {
                let mut found = Vec::new();
                for hash in refused {
                    if node.chain().tx_location(&hash)?.is_some() {
                        found.push(hash);
                    }
                }
                Ok(found)
            };
            // Whoever cannot be given a look is told of the refusals: busy would say that nothing was taken.
            context.look(params.asked_by(), find).await.unwrap_or_default()
        }
    };
    let (mut codes, mut refusals) = (Vec::with_capacity(submissions.len()), Vec::new());
    for (index, one) in submissions.iter().enumerate() {
        match &one.outcome {
            Outcome::Refused(refusal) if !on_chain.contains(&one.hash) => {
                codes.push(refusal.code);
                refusals.push(json!({
                    "index": index, "hash": hex(one.hash), "code": refusal.code, "codespace": refusal.codespace,
                    "log": refusal.log,
                }));
            }
            _ => codes.push(0),
        }
    }
    Ok(json!({ "codes": codes, "refusals": refusals }))
}
