//! What is said of a transaction: when it is handed in, while it is waited for, and as long as it is pending.

use super::*;

#[tokio::test]
async fn a_submission_is_answered_with_the_mempools_verdict() {
    let mut node = Scripted::start(RpcConfig::default()).await;
    let key = ed25519::SecretKey::from_seed([1; 32]);
    let tx = Transaction::transfer("test-1", &key, 0, 0, Address::from_bytes([5; 20]), 1, "").encode();
    let params = json!({ "tx": BASE64.encode(&tx) });
    let hash = hex::encode_upper(TxHash::of(&tx));
    let refusal = Refusal { code: 5, codespace: "ledger".into(), log: "why".into() };
    for (outcome, code, codespace, log) in [
        (Outcome::Accepted { duplicate: false }, 0, "", ""),
        (Outcome::Accepted { duplicate: true }, 0, "", "already pending"),
        (Outcome::Committed { height: 1 }, 0, "", "already pending"),
        (Outcome::Refused(refusal), 5, "ledger", "why"),
    ] {
        let (mut client, params) = (node.client(), params.clone());
        let asked = tokio::spawn(async move { client.call("broadcast_tx_sync", params).await });
        assert_eq!(node.admit(outcome).await, tx);
        let answer = asked.await.unwrap().unwrap();
        assert_eq!((&answer["code"], &answer["codespace"]), (&json!(code), &json!(codespace)));
        assert_eq!((&answer["hash"], &answer["log"]), (&json!(hash), &json!(log)));
    }

    let mut client = node.client();
    let answer = client.call("broadcast_tx_async", params.clone()).await.unwrap();
    assert_eq!((&answer["code"], &answer["hash"]), (&json!(0), &json!(hash)));
    assert_eq!(node.admit(Outcome::Accepted { duplicate: true }).await, tx, "handed in without waiting");

    let huge = json!({ "tx": BASE64.encode(vec![0; 65 * 1024]) });
    let answer = client.call("broadcast_tx_sync", huge).await.unwrap();
    assert_eq!(
        (&answer["code"], &answer["codespace"]),
        (&json!(2), &json!("mempool")),
        "no block can carry it"
    );

    drop(node.backend);
    let answer = client.call("broadcast_tx_sync", params).await.unwrap();
    assert_eq!((&answer["code"], &answer["codespace"]), (&json!(2), &json!("rpc")), "the node is stopping");
}

#[tokio::test]
async fn waiting_for_a_commit_ends_with_it() {
    let mut node = Scripted::start(RpcConfig::default()).await;
    let params = json!({ "tx": BASE64.encode(b"tx") });
    let mut client = node.client();
    let call = params.clone();
    let waiting = tokio::spawn(async move { client.call("broadcast_tx_commit", call).await.unwrap() });
    node.admit(Outcome::Accepted { duplicate: false }).await;
    node.execute(&[b"other"]);
    assert!(!waiting.is_finished());
    node.execute(&[b"another", b"tx"]);
    let answer = waiting.await.unwrap();
    assert_eq!((&answer["height"], &answer["check_tx"]["code"]), (&json!("2"), &json!(0)));
    assert_eq!(
        answer["tx_result"]["events"][0]["attributes"][0]["value"], "1",
        "the result of the second one"
    );

    let mut client = node.client();
    let waiting = tokio::spawn(async move { client.call("broadcast_tx_commit", params).await.unwrap() });
    node.admit(Outcome::Committed { height: 2 }).await;
    assert_eq!(waiting.await.unwrap()["height"], "2", "committed before");
}

#[tokio::test]
async fn what_is_on_the_chain_is_never_said_to_be_refused() {
    let mut node = Scripted::start(RpcConfig::default()).await;
    node.execute(&[b"tx"]);
    let expired = || Refusal { code: 10, codespace: "mempool".into(), log: "sign it again".into() };
    for (method, tx) in [("sync", b"tx"), ("commit", b"tx"), ("sync", b"no")] {
        let (mut client, method, params) =
            (node.client(), format!("broadcast_tx_{method}"), json!({ "tx": BASE64.encode(tx) }));
        let call = tokio::spawn(async move { client.call(&method, params).await.unwrap() });
        node.admit(Outcome::Refused(expired())).await;
        let answer = call.await.unwrap();
        match (&answer["height"], tx) {
            (Value::Null, b"tx") => assert_eq!(answer["log"], "already committed"),
            (height, b"tx") => assert_eq!(height, "1"),
            _ => assert_eq!(answer["code"], 10),
        }
    }
}

