//! The stream of events, from cursors that clients keep.

use super::*;

/// Events as `height.tx_index key=value`, and the cursor.
async fn page(node: &Scripted, params: Value) -> (Vec<String>, String) {
    let answer = node.client().call("althing_events", params).await.unwrap();
    let shown = |event: &Value| {
        let (attribute, place) = (&event["attributes"][0], &event["tx_index"]);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        format!(
            "{}.{place} {}={}",
            text(&event["height"]),
            text(&attribute["key"]),
            text(&attribute["value"])
        )
    };
    let events = answer["events"].as_array().unwrap().iter().map(shown).collect();
    (events, answer["cursor"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_stream_of_any_pages_is_the_same() {
    let node = Scripted::start(RpcConfig::default()).await;
    node.execute(&[b"a", b"b"]);
    node.execute(&[]);
    node.execute(&[b"c"]);
    let all = [
        "1.0 index=0",
        "1.1 index=1",
        "1.null parity=1",
        "2.null parity=0",
        "3.0 index=0",
        "3.null parity=1",
    ];
    for limit in 1..=7 {
        let (mut seen, mut cursor) = (Vec::new(), "1.0.0".to_owned());
        loop {
            let (events, next) = page(&node, json!({ "cursor": cursor, "limit": limit })).await;
            assert!(events.len() <= limit);
            if events.is_empty() {
                break;
            }
            (seen, cursor) = ([seen, events].concat(), next);
        }
        assert_eq!((&seen[..], cursor.as_str()), (&all.map(str::to_owned)[..], "4.0.0"), "limit {limit}");
    }
    // The cursor of each event stands behind it.
    let answer = node.client().call("althing_events", json!({ "cursor": "0.0.0" })).await.unwrap();
    for (index, event) in answer["events"].as_array().unwrap().iter().enumerate() {
        let (rest, _) = page(&node, json!({ "cursor": event["cursor"] })).await;
        assert_eq!(rest, all[index + 1..]);
    }
    assert_eq!(answer["events"][1]["hash"], hex::encode_upper(TxHash::of(b"b")));
    assert_eq!(answer["latest_height"], "3");
}

#[tokio::test]
async fn a_stream_knows_senders_as_searches_do() {
    let node = Scripted::start(RpcConfig::default()).await;
    let key = ed25519::SecretKey::from_seed([1; 32]);
    let sender = Address::of(&key.public_key());
    let tx = Transaction::transfer("test-1", &key, 0, 0, sender, 1, "").encode();
    node.execute(&[b"a", &tx]);
    let query = format!("tx.sender = '{sender}'");
    let (events, _) = page(&node, json!({ "cursor": "1.0.0", "query": query })).await;
    assert_eq!(events, ["1.1 index=1"]);
}

#[tokio::test]
async fn a_query_chooses_whole_transactions_and_blocks() {
    let node = Scripted::start(RpcConfig::default()).await;
    node.execute(&[b"a", b"b"]);
    node.execute(&[b"c", b"d"]);
    for (query, expected) in [
        ("executed.index = 1", vec!["1.1 index=1", "2.1 index=1"]),
        ("block.parity = '0'", vec!["2.null parity=0"]),
        ("tx.height > 1 AND executed.index = 0", vec!["2.0 index=0"]),
        ("tm.event = 'NewBlockEvents'", vec!["1.null parity=1", "2.null parity=0"]),
        ("executed.index = 7", vec![]),
    ] {
        let (events, cursor) = page(&node, json!({ "cursor": "1.0.0", "query": query })).await;
        assert_eq!((events, cursor.as_str()), (expected.into_iter().map(str::to_owned).collect(), "3.0.0"));
    }
    let wrong = node.client().call("althing_events", json!({ "query": "executed.index =" })).await;
    assert_eq!(error_code(wrong), -32602);
}

#[tokio::test]
async fn one_who_waits_hears_of_the_next_event() {
    let node = Scripted::start(RpcConfig::default()).await;
    node.execute(&[b"a"]);
    let (none, cursor) = page(&node, json!({ "wait_ms": 1 })).await;
    assert_eq!((none.len(), cursor.as_str()), (0, "2.0.0"), "without a cursor: what is to come");
    let mut client = node.client();
    let params = json!({ "cursor": cursor, "wait_ms": 60_000, "query": "executed.index = 1" });
    let waiting = tokio::spawn(async move { client.call("althing_events", params).await.unwrap() });
    node.execute(&[b"b"]);
    node.execute(&[b"c", b"d"]);
    let answer = waiting.await.unwrap();
    assert_eq!((&answer["events"][0]["height"], &answer["cursor"]), (&json!("3"), &json!("4.0.0")));
}

#[tokio::test]
async fn a_cursor_that_has_nothing_behind_it_here_is_an_error() {
    let node = Scripted::start(RpcConfig::default()).await;
    for tx in [b"a", b"b", b"c"] {
        node.execute(&[tx]);
    }
    node.handle.chain().prune(Height(3), 10).unwrap();
    let call = |cursor: &'static str| {
        let mut client = node.client();
        async move { client.call("althing_events", json!({ "cursor": cursor })).await }
    };
    match call("1.0.0").await {
        Err(ClientError::Rpc { code: -32603, data, .. }) => {
            assert_eq!(data, "height 1 is not available, lowest height is 3");
        }
        other => panic!("expected an error, got {other:?}"),
    }
    assert_eq!(call("3.0.0").await.unwrap()["cursor"], "4.0.0");
    assert_eq!(call("4.0.0").await.unwrap()["cursor"], "4.0.0");
    assert_eq!(error_code(call("5.0.0").await), -32603);
    assert_eq!(error_code(call("yesterday").await), -32602);
}
