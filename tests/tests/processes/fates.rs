//! What becomes of transactions that a node acknowledged, as its clients are told: across a leader's death, a restart, an expiry and an
//! eviction.

use std::fs::OpenOptions;
use std::io::Write;
use std::time::Duration;

use althing_crypto::{Encoding, TxHash, ed25519::SecretKey};
use althing_ledger::asset::{Address, Transaction};
use althing_node::client::{Client, ClientError, NodeUrl};
use althing_tests::processes::{Chain, Node, PATIENCE, until};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use serde_json::{Value, json};
use tokio::{
    task::JoinHandle,
    time::{sleep, timeout},
};

/// How soon a node is asked again that does not answer.
const AGAIN: Duration = Duration::from_millis(50);

/// A transfer between the chain's accounts.
fn transfer(chain: &Chain, from: usize, sequence: u64, expiry: u64) -> Vec<u8> {
    let key: SecretKey = chain.account(from);
    let to = Address::of(&chain.account(5).public_key());
    Transaction::transfer(chain.genesis().chain_id(), &key, sequence, expiry, to, 1, "").encode()
}

fn named(tx: &[u8]) -> Value {
    json!({ "hash": TxHash::of(tx).to_string() })
}

fn handed_in(tx: &[u8]) -> Value {
    json!({ "tx": BASE64.encode(tx) })
}

/// Hands a transaction in; the node has taken it.
async fn acknowledged(node: &mut Node, tx: &[u8]) {
    let answer = node.ask("broadcast_tx_sync", handed_in(tx)).await;
    assert_eq!(answer["code"], 0, "{answer}");
}

/// Status, and whether it is final.
async fn status(node: &mut Node, tx: &[u8]) -> (String, bool) {
    let answer = node.ask("althing_tx_status", named(tx)).await;
    (answer["status"].as_str().expect("text").to_owned(), answer["final"].as_bool().expect("a flag"))
}

fn said(status: &str, is_final: bool) -> (String, bool) {
    (status.to_owned(), is_final)
}

/// Waits over a connection of its own for the end of a transaction, through the node's end and return.
fn wait(url: NodeUrl, tx: &[u8]) -> JoinHandle<Value> {
    let mut params = named(tx);
    params["wait_ms"] = 5_000.into();
    tokio::spawn(async move {
        let mut client = Client::new(url);
        let end = async {
            loop {
                match client.call("althing_tx_wait", params.clone()).await {
                    Ok(answer) if answer["status"] != "pending" && answer["status"] != "unknown" => {
                        break answer;
                    }
                    Ok(_) => {}
                    Err(_) => sleep(AGAIN).await,
                }
            }
        };
        timeout(PATIENCE, end).await.expect("the end of a transaction")
    })
}

fn commit(url: NodeUrl, tx: &[u8]) -> JoinHandle<Result<Value, ClientError>> {
    let params = handed_in(tx);
    tokio::spawn(async move { Client::new(url).call("broadcast_tx_commit", params).await })
}

