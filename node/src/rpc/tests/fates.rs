//! Where a transaction stands, as clients are told.

use super::*;

fn named(tx: &[u8]) -> Value {
    json!({ "hash": TxHash::of(tx).to_string() })
}

/// Hands a transaction in, which the mempool takes.
async fn submit(node: &mut Scripted, tx: &[u8]) {
    let (mut client, params) = (node.client(), json!({ "tx": BASE64.encode(tx) }));
    let asked = tokio::spawn(async move { client.call("broadcast_tx_sync", params).await.unwrap() });
    node.admit(Outcome::Accepted { duplicate: false }).await;
    assert_eq!(asked.await.unwrap()["code"], 0);
}

/// Status, and whether it is final.
async fn status(node: &Scripted, tx: &[u8]) -> (String, bool) {
    let answer = node.client().call("althing_tx_status", named(tx)).await.unwrap();
    (answer["status"].as_str().unwrap().to_owned(), answer["final"].as_bool().unwrap())
}

fn refusal(code: u32, codespace: &str) -> Refusal {
    Refusal { code, codespace: codespace.into(), log: "why".into() }
}

#[tokio::test]
async fn a_status_is_that_of_the_journal_until_the_chain_has_one() {
    let mut node = Scripted::start(RpcConfig::default()).await;
    submit(&mut node, b"tx").await;
    assert_eq!(status(&node, b"tx").await, ("pending".to_owned(), false));
    node.backend.journal.dropped(&TxHash::of(b"tx"), &refusal(11, "mempool"));
    assert_eq!(status(&node, b"tx").await, ("evicted".to_owned(), false), "others may have it");
    node.execute(&[b"other", b"tx"]);
    assert_eq!(status(&node, b"tx").await, ("committed".to_owned(), true));
    let answer = node.client().call("althing_tx_status", named(b"tx")).await.unwrap();
    assert_eq!((&answer["height"], &answer["index"], &answer["code"]), (&json!("1"), &json!(1), &json!(0)));
    assert_eq!(answer["hash"], hex::encode_upper(TxHash::of(b"tx")));
}

#[tokio::test]
async fn what_is_stored_and_not_announced_is_pending() {
    let mut node = Scripted::start(RpcConfig::default()).await;
    submit(&mut node, b"tx").await;
    chain::append(&node.handle, &[b"tx"]);
    assert_eq!(status(&node, b"tx").await, ("pending".to_owned(), false));
    // Nor is it said to be over, which it may be by this very block.
    node.backend.journal.dropped(&TxHash::of(b"tx"), &refusal(12, "ledger"));
    assert_eq!(status(&node, b"tx").await, ("pending".to_owned(), false));
}

#[tokio::test]
async fn what_the_application_finds_over_is_final() {
    let mut node = Scripted::start(RpcConfig::default()).await;
    let key = ed25519::SecretKey::from_seed([1; 32]);
    let transfer = |sequence, expiry| {
        Transaction::transfer("test-1", &key, sequence, expiry, Address::from_bytes([5; 20]), 1, "").encode()
    };
    // The application stands before its first block.
    let open = transfer(0, 0);
    submit(&mut node, &open).await;
    node.backend.journal.dropped(&TxHash::of(&open), &refusal(12, "ledger"));
    assert_eq!(status(&node, &open).await, ("failed".to_owned(), false), "its sequence is not used");
    let application = node.handle.application().clone();
    let first: &[u8] = &transfer(0, 9);
    let block = althing_ledger::FinalizeBlock { height: 1, txs: &[first], ..Default::default() };
    application.finalize_block(&block).unwrap();
    application.commit().unwrap();
    assert_eq!(status(&node, &open).await, ("failed".to_owned(), true), "another one has used it");
    let late = transfer(1, 5);
    submit(&mut node, &late).await;
    node.backend.journal.dropped(&TxHash::of(&late), &refusal(10, "mempool"));
    assert_eq!(status(&node, &late).await, ("expired".to_owned(), true));
}

/// A transfer in an application that stands before its first block.
fn transfer() -> Vec<u8> {
    let key = ed25519::SecretKey::from_seed([1; 32]);
    Transaction::transfer("test-1", &key, 0, 0, Address::from_bytes([5; 20]), 1, "").encode()
}

/// Between the application's commit and the news of it a transaction is over because it did what it says.
#[tokio::test]
async fn what_was_dropped_here_and_is_being_executed_is_not_over() {
    let mut node = Scripted::start(RpcConfig::default()).await;
    let tx = transfer();
    submit(&mut node, &tx).await;
    node.backend.journal.dropped(&TxHash::of(&tx), &refusal(11, "mempool"));
    assert_eq!(status(&node, &tx).await, ("evicted".to_owned(), false));
    let block = chain::append(&node.handle, &[&tx]);
    let application = node.handle.application().clone();
    let first: &[u8] = &tx;
    let finalize = althing_ledger::FinalizeBlock { height: 1, txs: &[first], ..Default::default() };
    application.finalize_block(&finalize).unwrap();
    application.commit().unwrap();
    assert_eq!(status(&node, &tx).await, ("pending".to_owned(), false));
    node.announce(block);
    assert_eq!(status(&node, &tx).await, ("committed".to_owned(), true));
}

