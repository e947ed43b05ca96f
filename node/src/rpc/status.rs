//! Where the node stands, and what all nodes share: `health`, `status`, `genesis`, `genesis_chunked`, `consensus_params`, `validators`.

use std::sync::Arc;

use althing_consensus::{ConsensusParams, Epoch, Height, Power, Validator};
use serde_json::{Value, json};

use super::{
    Context, RpcError,
    blocks::{epoch_of, kept},
    context::stored,
    json::{self, NO_TIME, address, base64, hex, public_key, time},
    net,
    params::Params,
};
use crate::epochs::EpochContext;

/// What stands around the genesis document in the answer that is the whole of it.
const BEFORE: &str = "{\"genesis\":";
const AFTER: &str = "}";
/// The bytes of a chunk of the genesis document.
const CHUNK_BYTES: usize = 1 << 20;

/// Answers if the node does.
pub(crate) fn health() -> Value {
    json!({})
}

/// What the node is, how far it has come, and whether it votes. `althing` holds what this dialect has no word for.
pub(crate) async fn status(context: &Arc<Context>, params: &Params) -> Result<Value, RpcError> {
    let status = context.node.status();
    // The heights' own channel is never behind the index that clients ask next.
    let newest = *context.node.executed().borrow();
    let (latest, earliest) = context
        .read(params.asked_by(), move |node| {
            let block = |height: Height| match height {
                Height(0) => Ok(None),
                height => {
                    let block = stored(node.chain().block(height), "block", height)?;
                    let results = stored(node.chain().results(height), "result", height)?;
                    Ok::<_, RpcError>(Some((block.block, results.execution.app_hash)))
                }
            };
            let newest = block(newest)?;
            loop {
                let oldest = node.chain().oldest()?.filter(|_| newest.is_some()).unwrap_or_default();
                // One that was removed in between is the oldest no more.
                match block(oldest) {
                    Err(_) if node.chain().oldest()?.is_some_and(|now| now > oldest) => {}
                    earliest => return Ok((newest, earliest?)),
                }
            }
        })
        .await?;
    let point = |prefix: &str, point: Option<(althing_consensus::Block, althing_consensus::AppHash)>| {
        let (hash, app_hash, height, time) = match point {
            None => (String::new(), hex(status.app_hash.as_bytes()), 0, NO_TIME.to_owned()),
            Some((block, app_hash)) => (
                hex(block.hash()),
                hex(app_hash.as_bytes()),
                block.header.height.0,
                time(block.header.time_ms),
            ),
        };
        let named = |name: &str| format!("{prefix}_{name}");
        [
            (named("block_hash"), Value::from(hash)),
            (named("app_hash"), app_hash.into()),
            (named("block_height"), height.to_string().into()),
            (named("block_time"), time.into()),
        ]
    };
    let mut sync_info: serde_json::Map<_, _> =
        point("latest", latest).into_iter().chain(point("earliest", earliest)).collect();
    sync_info.insert("catching_up".to_owned(), status.catching_up.into());

    let me = context.node.identity();
    let power =
        status.validators.members().iter().find(|one| one.identity == me).map_or(Power(0), |one| one.power);
    Ok(json!({
        "node_info": net::node_info(context),
        "sync_info": sync_info,
        "validator_info": {
            "address": address(&me),
            "pub_key": public_key(&me),
            "voting_power": power.to_string(),
        },
        "althing": {
            "epoch": status.epoch.to_string(),
            "view": status.view.to_string(),
            "committed_height": status.committed.to_string(),
            "executed_height": newest.to_string(),
            "pending_txs": status.pending_txs.to_string(),
            "halted": status.halted,
            // Why an application in a process of its own does not answer.
            "application": context.node.application().link().and_then(|link| link.trouble()),
        },
    }))
}

/// The genesis document in this dialect. BLS keys have no place in it; the document itself is `genesis.json` in the home.
pub(crate) fn genesis(context: &Context, params: &Params) -> Value {
    params.asked_by().answer(encoded(context));
    Value::Null
}

