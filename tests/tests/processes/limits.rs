//! The door of real nodes: what they do not open to everyone, when they say that they are ready, and what one greedy client gets.

use std::{fs, net::SocketAddr};

use althing_crypto::Encoding;
use althing_ledger::asset::{Address, Transaction};
use althing_tests::processes::{Chain, exchange, until};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use serde_json::{Value, json};

/// Status and body of the answer to a GET.
async fn get(address: SocketAddr, target: &str) -> (u16, String) {
    let request = format!("GET {target} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    let heard = String::from_utf8(exchange(address, request.as_bytes()).await).expect("text");
    let (head, body) = heard.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, body.to_owned())
}

/// What `/metrics` says of this family without labels.
async fn metric(address: SocketAddr, name: &str) -> u64 {
    let (status, page) = get(address, "/metrics").await;
    assert_eq!(status, 200, "{page}");
    let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("no {name} in {page}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_does_not_start_where_everyone_would_be_admin() {
    let chain = Chain::init(1).await;
    let (config, own) = (chain.home(0).config_file(), chain.ports().rpc(0));
    let good = fs::read_to_string(&config).expect("a configuration");
    let public = good.replace(&own.to_string(), &format!("0.0.0.0:{}", own.port()));
    assert_ne!(good, public);
    fs::write(&config, public).expect("written");
    chain.start_in_vain(0).await.failed_saying(&["rpc.listen: 0.0.0.0", "rpc.anonymous"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_are_ready_while_a_quorum_is_there() {
    let mut chain = Chain::running(4).await;
    let address = chain.ports().rpc(0);
    let ready = async || get(address, "/ready").await;
    until("all are there", async || (ready().await.0 == 200).then_some(())).await;
    assert_eq!(get(address, "/live").await.0, 200);
    assert!(metric(address, "althing_consensus_executed_height").await >= 1);
    assert_eq!(metric(address, "althing_p2p_peers").await, 3);
    assert!(metric(address, "althing_application_execution_seconds_count").await >= 1);

    for index in [2, 3] {
        chain.take(index).kill().await;
    }
    let not: Value = until("two are missed", async || {
        let (status, body) = ready().await;
        (status == 503).then(|| serde_json::from_str(&body).expect("JSON"))
    })
    .await;
    assert!(not["not"]["quorum"].as_str().is_some_and(|reason| reason.contains("no quorum")), "{not}");
    chain.start(2);
    until("a quorum is there again", async || (ready().await.0 == 200).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_greedy_client_is_told_to_wait_and_the_chain_goes_on() {
    let mut chain = Chain::init(1).await;
    let config = chain.home(0).config_file();
    let text = fs::read_to_string(&config).expect("a configuration");
    let limits = "client_cost_per_s = 100\ncost_per_s = 20000\n";
    let keys = text.lines().filter(|line| !line.contains("cost_per_s"));
    let text: String = keys.map(|line| line.to_owned() + "\n").collect();
    fs::write(&config, text.replace("[rpc]\n", &format!("[rpc]\n{limits}"))).expect("written");
    chain.start(0);
    chain.all_reach(1).await;
    let address = chain.ports().rpc(0);
    until("it is told to wait", async || {
        let (status, body) = get(address, "/block").await;
        (status != 200 || body.contains("-32004")).then_some(())
    })
    .await;
    // Who waits as told gets through.
    let (from, to) = (chain.account(0), Address::of(&chain.account(1).public_key()));
    let tx = Transaction::transfer(chain.genesis().chain_id(), &from, 0, 0, to, 5, "").encode();
    let params = json!({ "tx": BASE64.encode(tx) });
    let answer = until("its transfer is committed", async || {
        chain.node(0).call("broadcast_tx_commit", params.clone()).await.ok()
    })
    .await;
    assert_eq!(
        (&answer["check_tx"]["code"], &answer["tx_result"]["code"]),
        (&json!(0), &json!(0)),
        "{answer}"
    );
}