/// Waits until the node has taken a transaction that another client hands in.
async fn taken(node: &mut Node, tx: &[u8]) {
    until("a transaction taken", async || {
        (node.ask("althing_tx_status", named(tx)).await["status"] == "pending").then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_is_reported_across_the_death_of_leaders() {
    let mut chain = Chain::running(4).await;
    for round in 0..2u64 {
        let leader = leader(&mut chain).await;
        let by = (leader + 1) % 4;
        chain.take(leader).kill().await;
        let (waited, told) = (transfer(&chain, 0, round, 0), transfer(&chain, 1, round, 0));
        acknowledged(chain.node(by), &waited).await;
        let (end, told) = (wait(chain.url(by), &waited), commit(chain.url(by), &told));
        let (end, told) = (end.await.expect("an end"), told.await.expect("an end").expect("an answer"));
        assert_eq!((&end["status"], &end["final"]), (&json!("committed"), &json!(true)), "{end}");
        assert_eq!((&told["check_tx"]["code"], &told["tx_result"]["code"]), (&json!(0), &json!(0)), "{told}");
        // What is reported can be read.
        let found = chain.node(by).find(&TxHash::of(&waited)).await;
        assert_eq!(found.map(|(height, code)| (height.to_string(), code)), Some((text(&end["height"]), 0)));
        let height = chain.node(by).height().await.expect("an answer");
        chain.start(leader);
        chain.node(leader).reaches(height).await;
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("text").to_owned()
}

/// The one whose turn it is.
async fn leader(chain: &mut Chain) -> usize {
    let state = chain.node(0).ask("consensus_state", json!({})).await;
    let address = state["round_state"]["proposer"]["address"].clone();
    for index in 0..chain.len() {
        let status = chain.node(index).ask("status", json!({})).await;
        if status["validator_info"]["address"] == address {
            return index;
        }
    }
    panic!("nobody has the address {address}");
}

/// All who had it in memory die: only the journal of the node that acknowledged it brings it back.
#[tokio::test(flavor = "multi_thread")]
async fn what_one_node_acknowledged_is_committed_after_all_were_killed() {
    let mut chain = Chain::running(4).await;
    for gone in [2, 3] {
        chain.take(gone).kill().await;
    }
    let txs: Vec<Vec<u8>> = (0..20).map(|sequence| transfer(&chain, 0, sequence, 0)).collect();
    for (index, tx) in txs.iter().enumerate() {
        let method = if index % 2 == 0 { "broadcast_tx_sync" } else { "broadcast_tx_async" };
        let answer = chain.node(0).ask(method, handed_in(tx)).await;
        assert_eq!(answer["code"], 0, "{answer}");
    }
    let height = chain.node(0).height().await.expect("an answer");
    for gone in [0, 1] {
        chain.take(gone).kill().await;
    }
    chain.start(0);
    chain.node(0).reaches(height).await;
    for tx in &txs {
        assert_eq!(status(chain.node(0), tx).await, said("pending", false));
    }
    let ends: Vec<_> = txs.iter().map(|tx| wait(chain.url(0), tx)).collect();
    // Once more, while they are waited for.
    chain.take(0).kill().await;
    (0..4).for_each(|index| chain.start(index));
    for end in ends {
        let end = end.await.expect("an end");
        assert_eq!((&end["status"], &end["final"]), (&json!("committed"), &json!(true)), "{end}");
    }
    let height = chain.level().await;
    chain.agree_at(height).await;
    for tx in &txs {
        assert_eq!(status(chain.node(3), tx).await, said("committed", true));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expiry_is_reported_as_one_and_is_final() {
    let mut chain = Chain::running(4).await;
    let height = chain.level().await;
    // Their turn never comes: sequence 0 is missing.
    let (first, second) = (transfer(&chain, 0, 1, height + 3), transfer(&chain, 0, 2, height + 3));
    acknowledged(chain.node(0), &first).await;
    let (end, told) = (wait(chain.url(0), &first), commit(chain.url(0), &second));
    taken(chain.node(0), &second).await;
    for sequence in 0..6 {
        let other = transfer(&chain, 1, sequence, 0);
        assert_eq!(chain.node(1).commit(&other).await.code, 0);
    }
    let end = end.await.expect("an end");
    assert_eq!((&end["status"], &end["final"]), (&json!("expired"), &json!(true)), "{end}");
    let told = told.await.expect("an end").expect("an answer");
    assert_eq!((&told["check_tx"]["codespace"], &told["check_tx"]["code"]), (&json!("mempool"), &json!(10)));
    assert_eq!(told["height"], "0");
    // It is known after a restart, and true: nobody executes it any more, even if its turn comes.
    chain.take(0).kill().await;
    chain.start(0);
    let missing = transfer(&chain, 0, 0, 0);
    assert_eq!(chain.node(1).commit(&missing).await.code, 0);
    let height = chain.level().await;
    chain.node(0).reaches(height).await;
    for tx in [&first, &second] {
        assert_eq!(status(chain.node(0), tx).await, said("expired", true));
    }
}

/// Three of a sender that wait for an earlier one are all that this node keeps; then that one comes, and the last gives way. Nothing is
/// committed meanwhile, as two of four are away.
#[tokio::test(flavor = "multi_thread")]
async fn an_eviction_is_reported_as_one_that_others_may_undo() {
    let mut chain = Chain::init(4).await;
    let mut config =
        OpenOptions::new().append(true).open(chain.home(0).config_file()).expect("a configuration");
    config.write_all(b"\n[mempool]\nmax_txs_per_sender = 3\n").expect("written");
    (0..4).for_each(|index| chain.start(index));
    chain.all_reach(1).await;
    for gone in [2, 3] {
        chain.take(gone).kill().await;
    }
    let txs: Vec<Vec<u8>> = (0..4).map(|sequence| transfer(&chain, 0, sequence, 0)).collect();
    for tx in &txs[1..3] {
        acknowledged(chain.node(0), tx).await;
    }
    let told = commit(chain.url(0), &txs[3]);
    taken(chain.node(0), &txs[3]).await;
    let end = wait(chain.url(0), &txs[3]);
    acknowledged(chain.node(0), &txs[0]).await;

    let end = end.await.expect("an end");
    assert_eq!((&end["status"], &end["final"]), (&json!("evicted"), &json!(false)), "{end}");
    match told.await.expect("an end") {
        Err(ClientError::Rpc { code: -32603, data, .. }) => {
            assert!(data.contains("timed out waiting for tx to be included in a block"), "{data}");
            assert!(data.contains("may still be committed"), "{data}");
        }
        other => panic!("nobody knows whether it is committed: {other:?}"),
    }
    let height = chain.node(0).height().await.expect("an answer");
    chain.take(0).kill().await;
    chain.start(0);
    chain.node(0).reaches(height).await;
    assert_eq!(status(chain.node(0), &txs[3]).await, said("evicted", false));
    for tx in &txs[..3] {
        assert_eq!(status(chain.node(0), tx).await, said("pending", false));
    }
    // The same bytes again, and a quorum: it was no end.
    for index in [2, 3] {
        chain.start(index);
    }
    until("it is taken again", async || {
        let answer = chain.node(0).ask("broadcast_tx_sync", handed_in(&txs[3])).await;
        (answer["code"] == 0).then_some(())
    })
    .await;
    for tx in &txs {
        let end = wait(chain.url(0), tx).await.expect("an end");
        assert_eq!((&end["status"], &end["final"]), (&json!("committed"), &json!(true)), "{end}");
    }
}
