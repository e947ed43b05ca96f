//! Where consensus stands: `consensus_state`, `dump_consensus_state`.
//!
//! This dialect counts rounds anew at each height; here there are views, counted through an epoch. The round that is shown is the view.
//! Votes are not shown: they are gathered by leaders, and gone with their certificate.

use std::sync::Arc;

use althing_consensus::{Election, Height, Validator};
use serde_json::{Value, json};

use super::{
    Context, RpcError,
    json::{address, hex, time},
    net::net_info,
    params::Params,
    status::validator,
};
use crate::handle::{NodeHandle, NodeStatus};

/// The height, the view and its leader.
pub(crate) async fn consensus_state(context: &Arc<Context>, params: &Params) -> Result<Value, RpcError> {
    context
        .read(params.asked_by(), |node| {
            let status = node.status();
            let (height, round) = standing(&status);
            let (start_time, leader) = leader(node, &status)?;
            let empty = "";
            Ok(json!({ "round_state": {
                "height/round/step": format!("{height}/{round}/1"),
                "start_time": time(start_time),
                "proposal_block_hash": empty,
                "locked_block_hash": empty,
                "valid_block_hash": empty,
                "height_vote_set": [],
                "proposer": leader.map(|(index, leader)| json!({ "address": address(&leader.identity), "index": index })),
            }}))
        })
        .await
}

/// The same with all validators, and with the peers.
pub(crate) async fn dump_consensus_state(context: &Arc<Context>, params: &Params) -> Result<Value, RpcError> {
    let mut dump = context
        .read(params.asked_by(), |node| {
            let status = node.status();
            let (height, round) = standing(&status);
            let (start_time, leader) = leader(node, &status)?;
            let validators = json!({
                "validators": status.validators.members().iter().map(validator).collect::<Vec<_>>(),
                "proposer": leader.map(|(_, leader)| validator(&leader)),
            });
            Ok(json!({ "round_state": {
                "height": height.to_string(),
                "round": round,
                "step": 1,
                "start_time": time(start_time),
                "validators": validators,
                "proposal": null,
                "locked_block": null,
                "valid_block": null,
                "votes": [],
                "last_commit": null,
            }, "althing": {
                "epoch": status.epoch.to_string(),
                "view": status.view.to_string(),
                "committed_height": status.committed.to_string(),
                "executed_height": status.executed.to_string(),
                "app_hash": hex(status.app_hash.as_bytes()),
                "position": status.position.map(|position| position.0),
                "catching_up": status.catching_up,
                "halted": status.halted,
            }}))
        })
        .await?;
    let peers = net_info(context);
    let peers = peers["peers"].as_array().into_iter().flatten().map(|peer| {
        let (id, listen) = (&peer["node_info"]["id"], &peer["node_info"]["listen_addr"]);
        let listen = listen.as_str().unwrap_or_default().trim_start_matches("tcp://");
        json!({ "node_address": format!("{}@{listen}", id.as_str().unwrap_or_default()), "peer_state": null })
    });
    dump["peers"] = peers.collect();
    Ok(dump)
}

/// The height that is agreed on now, and the view as a round: clients read 31 bits.
fn standing(status: &NodeStatus) -> (Height, u64) {
    (status.committed.next(), status.view.0.min(i32::MAX as u64))
}

/// When the newest block was made, and whose turn it is.
fn leader(node: &NodeHandle, status: &NodeStatus) -> Result<(u64, Option<(u16, Validator)>), RpcError> {
    let newest = node.chain().block(status.committed)?;
    let start = newest.as_ref().map_or(node.genesis().time_ms(), |body| body.block.header.time_ms);
    let absent = newest.as_ref().map(|body| &body.block.header);
    let absent =
        absent.filter(|header| header.epoch == status.epoch).map_or(&[][..], |header| &header.absent[..]);
    let election = Election {
        chain_id: node.genesis().chain_id(),
        epoch: status.epoch,
        set: &status.validators,
        given: &[],
    };
    let position = election.leader(status.view, absent);
    Ok((start, status.validators.get(position).map(|leader| (position.0, leader.clone()))))
}