/// The genesis document in pieces of 1 MiB, counted from 0.
pub(crate) fn genesis_chunked(context: &Context, params: &Params) -> Result<Value, RpcError> {
    let encoded = encoded(context);
    let bytes = &encoded.as_bytes()[BEFORE.len()..encoded.len() - AFTER.len()];
    let (chunk, total) = (params.number("chunk")?.unwrap_or(0), bytes.len().div_ceil(CHUNK_BYTES));
    let data = usize::try_from(chunk).ok().and_then(|chunk| bytes.chunks(CHUNK_BYTES).nth(chunk));
    let data = data.ok_or_else(|| {
        RpcError::params(format!("there are {total} chunks, from 0 to {}, given {chunk}", total - 1))
    })?;
    Ok(json!({ "chunk": chunk.to_string(), "total": total.to_string(), "data": base64(data) }))
}

/// What `genesis` answers.
fn encoded(context: &Context) -> Arc<str> {
    Arc::clone(context.genesis.get_or_init(|| format!("{BEFORE}{}{AFTER}", document(context)).into()))
}

fn document(context: &Context) -> Value {
    let genesis = context.node.genesis();
    let members = genesis.validator_set().members().iter().zip(&genesis.document().validators);
    let validator = |(member, entry): (&Validator, &althing_genesis::ValidatorEntry)| {
        json!({
            "address": address(&member.identity),
            "pub_key": public_key(&member.identity),
            "power": member.power.to_string(),
            "name": entry.name,
        })
    };
    json!({
        "genesis_time": time(genesis.time_ms()),
        "chain_id": genesis.chain_id(),
        "initial_height": "1",
        "consensus_params": dialect(genesis.params()),
        "validators": members.map(validator).collect::<Vec<_>>(),
        "app_hash": "",
        "app_state": genesis.document().application.state,
    })
}

/// The parameters that hold at a height.
pub(crate) async fn consensus_params(context: &Arc<Context>, params: &Params) -> Result<Value, RpcError> {
    let (height, epoch) = epoch_at(context, params).await?;
    let params = &epoch.config.params;
    Ok(json!({
        "block_height": height.to_string(),
        "consensus_params": dialect(params),
        // What this dialect has no words for.
        "althing": { "epoch": epoch.config.epoch.to_string(), "consensus_params": params },
    }))
}

/// The height that is asked about, and its epoch. Of the block above the newest one it is known, too: that is how this dialect asks
/// for who votes now.
async fn epoch_at(context: &Arc<Context>, params: &Params) -> Result<(Height, Arc<EpochContext>), RpcError> {
    let newest = *context.node.executed().borrow();
    let height = match params.height("height")? {
        // Also before the first block: what holds is what the genesis document says.
        None => newest,
        Some(height) if height == newest.next() => height,
        asked => context.height(asked)?,
    };
    let epoch = context
        .read(params.asked_by(), move |node| {
            let below = kept(node, height.min(newest))?.block.header;
            let epoch = epoch_of(node, below.epoch)?;
            let ends = height > newest && below.vouched.next_epoch != epoch.config.epoch_hash;
            if ends { epoch_of(node, Epoch(epoch.config.epoch.0 + 1)) } else { Ok(epoch) }
        })
        .await?;
    Ok((height, epoch))
}

fn dialect(params: &ConsensusParams) -> Value {
    json!({
        "block": { "max_bytes": params.max_block_bytes.to_string(), "max_gas": "-1" },
        "evidence": { "max_age_num_blocks": "0", "max_age_duration": "0", "max_bytes": "0" },
        "validator": { "pub_key_types": ["ed25519"] },
        "version": { "app": "0" },
        "abci": { "vote_extensions_enable_height": "0" },
    })
}

/// The validators at a height, a page of them.
pub(crate) async fn validators(context: &Arc<Context>, params: &Params) -> Result<Value, RpcError> {
    let (height, epoch) = epoch_at(context, params).await?;
    let members = epoch.config.set.members();
    let (from, most) = params.paging(members.len() as u64)?;
    let shown: Vec<_> = members.iter().skip(from as usize).take(most as usize).map(validator).collect();
    Ok(json!({
        "block_height": height.to_string(),
        "count": shown.len().to_string(),
        "total": members.len().to_string(),
        "validators": shown,
    }))
}

pub(super) fn validator(member: &Validator) -> Value {
    json::validator(&member.identity, member.power)
}
