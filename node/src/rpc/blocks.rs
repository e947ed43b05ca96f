//! What is committed: `block`, `block_by_hash`, `block_results`, `commit`, `althing_certificate`.

use std::sync::Arc;

use althing_consensus::engine::EngineConfig;
use althing_consensus::{Election, Epoch, Header, Height, Notice, Power, QuorumCertificate};
use althing_crypto::{BlockHash, Encoding, ed25519};
use serde_json::{Value, json};

use super::{
    Context, RpcError,
    context::stored,
    json::{self, NO_TIME, base64, block_id, hex, no_block_id, tx_result, validator_update},
    notices,
    params::Params,
};
use crate::{body::Body, epochs::EpochContext, handle::NodeHandle, storage::StoredResults};

/// A certificate covers its block and those below that had none of their own; so far above is it searched.
const MAX_COVERED: u64 = 1_000;

/// A block with its transactions.
pub(crate) async fn block(context: &Arc<Context>, params: &Params) -> Result<Value, RpcError> {
    let height = context.height(params.height("height")?)?;
    context.show(params.asked_by(), move |node| shown(node, &kept(node, height)?)).await
}

/// The block of a hash; null where there is none that is executed.
pub(crate) async fn block_by_hash(context: &Arc<Context>, params: &Params) -> Result<Value, RpcError> {
    let hash = BlockHash(params.hash("hash")?);
    context
        .show(params.asked_by(), move |node| match by_hash(node, &hash)? {
            Some(body) => shown(node, &body),
            None => Ok(json!({ "block_id": no_block_id(), "block": null })),
        })
        .await
}

/// The block of a height that is executed.
pub(super) fn kept(node: &NodeHandle, height: Height) -> Result<Body, RpcError> {
    let found = node.chain().block(height)?;
    match node.chain().oldest()? {
        Some(lowest) if found.is_none() && height < lowest => {
            Err(RpcError::internal(format!("height {height} is not available, lowest height is {lowest}")))
        }
        _ => stored(Ok(found), "block", height),
    }
}

/// The executed block of a hash. Bodies that are not committed, or not executed yet, are nobody's business.
pub(super) fn by_hash(node: &NodeHandle, hash: &BlockHash) -> Result<Option<Body>, RpcError> {
    let Some(body) = node.chain().body(hash)? else { return Ok(None) };
    let height = body.block.header.height;
    let executed = height <= *node.executed().borrow();
    Ok((executed && node.chain().hash_at(height)? == Some(*hash)).then_some(body))
}

/// A block as `block` and the event of it show it.
pub(super) fn shown(node: &NodeHandle, body: &Body) -> Result<Value, RpcError> {
    let last_commit = match body.block.header.height.0 {
        0 | 1 => no_commit(),
        // Of the block below the oldest one kept nothing is known here.
        height if node.chain().hash_at(Height(height - 1))?.is_none() => no_commit(),
        height => commit_of(node, Height(height - 1))?,
    };
    let (mut evidence, mut carried) = (Vec::new(), Vec::new());
    for notice in &body.block.notices {
        carried.push(notices::notice(node.epochs(), notice)?);
        if let Notice::Evidence(one) = notice {
            evidence.extend(notices::duplicate_vote(node, one)?);
        }
    }
    Ok(json!({
        "block_id": block_id(&body.block.hash()),
        "block": {
            "header": header_of(node, &body.block.header)?,
            "data": { "txs": body.txs.iter().map(base64).collect::<Vec<_>>() },
            "evidence": { "evidence": evidence },
            "althing_notices": carried,
            "last_commit": last_commit,
        },
    }))
}

/// What executing a block gave.
pub(crate) async fn block_results(context: &Arc<Context>, params: &Params) -> Result<Value, RpcError> {
    let height = context.height(params.height("height")?)?;
    context
        .show(params.asked_by(), move |node| {
            kept(node, height)?;
            let results = stored(node.chain().results(height), "result", height)?;
            let mut shown = Outcome::of(node, &results)?.shown("txs_results", "finalize_block_events");
            shown["height"] = height.to_string().into();
            // With it, what came of a height can be checked against the header that vouches for it.
            shown["results_root"] = hex(results.execution.results_root).into();
            Ok(shown)
        })
        .await
}

/// What executing a block gave, and whom it made vote otherwise.
pub(super) struct Outcome<'a> {
    results: &'a StoredResults,
    changed: Vec<(ed25519::PublicKey, Power)>,
}

