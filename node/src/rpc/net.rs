//! This node and its peers on the network: `net_info`, and the `node_info` of `status`.
//!
//! Clients of this dialect refuse an answer in which one of these fields is missing or empty; what this node does not know of
//! a peer is an unspecified address or 0.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use althing_crypto::ed25519;
use althing_p2p as p2p;
use serde_json::{Value, json};

use super::{
    Context,
    json::{NO_TIME, address, time},
};
use crate::{handle::PeerInfo, storage::Indexing};

/// The version of the dialect, by which clients choose how to read answers. The software's own is under `other`.
const DIALECT: &str = "0.38.0";
const SOFTWARE: &str = concat!("althing/", env!("CARGO_PKG_VERSION"));
/// An address that is not known.
const UNKNOWN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// This node.
pub(super) fn node_info(context: &Context) -> Value {
    let listen = context.network.as_ref().map_or(UNKNOWN, p2p::Network::listen_address);
    let mut own =
        info(context, &context.node.identity(), &listen.to_string(), context.config.listen, SOFTWARE);
    if context.node.chain().indexing() == Indexing::On {
        own["other"]["tx_index"] = "on".into();
    }
    own
}

fn info(
    context: &Context,
    identity: &ed25519::PublicKey,
    listen: &str,
    rpc: SocketAddr,
    software: &str,
) -> Value {
    let genesis = context.node.genesis();
    json!({
        "protocol_version": { "p2p": "1", "block": "1", "app": "0" },
        "id": address(identity).to_lowercase(),
        "listen_addr": format!("tcp://{listen}"),
        "network": genesis.chain_id(),
        "version": DIALECT,
        "channels": "",
        "moniker": genesis.validator_name(identity).unwrap_or_default(),
        "other": {
            // Of peers it is not known: nothing is promised.
            "tx_index": "off",
            "rpc_address": format!("tcp://{rpc}"),
            "software": software,
            "identity": identity.to_string(),
        },
    })
}

/// The peers connected now.
pub(super) fn net_info(context: &Context) -> Value {
    let status = context.node.status();
    let known = context.network.as_ref().map(p2p::Network::peers).unwrap_or_default();
    let peers: Vec<_> = status
        .peers
        .iter()
        .map(|peer| peer_info(context, peer, known.iter().find(|one| one.key == peer.identity)))
        .collect();
    let listener = context.network.as_ref().map(|network| format!("tcp://{}", network.listen_address()));
    json!({
        "listening": true,
        "listeners": Vec::from_iter(listener),
        "n_peers": peers.len().to_string(),
        "peers": peers,
    })
}

fn peer_info(context: &Context, peer: &PeerInfo, known: Option<&p2p::PeerInfo>) -> Value {
    let connection = known.and_then(|known| known.connection.as_ref());
    let remote = connection.and_then(|connection| connection.address.parse().ok()).unwrap_or(UNKNOWN);
    // The port of a connection that the peer opened is not the one it listens on; one that is dialled is configured.
    let listen = known.and_then(|known| known.address.clone());
    let listen = listen.unwrap_or_else(|| SocketAddr::new(remote.ip(), 0).to_string());
    let up = connection.map_or(Duration::ZERO, |connection| connection.duration);
    let (sent, received) = known.map_or((0, 0), |known| (known.bytes_out, known.bytes_in));
    json!({
        "node_info": info(context, &peer.identity, &listen, UNKNOWN, &peer.software),
        "is_outbound": peer.outbound,
        "connection_status": {
            "Duration": up.as_nanos().to_string(),
            "SendMonitor": monitor(up, sent),
            "RecvMonitor": monitor(up, received),
            "Channels": [],
        },
        "remote_ip": remote.ip().to_string(),
    })
}

/// One direction of a connection. The bytes are those since this node's start; rates are not measured.
fn monitor(up: Duration, bytes: u64) -> Value {
    let start = (SystemTime::now() - up).duration_since(UNIX_EPOCH);
    let start = start.map_or_else(|_| NO_TIME.to_owned(), |start| time(start.as_millis() as u64));
    json!({
        "Active": true,
        "Start": start,
        "Duration": up.as_nanos().to_string(),
        "Idle": "0",
        "Bytes": bytes.to_string(),
        "Samples": "0",
        "InstRate": "0",
        "CurRate": "0",
        "AvgRate": "0",
        "PeakRate": "0",
        "BytesRem": "0",
        "TimeRem": "0",
        "Progress": 0,
    })
}
