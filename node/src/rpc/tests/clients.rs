//! What the decoders of widespread clients of this dialect (cosmjs, tendermint-rs) require of an answer.

use std::net::IpAddr;

use althing_p2p as p2p;

use super::*;

/// The network of the node with the key of this seed, which admits this peer.
async fn network(seed: u8, peer: u8, address: Option<String>) -> (p2p::Network, p2p::EventReceiver) {
    let key = ed25519::SecretKey::from_seed([peer; 32]).public_key();
    p2p::start(p2p::Config {
        identity: &ed25519::SecretKey::from_seed([seed; 32]),
        listen: "127.0.0.1:0".parse().unwrap(),
        peers: vec![p2p::Peer { key, address }],
        hello: p2p::Hello {
            chain_id: "test-1".into(),
            genesis: sha256(b"genesis"),
            protocol_version: 1,
            software: "althing/0.1.0".into(),
        },
        limits: p2p::Limits::default(),
    })
    .await
    .unwrap()
}

fn number(value: &Value) -> u64 {
    value
        .as_str()
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(|| panic!("no number in a string: {value}"))
}

fn address_of(value: &Value) -> SocketAddr {
    let address = value.as_str().and_then(|text| text.strip_prefix("tcp://")?.parse().ok());
    address.unwrap_or_else(|| panic!("no address: {value}"))
}

fn check_node_info(info: &Value) {
    for part in ["p2p", "block", "app"] {
        number(&info["protocol_version"][part]);
    }
    let id = info["id"].as_str().unwrap();
    assert!(id.len() == 40 && id.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c)), "{id}");
    address_of(&info["listen_addr"]);
    address_of(&info["other"]["rpc_address"]);
    assert_eq!(info["network"], "test-1");
    // Programs know these two words only.
    assert!([json!("on"), json!("off")].contains(&info["other"]["tx_index"]));
    assert!(info["version"].as_str().unwrap().starts_with("0.38."), "clients choose the dialect by it");
    assert!(info["channels"].is_string() && info["moniker"].is_string());
    assert!(info["other"]["software"].as_str().unwrap().starts_with("althing/"));
}

fn check_net_info(net: &Value) -> &Value {
    assert!(net["listening"].is_boolean() && net["listeners"].is_array());
    assert_eq!(number(&net["n_peers"]), 1);
    let peer = &net["peers"][0];
    check_node_info(&peer["node_info"]);
    assert!(peer["is_outbound"].is_boolean());
    let status = &peer["connection_status"];
    number(&status["Duration"]);
    assert!(status["Channels"].is_array());
    for monitor in [&status["SendMonitor"], &status["RecvMonitor"]] {
        let rates = ["Samples", "InstRate", "CurRate", "AvgRate", "PeakRate", "BytesRem", "TimeRem"];
        for name in rates.into_iter().chain(["Duration", "Idle", "Bytes"]) {
            number(&monitor[name]);
        }
        assert!(monitor["Active"].is_boolean() && monitor["Progress"].is_u64());
        assert!(monitor["Start"].as_str().unwrap().ends_with('Z'));
    }
    peer["remote_ip"].as_str().unwrap().parse::<IpAddr>().unwrap();
    peer
}

#[tokio::test]
async fn addresses_are_those_of_the_network() {
    let (theirs, _their_events) = network(2, 1, None).await;
    let (ours, mut events) = network(1, 2, Some(theirs.listen_address().to_string())).await;
    while !matches!(events.recv().await.unwrap(), p2p::Event::Connected { .. }) {}
    let node = Scripted::start_on(RpcConfig::default(), |server| server.on_network(ours.clone())).await;
    let mut client = node.client();

    let status = client.call("status", json!({})).await.unwrap();
    check_node_info(&status["node_info"]);
    assert_eq!(address_of(&status["node_info"]["listen_addr"]), ours.listen_address());

    let net = client.call("net_info", json!({})).await.unwrap();
    let peer = check_net_info(&net);
    assert_eq!(peer["remote_ip"], "127.0.0.1");
    assert_eq!(address_of(&peer["node_info"]["listen_addr"]), theirs.listen_address());
    assert!(number(&peer["connection_status"]["Duration"]) > 0);
}

#[tokio::test]
async fn no_required_field_is_missing_where_nothing_is_known() {
    let node = Scripted::start(RpcConfig::default()).await;
    let mut client = node.client();
    check_node_info(&client.call("status", json!({})).await.unwrap()["node_info"]);
    check_net_info(&client.call("net_info", json!({})).await.unwrap());
}

#[tokio::test]
async fn the_first_block_has_a_commit_of_nothing_below_it() {
    let node = Scripted::start(RpcConfig::default()).await;
    node.execute(&[]);
    let block = node.client().call("block", json!({"height": "1"})).await.unwrap();
    let nothing = json!({ "hash": "", "parts": { "total": 0, "hash": "" } });
    let commit = json!({ "height": "0", "round": 0, "block_id": nothing, "signatures": [] });
    assert_eq!(block["block"]["last_commit"], commit);
    assert_eq!(block["block"]["header"]["last_block_id"], nothing);
}