impl<'a> Outcome<'a> {
    /// Of the block with these results.
    pub(super) fn of(node: &NodeHandle, results: &'a StoredResults) -> Result<Self, RpcError> {
        Ok(Self { results, changed: node.epochs().changed(results.execution.height)? })
    }

    /// With the names that this dialect has for results and events, which are not the same everywhere.
    pub(super) fn shown(&self, txs: &str, events: &str) -> Value {
        let Self { results, changed } = self;
        json!({
            txs: results.tx_results.iter().map(tx_result).collect::<Vec<_>>(),
            events: json::events(&results.events),
            "validator_updates": changed.iter().map(|(key, power)| validator_update(key, *power)).collect::<Vec<_>>(),
            "consensus_param_updates": null,
            "app_hash": base64(results.execution.app_hash.as_bytes()),
        })
    }
}

/// A block's header and who committed it.
pub(crate) async fn commit(context: &Arc<Context>, params: &Params) -> Result<Value, RpcError> {
    let height = context.height(params.height("height")?)?;
    context
        .read(params.asked_by(), move |node| {
            let stored = kept(node, height)?;
            let header = header_of(node, &stored.block.header)?;
            // The bytes that the block's hash is of: this dialect's header lacks some of them.
            let bytes = base64(stored.block.header.encode());
            let signed =
                json!({ "header": header, "header_bytes": bytes, "commit": commit_of(node, height)? });
            Ok(json!({ "signed_header": signed, "canonical": true }))
        })
        .await
}

/// The certificate that commits the block of a height: the proof that this dialect has no place for.
pub(crate) async fn certificate(context: &Arc<Context>, params: &Params) -> Result<Value, RpcError> {
    let height = context.height(params.height("height")?)?;
    context
        .read(params.asked_by(), move |node| {
            kept(node, height)?;
            let certificate = covering(node, height)?;
            Ok(json!({ "height": height.to_string(), "certificate": shown_certificate(&certificate) }))
        })
        .await
}

/// A header, with the proposer that the leader function names for its view on its parent, if that is kept.
pub(super) fn header_of(node: &NodeHandle, header: &Header) -> Result<Value, RpcError> {
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
pub(super) fn epoch_of(node: &NodeHandle, epoch: Epoch) -> Result<Arc<EpochContext>, RpcError> {
    Ok(node.epochs().entered(Epoch(epoch.0.max(1)))?)
}

/// Who committed the block of a height. One BLS signature of all does not fit this dialect's list of signatures: each member is there as
/// absent, as a signature that is none would be refused by clients; `althing_certificate` holds who signed what.
fn commit_of(node: &NodeHandle, height: Height) -> Result<Value, RpcError> {
    let certificate = covering(node, height)?;
    let block = stored(node.chain().block(height), "block", height)?;
    let members = epoch_of(node, certificate.epoch)?.config.set.members().len();
    let absent =
        json!({ "block_id_flag": 1, "validator_address": "", "timestamp": NO_TIME, "signature": null });
    Ok(json!({
        "height": height.to_string(),
        "round": 0,
        "block_id": block_id(&block.block.hash()),
        "signatures": vec![absent; members],
        "althing_certificate": shown_certificate(&certificate),
    }))
}

fn shown_certificate(certificate: &QuorumCertificate) -> Value {
    json!({
        "epoch": certificate.epoch.to_string(),
        "view": certificate.view.to_string(),
        "block": hex(certificate.block),
        "signers": certificate.signers.iter().map(|position| position.0).collect::<Vec<_>>(),
        "signature": hex(certificate.signature),
        "bytes": base64(certificate.encode()),
    })
}

/// What stands in place of the commit below where there is none.
fn no_commit() -> Value {
    json!({ "height": "0", "round": 0, "block_id": no_block_id(), "signatures": [] })
}

/// The certificate that commits a block: its own, or the nearest one above.
fn covering(node: &NodeHandle, height: Height) -> Result<QuorumCertificate, RpcError> {
    for above in height.0..=node.status().committed.0.min(height.0 + MAX_COVERED) {
        if let Some(certificate) = node.chain().certificate_at(Height(above))? {
            return Ok(certificate);
        }
    }
    Err(RpcError::internal(format!("the certificate of height {height} is not kept by this node")))
}