#[tokio::test]
async fn what_failed_in_a_block_that_is_gone_is_not_final() {
    let mut node = Scripted::start(RpcConfig::default()).await;
    for (tx, code, expected) in [(b"a", 5, ("failed", false)), (b"b", 0, ("committed", true))] {
        submit(&mut node, tx).await;
        node.backend.journal.executed(&TxHash::of(tx), journal::Ending::executed(Height(1), 0, code));
        let (word, is_final) = status(&node, tx).await;
        assert_eq!((word.as_str(), is_final), expected);
    }
}

#[tokio::test]
async fn a_failure_that_is_not_final_is_no_answer_to_a_commit() {
    let mut node = Scripted::start(RpcConfig::default()).await;
    let tx = transfer();
    let (mut client, params) = (node.client(), json!({ "tx": BASE64.encode(&tx) }));
    let asked = tokio::spawn(async move { client.call("broadcast_tx_commit", params).await });
    node.admit(Outcome::Accepted { duplicate: false }).await;
    node.announce(chain::append_coded(&node.handle, &[&tx], Vec::new(), 5));
    match asked.await.unwrap() {
        Err(ClientError::Rpc { code: -32603, data, .. }) => {
            assert!(data.contains("may still be committed"), "{data}");
        }
        other => panic!("expected that it is not over, got {other:?}"),
    }
    assert_eq!(status(&node, &tx).await, ("failed".to_owned(), false));
}

#[tokio::test]
async fn waiting_by_hash_needs_no_submission() {
    let mut node = Scripted::start(RpcConfig::default()).await;
    let wait = |node: &Scripted, tx: &[u8], wait_ms: u64| {
        let (mut client, mut params) = (node.client(), named(tx));
        params["wait_ms"] = wait_ms.into();
        tokio::spawn(async move { client.call("althing_tx_wait", params).await })
    };
    submit(&mut node, b"tx").await;
    let (first, second) = (wait(&node, b"tx", 60_000), wait(&node, b"tx", 60_000));
    while node.handle.journal().sizes().waiting < 2 {
        tokio::task::yield_now().await;
    }
    node.execute(&[b"tx"]);
    for waiting in [first, second] {
        assert_eq!(waiting.await.unwrap().unwrap()["status"], "committed");
    }
    submit(&mut node, b"later").await;
    let short = wait(&node, b"later", 1).await.unwrap().unwrap();
    assert_eq!((&short["status"], &short["final"]), (&json!("pending"), &json!(false)));
    assert_eq!(error_code(wait(&node, b"tx", 60_001).await.unwrap()), -32602);
}

#[tokio::test]
async fn what_the_mempool_has_from_others_is_pending_and_else_unknown() {
    let mut node = Scripted::start(RpcConfig::default()).await;
    for (standing, expected) in [
        (handle::Standing::Ready, "pending"),
        (handle::Standing::Committed { height: 9 }, "pending"),
        (handle::Standing::Dropped(refusal(10, "mempool")), "expired"),
        (handle::Standing::Unknown, "unknown"),
    ] {
        let mut client = node.client();
        let asked =
            tokio::spawn(async move { client.call("althing_tx_status", named(b"tx")).await.unwrap() });
        match node.backend.asks.recv().await {
            Some(Ask::Standing { answer, .. }) => answer.send(standing).unwrap(),
            other => panic!("expected a question for the mempool, got {other:?}"),
        }
        assert_eq!(asked.await.unwrap()["status"], expected);
    }
}

#[tokio::test]
async fn an_asynchronous_submission_is_known_whatever_becomes_of_it() {
    let mut node = Scripted::start(RpcConfig::default()).await;
    let answer =
        node.client().call("broadcast_tx_async", json!({ "tx": BASE64.encode(b"tx") })).await.unwrap();
    assert_eq!(answer["code"], 0);
    assert_eq!(status(&node, b"tx").await, ("pending".to_owned(), false));
    node.admit(Outcome::Refused(refusal(5, "ledger"))).await;
    assert_eq!(status(&node, b"tx").await, ("failed".to_owned(), false));
}

#[tokio::test]
async fn what_is_executed_takes_no_room_when_it_comes_again() {
    let mut node = Scripted::start(RpcConfig::default()).await;
    node.execute(&[b"tx"]);
    let params = json!({ "tx": BASE64.encode(b"tx") });
    let answer = node.client().call("broadcast_tx_async", params.clone()).await.unwrap();
    assert_eq!((&answer["code"], &answer["log"]), (&json!(0), &json!("already committed")));
    let mut client = node.client();
    let asked = tokio::spawn(async move { client.call("broadcast_tx_sync", params).await.unwrap() });
    node.admit(Outcome::Committed { height: 1 }).await;
    assert_eq!(asked.await.unwrap()["log"], "already committed");
    assert_eq!(node.handle.journal().sizes().txs, 0);
}

#[tokio::test]
async fn a_client_that_fills_its_share_of_the_journal_is_told_to_come_back() {
    let mut node = Scripted::start(RpcConfig::default()).await;
    for n in 0..10u8 {
        submit(&mut node, &[n]).await;
    }
    let answer = node.client().call("broadcast_tx_sync", json!({ "tx": BASE64.encode(b"one more") })).await;
    assert_eq!(error_code(answer), -32004);
    node.execute(&[&[0]]);
    while node.handle.journal().sizes().txs == 10 {
        tokio::task::yield_now().await;
    }
    submit(&mut node, b"one more").await;
}
