//! What is a request, and what is answered to what is none.

use super::*;
use crate::rpc::clients::Kind;

#[tokio::test]
async fn bad_requests_have_error_objects_and_status_200() {
    let node = Scripted::start(RpcConfig::default()).await;
    let deep = "[".repeat(100_000);
    let many = json!(vec![json!({"id": 1, "method": "health"}); 33]).to_string();
    for (body, code) in [
        ("{", -32700),
        ("", -32700),
        ("\u{0}", -32700),
        (&deep, -32700),
        ("[]", -32600),
        (&many, -32600),
        ("5", -32600),
        (r#"{"id": 1}"#, -32600),
        (r#"{"id": {}, "method": "health"}"#, -32600),
        (r#"{"id": 1, "method": 5}"#, -32600),
        (&json!({"id": "x".repeat(257), "method": "health"}).to_string(), -32600),
        (r#"{"id": 1, "jsonrpc": "1.0", "method": "health"}"#, -32600),
        (r#"{"id": 1, "method": "fly"}"#, -32601),
        (r#"{"id": 1, "method": "status", "params": [1]}"#, -32602),
        (r#"{"id": 1, "method": "broadcast_tx_sync", "params": {"tx": "%%"}}"#, -32602),
        (r#"{"id": 1, "method": "broadcast_tx_sync"}"#, -32602),
        (r#"{"id": 1, "method": "block"}"#, -32603),
    ] {
        let (status, answer) = post(node.address, body.as_bytes()).await;
        assert_eq!(
            (status, &answer["error"]["code"]),
            (200, &json!(code)),
            "{}",
            &body[..body.len().min(80)]
        );
        assert!(answer["error"]["data"].as_str().is_some_and(|data| !data.is_empty()));
    }
    let (status, answer) = get(node.address, "/fly").await;
    assert_eq!((status, &answer["error"]["code"]), (200, &json!(-32601)));
    let (status, answer) = get(node.address, "/block?height=x").await;
    assert_eq!((status, &answer["error"]["code"], &answer["id"]), (200, &json!(-32602), &json!(-1)));
}

#[tokio::test]
async fn a_body_counts_until_the_work_for_it_has_ended_whoever_has_gone() {
    let mut node = Scripted::start(RpcConfig::default()).await;
    let context = Arc::new(Context::new(node.handle.clone(), None, RpcConfig::default()));
    let caller = Caller::in_tests(Arc::clone(&context.clients));
    let (asking, held) = (caller.clone(), caller.bytes(1_000).unwrap());
    let tx = BASE64.encode("tx");
    let body = json!({ "id": 1, "method": "broadcast_tx_sync", "params": { "tx": tx } }).to_string();
    let asking = tokio::spawn(async move { dispatch::body(&context, &asking, body.into(), held).await });
    let Some(Ask::Submit { answer, .. }) = node.backend.asks.recv().await else { panic!("another question") };
    asking.abort();
    assert!(asking.await.is_err());
    assert_eq!(caller.held(Kind::Bytes), 1_000);
    answer.send(Outcome::Accepted { duplicate: false }).unwrap();
    while caller.held(Kind::Bytes) > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_batch_is_answered_in_order() {
    let node = Scripted::start(RpcConfig::default()).await;
    let batch =
        br#"[{"jsonrpc":"2.0","id":"a","method":"health"},7,{"id":9,"method":"abci_info","params":null}]"#;
    let (status, answer) = post(node.address, batch).await;
    assert_eq!(status, 200);
    assert_eq!((&answer[0]["id"], &answer[0]["result"]), (&json!("a"), &json!({})));
    assert_eq!(answer[1]["error"]["code"], -32600);
    assert_eq!(
        (&answer[2]["id"], &answer[2]["result"]["response"]["data"]),
        (&json!(9), &json!("asset-ledger"))
    );
}

#[tokio::test]
async fn a_notification_is_carried_out_and_not_answered() {
    let mut node = Scripted::start(RpcConfig::default()).await;
    let tx = BASE64.encode("tx");
    let offer = json!({ "jsonrpc": "2.0", "method": "broadcast_tx_async", "params": { "tx": tx } });
    let fly = json!({ "jsonrpc": "2.0", "method": "fly" });
    for body in [offer.clone(), fly.clone(), json!([offer, fly])] {
        let (head, answer) = exchange(node.address, &post_of(body.to_string().as_bytes())).await;
        assert!(head.starts_with("HTTP/1.1 200") && answer.is_empty(), "{body}: {head} {answer}");
    }
    for _ in 0..2 {
        assert_eq!(node.admit(Outcome::Accepted { duplicate: false }).await, b"tx");
    }
    let batch =
        br#"[{"method":"health"},{"id":1,"method":"health"},{"method":"fly"},{"id":null,"method":"fly"}]"#;
    let (_, answer) = post(node.address, batch).await;
    assert_eq!(answer.as_array().map(Vec::len), Some(2));
    assert_eq!((&answer[0]["id"], &answer[1]["error"]["code"]), (&json!(1), &json!(-32601)));
    let (_, answer) = post(node.address, b"{}").await;
    assert_eq!(answer["error"]["code"], -32600, "without a method it is no notification");
}

#[tokio::test]
async fn a_body_too_long_is_refused_and_the_node_goes_on() {
    let node = Scripted::start(RpcConfig { max_body_bytes: 1024, ..RpcConfig::default() }).await;
    let body = |len: usize| format!(r#"{{"id":1,"method":"health","x":"{}"}}"#, "x".repeat(len));
    let (status, answer) = post(node.address, body(2_000).as_bytes()).await;
    assert_eq!((status, &answer["error"]["code"]), (413, &json!(-32600)));
    assert!(answer["error"]["data"].as_str().unwrap().contains("rpc.max_body_bytes, 1024"));
    let (status, answer) = post(node.address, body(900).as_bytes()).await;
    assert_eq!((status, &answer["result"]), (200, &json!({})));
}
