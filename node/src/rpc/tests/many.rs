//! Many transactions in one request, and what a block has of them.

use super::*;

#[tokio::test]
async fn each_of_many_gets_its_own_verdict() {
    let mut node = Scripted::start(RpcConfig::default()).await;
    let txs: Vec<Vec<u8>> = vec![b"a".to_vec(), vec![0; 65 * 1024], b"b".to_vec(), b"a".to_vec()];
    let params = json!({ "txs": txs.iter().map(|tx| BASE64.encode(tx)).collect::<Vec<_>>() });
    let mut client = node.client();
    let asked = tokio::spawn(async move { client.call("althing_broadcast_txs", params).await });
    let Some(Ask::SubmitMany { txs: offered, answer }) = node.backend.asks.recv().await else {
        panic!("a submission of many")
    };
    let offered: Vec<&[u8]> = offered.iter().map(|tx| &**tx.bytes()).collect();
    assert_eq!(offered, [&b"a"[..], b"b", b"a"], "no block could carry the large one");
    let refusal = Refusal { code: 5, codespace: "ledger".into(), log: "why".into() };
    let (taken, refused) = (Outcome::Accepted { duplicate: false }, Outcome::Refused(refusal));
    let known =
        vec![(TxHash::of(b"b"), refused), (TxHash::of(b"a"), taken.clone()), (TxHash::of(b"a"), taken)];
    for (hash, outcome) in &known {
        node.backend.journal.answered(hash, outcome);
    }
    answer.send(known).unwrap();
    let answer = asked.await.unwrap().unwrap();
    assert_eq!(answer["codes"], json!([0, 2, 5, 0]));
    let refusals = answer["refusals"].as_array().unwrap();
    assert_eq!((&refusals[0]["index"], &refusals[0]["codespace"]), (&json!(1), &json!("mempool")));
    assert_eq!((&refusals[1]["index"], &refusals[1]["log"]), (&json!(2), &json!("why")));
    assert_eq!(refusals[1]["hash"], hex::encode_upper(TxHash::of(b"b")));
    assert_eq!(node.handle.journal().sizes().open, 1, "what was taken is kept, once");
}

#[tokio::test]
async fn each_of_many_costs() {
    let config = RpcConfig { client_cost_per_s: 100, cost_per_s: 400, ..RpcConfig::default() };
    let node = Scripted::start(config).await;
    let txs: Vec<_> = (0..200_u64).map(|n| BASE64.encode(n.to_le_bytes())).collect();
    let error = node.client().call("althing_broadcast_txs", json!({ "txs": txs })).await.unwrap_err();
    assert!(matches!(&error, ClientError::Rpc { code: -32004, .. }), "{error:?}");
}

#[tokio::test]
async fn the_hashes_of_a_block_are_there_once_it_is_executed() {
    let node = Scripted::start(RpcConfig::default()).await;
    let (mut client, mut other) = (node.client(), node.client());
    let early = client.call("althing_block_hashes", json!({ "height": "1" })).await.unwrap();
    assert_eq!((&early["executed"], &early["hashes"]), (&json!("0"), &Value::Null));
    let asked = tokio::spawn(async move {
        other.call("althing_block_hashes", json!({ "height": 1, "wait_ms": 60_000, "bytes": 8 })).await
    });
    let block = node.execute(&[b"one", b"two"]);
    let answer = asked.await.unwrap().unwrap();
    let (one, two) = (TxHash::of(b"one"), TxHash::of(b"two"));
    let expected = BASE64.encode([&one.as_bytes()[..8], &two.as_bytes()[..8]].concat());
    assert_eq!((&answer["hashes"], &answer["count"]), (&json!(expected), &json!(2)));
    assert_eq!(answer["time_ms"], block.header.time_ms.to_string());
    let none = client.call("althing_block_hashes", json!({ "height": 1, "bytes": 0 })).await.unwrap();
    assert_eq!((&none["executed"], &none["hashes"]), (&json!("1"), &Value::Null));
    let long = client.call("althing_block_hashes", json!({ "bytes": 33 })).await.unwrap_err();
    assert!(long.to_string().contains("a hash has 32"), "{long}");
}
