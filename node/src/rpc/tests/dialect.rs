//! What the rest of this dialect's methods answer, word by word where its clients read it so.

use althing_ledger::{ParamUpdates, ValidatorUpdate, VoteKey};

use super::*;
use crate::membership::Membership;

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("no text: {value}"))
}

#[tokio::test]
async fn blocks_and_headers_are_found_by_hash_and_in_runs() {
    let node = Scripted::start(RpcConfig::default()).await;
    let mut client = node.client();
    for _ in 0..24 {
        node.execute(&[]);
    }
    let newest = node.execute(&[b"tx"]);
    let by_height = client.call("block", json!({})).await.unwrap();
    for hash in [hex::encode_upper(newest.hash()), BASE64.encode(newest.hash())] {
        assert_eq!(client.call("block_by_hash", json!({ "hash": hash })).await.unwrap(), by_height);
        let header = client.call("header_by_hash", json!({ "hash": hash })).await.unwrap();
        assert_eq!(header["header"], by_height["block"]["header"]);
    }
    assert_eq!(
        client.call("header", json!({ "height": "25" })).await.unwrap()["header"],
        by_height["block"]["header"]
    );
    let none = json!({ "hash": "00".repeat(32) });
    assert_eq!(client.call("block_by_hash", none.clone()).await.unwrap()["block"], Value::Null);
    assert_eq!(client.call("header_by_hash", none).await.unwrap(), json!({ "header": null }));

    let heights = |answer: &Value| -> Vec<u64> {
        let metas = answer["block_metas"].as_array().unwrap().iter();
        metas.map(|meta| text(&meta["header"]["height"]).parse().unwrap()).collect()
    };
    let run = client.call("blockchain", json!({})).await.unwrap();
    assert_eq!(heights(&run), (6..=25).rev().collect::<Vec<_>>());
    assert_eq!((&run["last_height"], &run["block_metas"][0]["num_txs"]), (&json!("25"), &json!("1")));
    assert!(text(&run["block_metas"][0]["block_size"]).parse::<u64>().unwrap() > 2);
    let run = client.call("blockchain", json!({ "minHeight": "3", "maxHeight": "4" })).await.unwrap();
    assert_eq!(heights(&run), [4, 3]);
    assert_eq!(
        error_code(client.call("blockchain", json!({ "minHeight": 5, "maxHeight": 4 })).await),
        -32602
    );
    let (_, by_uri) = get(node.address, "/blockchain?minHeight=3&maxHeight=4").await;
    assert_eq!(by_uri["result"], run);
}

#[tokio::test]
async fn signatures_are_absent_and_the_certificate_is_beside_them() {
    let node = Scripted::start(RpcConfig::default()).await;
    node.execute(&[]);
    let mut client = node.client();
    let commit = &client.call("commit", json!({})).await.unwrap()["signed_header"]["commit"];
    let absent = json!({
        "block_id_flag": 1, "validator_address": "", "timestamp": "0001-01-01T00:00:00Z", "signature": null,
    });
    assert_eq!(commit["signatures"], json!([absent]));
    let certificate = client.call("althing_certificate", json!({ "height": "1" })).await.unwrap();
    assert_eq!(certificate["certificate"], commit["althing_certificate"]);
    assert_eq!(certificate["certificate"]["signers"], json!([0]));
}

#[tokio::test]
async fn a_height_that_went_is_told_with_the_lowest_that_is_left() {
    let node = Scripted::start(RpcConfig::default()).await;
    for _ in 0..5 {
        node.execute(&[]);
    }
    node.handle.chain().prune(Height(4), 10).unwrap();
    let mut client = node.client();
    for method in ["block", "block_results", "commit", "header", "validators", "consensus_params"] {
        match client.call(method, json!({ "height": "3" })).await {
            Err(ClientError::Rpc { code: -32603, data, .. }) => {
                assert_eq!(data, "height 3 is not available, lowest height is 4", "{method}");
            }
            other => panic!("{method}: {other:?}"),
        }
    }
    let run = client.call("blockchain", json!({})).await.unwrap();
    assert_eq!(run["block_metas"].as_array().map(Vec::len), Some(2));
    let header = &client.call("header", json!({ "height": "4" })).await.unwrap()["header"];
    assert_eq!(header["proposer_address"], "0".repeat(40), "the parent, which would tell, is gone");
}