#[tokio::test]
async fn waiting_for_a_commit_ends_without_it() {
    let mut node = Scripted::start(RpcConfig { commit_timeout_ms: 50, ..RpcConfig::default() }).await;
    let refusal = |code| Refusal { code, codespace: "mempool".into(), log: "why".into() };
    let hash = TxHash::of(b"tx");
    let call = |node: &Scripted| {
        let (mut client, params) = (node.client(), json!({ "tx": BASE64.encode(b"tx") }));
        tokio::spawn(async move { client.call("broadcast_tx_commit", params).await })
    };
    let why = |answer: Result<Value, ClientError>| match answer {
        Err(ClientError::Rpc { code: -32603, data, .. }) => data,
        other => panic!("expected an error object, got {other:?}"),
    };

    let waiting = call(&node);
    node.admit(Outcome::Refused(refusal(8))).await;
    let answer = waiting.await.unwrap().unwrap();
    assert_eq!((&answer["check_tx"]["code"], &answer["height"]), (&json!(8), &json!("0")), "refused");

    let waiting = call(&node);
    node.admit(Outcome::Accepted { duplicate: false }).await;
    node.backend.journal.dropped(&TxHash::of(b"other"), &refusal(1));
    node.backend.journal.dropped(&hash, &refusal(10));
    assert_eq!(waiting.await.unwrap().unwrap()["check_tx"]["code"], 10, "dropped for good");

    let waiting = call(&node);
    node.admit(Outcome::Accepted { duplicate: false }).await;
    let poor = Refusal { code: 12, codespace: "ledger".into(), log: "holds 0".into() };
    node.backend.journal.dropped(&hash, &poor);
    let data = why(waiting.await.unwrap());
    assert!(data.contains("holds 0") && data.contains("others may still have it"), "{data}");

    let waiting = call(&node);
    node.admit(Outcome::Accepted { duplicate: false }).await;
    let data = why(waiting.await.unwrap());
    assert!(data.starts_with("timed out waiting for tx to be included in a block"), "{data}");
    assert!(data.contains(&hex::encode_upper(hash)) && data.contains("may still be committed"), "{data}");
}

#[tokio::test]
async fn pending_transactions_are_shown() {
    let mut node = Scripted::start(RpcConfig::default()).await;
    let mut client = node.client();
    let asked =
        tokio::spawn(async move { client.call("unconfirmed_txs", json!({"limit": "2"})).await.unwrap() });
    match node.backend.asks.recv().await {
        Some(Ask::Pending { limit: 2, answer }) => answer.send(vec![b"a".to_vec(), b"b".to_vec()]).unwrap(),
        other => panic!("expected Pending, got {other:?}"),
    }
    let answer = asked.await.unwrap();
    assert_eq!((&answer["n_txs"], &answer["total"]), (&json!("2"), &json!("3")));
    assert_eq!(answer["txs"], json!([BASE64.encode("a"), BASE64.encode("b")]));
    for (asked, meant) in [(json!(-1), 30), (json!("0"), 30), (json!(101), 100), (Value::Null, 30)] {
        let mut client = node.client();
        let params = json!({ "limit": asked });
        let call = tokio::spawn(async move { client.call("unconfirmed_txs", params).await.unwrap() });
        match node.backend.asks.recv().await {
            Some(Ask::Pending { limit, answer }) if limit == meant => answer.send(Vec::new()).unwrap(),
            other => panic!("expected Pending with {meant}, got {other:?}"),
        }
        assert_eq!(call.await.unwrap()["n_txs"], "0");
    }
    let count = node.client().call("num_unconfirmed_txs", json!({})).await.unwrap();
    assert_eq!((&count["n_txs"], &count["total_bytes"]), (&json!("3"), &json!("600")));
}
