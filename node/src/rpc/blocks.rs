//! What is committed: `block`, `block_results`, `commit`.

use std::sync::Arc;

use althing_consensus::engine::EngineConfig;
use althing_consensus::{Election, Epoch, Header, Height, Notice, QuorumCertificate, Validator};
use althing_crypto::Encoding;
use serde_json::{Value, json};

use super::{
    Context, RpcError,
    context::stored,
    json::{self, NO_TIME, address, base64, block_id, events, hex, no_block_id, tx_result},
    notices,
    params::Params,
};
use crate::{body::Body, epochs::EpochContext, handle::NodeHandle};

/// A certificate covers its block and those below that had none of their own; so far above is it searched.
const MAX_COVERED: u64 = 1_000;

/// A block with its transactions.
pub(crate) async fn block(context: &Arc<Context>, params: &Params) -> Result<Value, RpcError> {
    let height = context.height(params.height("height")?)?;
    context
        .read(move |node| {
            let stored = stored(node.chain().block(height), "block", height)?;
            let last_commit = match height.0 {
                0 | 1 => no_commit(),
                // Of the block below the oldest one kept nothing is known here.
                _ if node.chain().hash_at(Height(height.0 - 1))?.is_none() => no_commit(),
                _ => commit_of(node, Height(height.0 - 1))?,
            };
            let (mut evidence, mut carried) = (Vec::new(), Vec::new());
            for notice in &stored.block.notices {
                carried.push(notices::notice(node.epochs(), notice)?);
                if let Notice::Evidence(one) = notice {
                    evidence.extend(notices::duplicate_vote(node, one)?);
                }
            }
            Ok(json!({
                "block_id": block_id(&stored.block.hash()),
                "block": {
                    "header": header_of(node, &stored.block.header)?,
                    "data": { "txs": stored.txs.iter().map(base64).collect::<Vec<_>>() },
                    "evidence": { "evidence": evidence },
                    "althing_notices": carried,
                    "last_commit": last_commit,
                },
            }))
        })
        .await
}

/// What executing a block gave.
pub(crate) async fn block_results(context: &Arc<Context>, params: &Params) -> Result<Value, RpcError> {
    let height = context.height(params.height("height")?)?;
    context
        .read(move |node| {
            let results = stored(node.chain().results(height), "result", height)?;
            Ok(json!({
                "height": height.to_string(),
                "txs_results": results.tx_results.iter().map(tx_result).collect::<Vec<_>>(),
                "finalize_block_events": events(&results.events),
                "validator_updates": [],
                "consensus_param_updates": null,
                "app_hash": base64(results.execution.app_hash.as_bytes()),
                // With it, what came of a height can be checked against the header that vouches for it.
                "results_root": hex(results.execution.results_root),
            }))
        })
        .await
}

/// A block's header and who committed it.
pub(crate) async fn commit(context: &Arc<Context>, params: &Params) -> Result<Value, RpcError> {
    let height = context.height(params.height("height")?)?;
    context
        .read(move |node| {
            let stored: Body = stored(node.chain().block(height), "block", height)?;
            let header = header_of(node, &stored.block.header)?;
            // The bytes that the block's hash is of: this dialect's header lacks some of them.
            let bytes = base64(stored.block.header.encode());
            let signed =
                json!({ "header": header, "header_bytes": bytes, "commit": commit_of(node, height)? });
            Ok(json!({ "signed_header": signed, "canonical": true }))
        })
        .await
}

/// A header, with the proposer that the leader function names for its view on its parent, if that is kept.
fn header_of(node: &NodeHandle, header: &Header) -> Result<Value, RpcError> {
    let epoch = epoch_of(node, header.epoch)?;
    let EngineConfig { chain_id, set, .. } = &epoch.config;
    let proposer = match header.height {
        Height(0) => None,
        Height(height) => node.chain().block(Height(height - 1))?.and_then(|parent| {
            let parent = &parent.block.header;
            let election = Election { chain_id, epoch: header.epoch, set, given: &[] };
            // Of an epoch's first block the parent is of another one, with other members.
            let absent = if parent.epoch == header.epoch { &parent.absent[..] } else { &[] };
            set.get(election.leader(header.view, absent))
        }),
    };
    Ok(json::header(header, &epoch.config.epoch_hash, proposer.map(|member| &member.identity)))
}

/// An epoch that a committed block is of; of genesis, the one that it opens.
fn epoch_of(node: &NodeHandle, epoch: Epoch) -> Result<Arc<EpochContext>, RpcError> {
    let found = node.epochs().entered(Epoch(epoch.0.max(1)));
    found.map_err(|error| RpcError::internal(error.to_string()))
}

/// The certificate that commits the block of a height: its own, or the nearest one above. One aggregated BLS signature does not fit
/// this dialect's list of signatures: the list says who signed, `certificate` holds what they signed.
fn commit_of(node: &NodeHandle, height: Height) -> Result<Value, RpcError> {
    let Some(certificate) = covering(node, height)? else {
        return Err(RpcError::internal(format!(
            "the certificate of height {height} is not kept by this node"
        )));
    };
    let block = stored(node.chain().block(height), "block", height)?;
    let signers: Vec<_> = certificate.signers.iter().map(|position| usize::from(position.0)).collect();
    let epoch = epoch_of(node, certificate.epoch)?;
    let members = epoch.config.set.members().iter().enumerate();
    let signature = |(position, member): (usize, &Validator)| match signers.contains(&position) {
        true => json!({
            "block_id_flag": 2,
            "validator_address": address(&member.identity),
            "timestamp": json::time(block.block.header.time_ms),
            "signature": null,
        }),
        false => {
            json!({ "block_id_flag": 1, "validator_address": "", "timestamp": NO_TIME, "signature": null })
        }
    };
    Ok(json!({
        "height": height.to_string(),
        "round": 0,
        "block_id": block_id(&block.block.hash()),
        "signatures": members.map(signature).collect::<Vec<_>>(),
        "certificate": {
            "epoch": certificate.epoch.to_string(),
            "view": certificate.view.to_string(),
            "block": hex(certificate.block),
            "signers": signers,
            "signature": hex(certificate.signature),
            "bytes": base64(certificate.encode()),
        },
    }))
}

/// What stands in place of the commit below where there is none.
fn no_commit() -> Value {
    json!({ "height": "0", "round": 0, "block_id": no_block_id(), "signatures": [] })
}

fn covering(node: &NodeHandle, height: Height) -> Result<Option<QuorumCertificate>, RpcError> {
    for above in height.0..=node.status().committed.0.min(height.0 + MAX_COVERED) {
        if let Some(certificate) = node.chain().certificate_at(Height(above))? {
            return Ok(Some(certificate));
        }
    }
    Ok(None)
}