#[tokio::test]
async fn who_votes_next_is_known_above_the_newest_block() {
    let node = Scripted::start(RpcConfig::default()).await;
    node.execute(&[]);
    let mut client = node.client();
    for method in ["validators", "consensus_params"] {
        let next = client.call(method, json!({ "height": "2" })).await.unwrap();
        assert_eq!(next["block_height"], "2");
        assert_eq!(error_code(client.call(method, json!({ "height": "3" })).await), -32603);
    }
    for per_page in [json!(0), json!("0"), json!(-1), json!("-1"), json!(1000)] {
        let page = client.call("validators", json!({ "per_page": per_page })).await.unwrap();
        assert_eq!(page["count"], "1");
    }
    match client.call("validators", json!({ "page": 2 })).await {
        Err(ClientError::Rpc { data, .. }) => assert_eq!(data, "page should be within [1, 1] range, given 2"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn consensus_is_shown_as_a_height_a_round_and_a_proposer() {
    let node = Scripted::start(RpcConfig::default()).await;
    node.execute(&[]);
    let mut client = node.client();
    let state = &client.call("consensus_state", json!({})).await.unwrap()["round_state"];
    assert_eq!(state["height/round/step"], "2/7/1");
    let me = client.call("status", json!({})).await.unwrap()["validator_info"]["address"].clone();
    assert_eq!(state["proposer"], json!({ "address": me, "index": 0 }));
    let dump = client.call("dump_consensus_state", json!({})).await.unwrap();
    assert_eq!(dump["round_state"]["validators"]["proposer"]["address"], me);
    assert_eq!(dump["peers"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn the_genesis_document_comes_in_pieces_too() {
    let node = Scripted::start(RpcConfig::default()).await;
    let mut client = node.client();
    let piece = client.call("genesis_chunked", json!({ "chunk": "0" })).await.unwrap();
    assert_eq!((&piece["chunk"], &piece["total"]), (&json!("0"), &json!("1")));
    let document: Value = serde_json::from_slice(&BASE64.decode(text(&piece["data"])).unwrap()).unwrap();
    let genesis = client.call("genesis", json!({})).await.unwrap();
    assert_eq!(document, genesis["genesis"]);
    assert_eq!(method::conforms("genesis", &genesis), Ok(()));
    assert_eq!(error_code(client.call("genesis_chunked", json!([1])).await), -32602);
}

#[tokio::test]
async fn a_transaction_is_checked_without_being_handed_in() {
    let mut node = Scripted::start(RpcConfig::default()).await;
    let mut client = node.client();
    let key = ed25519::SecretKey::from_seed([1; 32]);
    for (sequence, tx) in [(0, true), (0, false)] {
        let tx = match tx {
            true => Transaction::transfer("test-1", &key, sequence, 0, Address::from_bytes([5; 20]), 1, "")
                .encode(),
            false => b"no transaction".to_vec(),
        };
        let answer = client.call("check_tx", json!({ "tx": BASE64.encode(&tx) })).await.unwrap();
        assert_eq!(
            (answer["code"] == 0, answer["codespace"] == ""),
            (tx.len() > 20, tx.len() > 20),
            "{answer}"
        );
    }
    assert!(node.backend.asks.try_recv().is_err(), "nothing was handed in");
}

#[tokio::test]
async fn what_the_application_knows_is_not_told_before_the_node_knows_it() {
    let node = Scripted::start(RpcConfig::default()).await;
    let block = althing_ledger::FinalizeBlock { height: 1, time_ms: 2_000, ..Default::default() };
    node.handle.application().finalize_block(&block).unwrap();
    node.handle.application().commit().unwrap();
    let mut client = node.client();
    let asked = tokio::spawn(async move { client.call("abci_info", json!({})).await });
    let mut other = node.client();
    let told = tokio::spawn(async move { other.call("abci_query", json!({ "path": "nothing" })).await });
    node.client().call("health", json!({})).await.unwrap();
    assert!(!asked.is_finished());
    node.execute(&[]);
    assert_eq!(asked.await.unwrap().unwrap()["response"]["last_block_height"], "1");
    told.await.unwrap().unwrap();
}

#[tokio::test]
async fn the_interface_describes_itself() {
    let node = Scripted::start(RpcConfig::default()).await;
    let document = node.client().call("rpc.discover", json!({})).await.unwrap();
    let methods = document["methods"].as_array().unwrap();
    assert!(methods.iter().any(|method| method["name"] == "rpc.discover" && method["x-role"] == "read"));
    let (_, by_uri) = get(node.address, "/rpc.discover").await;
    assert_eq!(by_uri["result"], document);
}

#[tokio::test]
async fn whom_a_block_makes_vote_otherwise_is_in_its_results() {
    let node = Scripted::start(RpcConfig::default()).await;
    let alice = node.handle.identity();
    let bob = ed25519::SecretKey::from_seed([2; 32]).public_key();
    let vote_key = bls::SecretKey::from_seed(&bls::BLS, &[2; 32]);
    let (key, proof) = (*vote_key.public_key().bytes(), *vote_key.prove_possession().as_bytes());
    let update = |one: &ed25519::PublicKey, power, vote_key| ValidatorUpdate {
        identity: *one.as_bytes(),
        power,
        vote_key,
    };
    let shown = |one: &ed25519::PublicKey, power: &str| {
        let key = json!({ "ed25519": BASE64.encode(one) });
        json!({ "pub_key": { "Sum": { "type": "tendermint.crypto.PublicKey_Ed25519", "value": key } }, "power": power })
    };
    let mut members = Membership::of_genesis(node.handle.genesis());
    node.execute(&[]);
    let changes = [
        (vec![update(&bob, 5, Some(VoteKey { key, proof }))], json!([shown(&bob, "5")])),
        (vec![update(&alice, 7, None)], json!([shown(&alice, "7")])),
        (vec![update(&alice, 0, None), update(&bob, 6, None)], json!([shown(&bob, "6"), shown(&alice, "0")])),
    ];
    for (updates, _) in &changes {
        members = members.after(updates, &ParamUpdates::default()).unwrap();
        node.announce(chain::append_changing(&node.handle, &members));
    }
    let mut client = node.client();
    for (height, expected) in (1..).zip([json!([])].into_iter().chain(changes.map(|(_, shown)| shown))) {
        let results = client.call("block_results", json!({ "height": height })).await.unwrap();
        assert_eq!(results["validator_updates"], expected, "height {height}");
    }
}

#[tokio::test]
async fn the_answer_of_each_read_is_what_the_interface_says_of_it() {
    let node = Scripted::start(RpcConfig::default()).await;
    let block = node.execute(&[b"tx"]);
    let hash = TxHash::of(b"tx").to_string();
    let mut client = node.client();
    let mut left_out = Vec::new();
    for method in method::METHODS {
        let params = match method.name {
            "block_by_hash" | "header_by_hash" => json!({ "hash": block.hash().to_string() }),
            "althing_tx_status" | "althing_tx_wait" | "tx" => json!({ "hash": hash, "prove": true }),
            "tx_search" => json!({ "query": "tx.height = 1", "prove": true }),
            "block_search" => json!({ "query": "block.height = 1" }),
            "check_tx" => json!({ "tx": "YWI=" }),
            "unconfirmed_txs" | "subscribe" | "unsubscribe" | "unsubscribe_all" => {
                left_out.push(method.name);
                continue;
            }
            _ if method.role == Role::Submit => {
                left_out.push(method.name);
                continue;
            }
            _ => json!({}),
        };
        let answer = client.call(method.name, params).await.unwrap();
        assert_eq!(method::conforms(method.name, &answer), Ok(()));
    }
    // Those need the node behind or a WebSocket: every answer in the tests of them is looked at where it is made.
    assert_eq!(left_out.len(), 10, "{left_out:?}");
}
