//! What one client may take, and what the door lets in, over real connections.

use super::*;
use crate::config::{Anonymous, TlsConfig};
use door::Patience;

/// Head and body of the answer to a GET with these further lines in its head.
async fn asked(address: SocketAddr, target: &str, lines: &str) -> (String, String) {
    let request = format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{lines}\r\n");
    exchange(address, request.as_bytes()).await
}

/// The answer over a connection that is kept; none if that has ended.
async fn said(stream: &mut TcpStream, request: &[u8]) -> Option<String> {
    stream.write_all(request).await.ok()?;
    let mut answer = Vec::new();
    loop {
        if stream.read_buf(&mut answer).await.ok()? == 0 {
            return None;
        }
        let text = String::from_utf8_lossy(&answer);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let len = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if body.len() == len.unwrap().parse::<usize>().unwrap() {
            return Some(text.into_owned());
        }
    }
}

#[tokio::test]
async fn who_asks_for_too_much_is_told_when_to_come_back() {
    let config = RpcConfig { client_cost_per_s: 100, ..RpcConfig::default() };
    let node = Scripted::start(config).await;
    let mut stream = TcpStream::connect(node.address).await.unwrap();
    let body = r#"{"id":7,"method":"rpc.discover"}"#;
    let request =
        format!("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let answer = loop {
        let answer = said(&mut stream, request.as_bytes()).await.unwrap();
        if answer.contains("-32004") {
            break answer;
        }
    };
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("retry-after: 1"), "{head}");
    let answer: Value = serde_json::from_str(body).unwrap();
    assert_eq!((&answer["id"], &answer["error"]["message"]), (&json!(7), &json!("Busy")));
    assert!(answer["error"]["retry_after_ms"].as_u64().is_some_and(|ms| (1..=2_000).contains(&ms)));
    assert!(answer["error"]["data"].as_str().unwrap().contains("rpc.client_cost_per_s"));
}

#[tokio::test]
async fn what_cannot_be_read_costs_too_and_who_goes_on_is_hung_up_on() {
    let config = RpcConfig { client_cost_per_s: 10, ..RpcConfig::default() };
    let node = Scripted::start(config).await;
    let mut stream = TcpStream::connect(node.address).await.unwrap();
    let request = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\n{";
    let mut answers = String::new();
    for _ in 0..2_000 {
        let Some(answer) = said(&mut stream, request).await else { break };
        answers.push_str(&answer);
    }
    let count = |code: &str| answers.matches(code).count();
    let (read, refused) = (count("-32700"), count("-32004"));
    assert!(read >= 9 && refused >= 32, "{read} were read, {refused} told to wait");
    assert!(read + refused < 2_000, "it goes on listening to who does not wait");
    assert_eq!(answers.matches("connection: close").count(), 1);
}

#[tokio::test]
async fn who_asks_through_a_trusted_proxy_does_not_end_its_connection() {
    let config =
        RpcConfig { client_cost_per_s: 10, proxies: vec!["127.0.0.1".into()], ..RpcConfig::default() };
    let node = Scripted::start(config).await;
    let mut stream = TcpStream::connect(node.address).await.unwrap();
    let request = |client: u8| {
        let head = format!("POST / HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 198.51.100.{client}\r\n");
        (head + "Content-Length: 1\r\n\r\n{").into_bytes()
    };
    let mut refused = 0;
    while refused < 100 {
        let answer = said(&mut stream, &request(1)).await.expect("others ask over it, too");
        assert!(!answer.contains("connection: close"), "{answer}");
        refused += usize::from(answer.contains("-32004"));
    }
    let answer = said(&mut stream, &request(2)).await.unwrap();
    assert!(answer.contains("-32700"), "{answer}");
}

#[tokio::test]
async fn a_path_that_is_no_text_is_not_free() {
    let node = Scripted::start(RpcConfig { client_cost_per_s: 10, ..RpcConfig::default() }).await;
    let mut stream = TcpStream::connect(node.address).await.unwrap();
    for _ in 0..100 {
        let answer = said(&mut stream, b"GET /%ff HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        if answer.starts_with("HTTP/1.1 429") {
            return;
        }
        assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    }
    panic!("whoever sends nothing else is never told to wait");
}

#[tokio::test]
async fn who_has_nothing_left_has_no_body_read() {
    let node = Scripted::start(RpcConfig { client_cost_per_s: 10, ..RpcConfig::default() }).await;
    let mut stream = TcpStream::connect(node.address).await.unwrap();
    let request = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\n{";
    let mut read = 0;
    let refused = loop {
        let answer = said(&mut stream, request).await.unwrap();
        if answer.starts_with("HTTP/1.1 429") {
            break answer;
        }
        read += 1;
        assert!(read < 2_000, "bodies are free");
    };
    assert!(refused.contains("-32004") && !refused.contains("connection: close"), "{refused}");
    assert!(said(&mut stream, request).await.is_some(), "it may go on when it can pay");
}

#[tokio::test]
async fn whether_it_is_ready_is_said_to_who_has_nothing_left() {
    let config = RpcConfig { client_cost_per_s: 10, ..RpcConfig::default() };
    let node = Scripted::start(config).await;
    let mut stream = TcpStream::connect(node.address).await.unwrap();
    let ask = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes();
    while !said(&mut stream, &ask("/rpc.discover")).await.unwrap().contains("-32004") {}
    for _ in 0..100 {
        for target in ["/live", "/ready"] {
            let answer = said(&mut stream, &ask(target)).await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        }
    }
}

#[tokio::test]
async fn what_nothing_is_served_for_costs_too() {
    for line in ["GET /a/b/c", "DELETE /health"] {
        let config = RpcConfig { client_cost_per_s: 10, ..RpcConfig::default() };
        let node = Scripted::start(config).await;
        let mut stream = TcpStream::connect(node.address).await.unwrap();
        let request = format!("{line} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let mut answered = 0;
        while !said(&mut stream, request.as_bytes()).await.unwrap().starts_with("HTTP/1.1 429") {
            answered += 1;
            assert!(answered < 2_000, "{line} is free");
        }
    }
}

#[tokio::test]
async fn a_client_that_goes_away_frees_its_place_when_its_work_has_ended() {
    let config = RpcConfig { max_requests_per_client: 1, ..RpcConfig::default() };
    let mut node = Scripted::start(config).await;
    let tx = BASE64.encode("tx");
    let body = json!({ "id": 1, "method": "broadcast_tx_sync", "params": { "tx": tx } }).to_string();
    let mut stream = TcpStream::connect(node.address).await.unwrap();
    stream.write_all(&post_of(body.as_bytes())).await.unwrap();
    let Some(Ask::Submit { answer, .. }) = node.backend.asks.recv().await else { panic!("a submission") };
    drop(stream);
    let health = || async { get(node.address, "/health").await.1["error"]["code"] == -32004 };
    assert!(health().await, "the submission is still under way");
    answer.send(Outcome::Accepted { duplicate: false }).unwrap();
    while health().await {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn bodies_take_memory_that_all_share() {
    let config = RpcConfig { max_bytes: 1 << 20, max_body_bytes: 1 << 20, ..RpcConfig::default() };
    let node = Scripted::start(config).await;
    // One that says it will send much, and does not: so long it holds that memory.
    let mut slow = TcpStream::connect(node.address).await.unwrap();
    slow.write_all(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 600000\r\n\r\n{").await.unwrap();
    let body = vec![b' '; 500_000];
    let refused = async {
        loop {
            let (head, answer) = exchange(node.address, &post_of(&body)).await;
            if head.starts_with("HTTP/1.1 429") {
                return (head, answer);
            }
        }
    };
    let (head, answer) = refused.await;
    assert!(head.contains("retry-after: 1") && answer.contains("-32004"), "{head} {answer}");
    drop(slow);
    while exchange(node.address, &post_of(&body)).await.0.starts_with("HTTP/1.1 429") {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn roles_are_kept_over_http() {
    let config = RpcConfig { anonymous: Anonymous::Read, ..RpcConfig::default() };
    let node = Scripted::start(config).await;
    assert_eq!(get(node.address, "/health").await.1["result"], json!({}));
    let (status, answer) = get(node.address, "/broadcast_tx_sync?tx=\"a\"").await;
    assert_eq!((status, &answer["error"]["code"]), (200, &json!(-32001)));
    let (head, body) = asked(node.address, "/health", "Authorization: Bearer wrong\r\n").await;
    assert!(head.starts_with("HTTP/1.1 401") && head.contains("www-authenticate: Bearer"), "{head}");
    assert!(body.contains("-32001"), "{body}");
}

#[tokio::test]
async fn a_listed_page_may_ask_and_read_the_answer() {
    let config = RpcConfig { origins: vec!["https://app.example".into()], ..RpcConfig::default() };
    let node = Scripted::start(config).await;
    let (head, _) = asked(node.address, "/health", "Origin: https://app.example\r\n").await;
    assert!(head.contains("access-control-allow-origin: https://app.example"), "{head}");
    let preflight =
        b"OPTIONS / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nOrigin: https://app.example\r\n\r\n";
    let (head, _) = exchange(node.address, preflight).await;
    assert!(
        head.starts_with("HTTP/1.1 204") && head.contains("access-control-allow-methods: GET, POST"),
        "{head}"
    );
    let (head, _) = asked(node.address, "/health", "Origin: https://evil.example\r\n").await;
    assert!(head.starts_with("HTTP/1.1 403") && !head.contains("allow-origin"), "{head}");
}

#[tokio::test]
async fn whether_it_lives_and_is_ready_is_said_to_everyone() {
    let config = RpcConfig { anonymous: Anonymous::None, ..RpcConfig::default() };
    let node = Scripted::start(config).await;
    let raw = |target: &'static str| async move {
        let (head, body) = asked(node.address, target, "").await;
        (head.split(' ').nth(1).unwrap().to_owned(), serde_json::from_str::<Value>(&body).unwrap_or_default())
    };
    assert_eq!(raw("/live").await, ("200".into(), json!({ "live": true })));
    assert_eq!(
        raw("/ready").await,
        ("200".into(), json!({ "ready": true, "not": {} })),
        "alice alone is the quorum"
    );
    node.backend.status.send_modify(|status| {
        status.catching_up = true;
        status.halted = Some("a fork".into());
    });
    let (status, answer) = raw("/ready").await;
    assert_eq!((status.as_str(), &answer["ready"]), ("503", &json!(false)));
    let not: Vec<_> = answer["not"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(not, ["running", "synced"]);
    assert_eq!(raw("/metrics").await.0, "401");
    assert_eq!(raw("/health").await.1["error"]["code"], -32001);
}

#[tokio::test]
async fn every_metric_is_on_the_page_and_counts() {
    let config = RpcConfig { anonymous: Anonymous::None, open_metrics: true, ..RpcConfig::default() };
    let node = Scripted::start(config).await;
    node.handle.meters().failed_views.more();
    get(node.address, "/health").await;
    let (head, page) = asked(node.address, "/metrics", "").await;
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("text/plain; version=0.0.4"), "{head}");
    metrics::check(&page);
    for line in [
        "althing_consensus_failed_views_total 1\n",
        "althing_mempool_txs 3\n",
        "althing_rpc_errors_total{code=\"-32001\"} 1\n",
        "althing_rpc_held{kind=\"connections\"} 1\n",
        "althing_rpc_limit{kind=\"requests\"} 512\n",
    ] {
        assert!(page.contains(line), "{line} in {page}");
    }
}

#[tokio::test]
async fn the_same_is_served_over_tls() {
    let home = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(home.path().join("certificate.pem"), made.cert.pem()).unwrap();
    std::fs::write(home.path().join("key.pem"), made.key_pair.serialize_pem()).unwrap();
    let tls = TlsConfig { certificate: "certificate.pem".into(), key: "key.pem".into() };
    let config = RpcConfig { tls: Some(tls), ..RpcConfig::default() };
    let node = Scripted::start_in(home.path(), config.clone(), |server| server).await;
    let url = format!("https://localhost:{}", node.address.port()).parse().unwrap();
    let access = Access::default().roots_file(&home.path().join("certificate.pem")).unwrap();
    let mut client = Client::with(url, access);
    assert_eq!(client.call("health", json!({})).await.unwrap(), json!({}));
    // Plain HTTP is no handshake, and one that never comes keeps nobody else from one.
    let mut plain = TcpStream::connect(node.address).await.unwrap();
    plain.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer).await;
    assert!(!String::from_utf8_lossy(&answer).contains("HTTP/1.1"));
    let error = Server::bind(
        RpcConfig { listen: "127.0.0.1:0".parse().unwrap(), ..config },
        Path::new("/nonexistent"),
    );
    assert!(error.await.err().unwrap().to_string().starts_with("rpc.tls: /nonexistent/certificate.pem"));
}

/// What comes over a connection until the node ends it.
async fn until_the_end(address: SocketAddr, said: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(said).await.unwrap();
    let mut answer = Vec::new();
    // Ended while bytes were on their way, it breaks.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn the_half_open_the_slow_and_the_oversized_are_let_go() {
    // Each node is short of one kind of patience only: however busy the machine is, nothing else runs out.
    let short = Duration::from_millis(100);
    let head_short = Patience { head: short, ..Patience::default() };
    let node = Scripted::start_on(RpcConfig::default(), |server| server.with_patience(head_short)).await;
    for head in ["", "GET /health HT", "GET /health HTTP/1.1\r\nHost: localhost\r\nA: b"] {
        let answer = until_the_end(node.address, head.as_bytes()).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{head:?}: {answer}");
    }
    let body_short = Patience { body: short, ..Patience::default() };
    let node = Scripted::start_on(RpcConfig::default(), |server| server.with_patience(body_short)).await;
    let body = "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{";
    let answer = until_the_end(node.address, body.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("did not come within 100ms"), "{answer}");
    let long = format!("GET /health HTTP/1.1\r\nHost: localhost\r\nA: {}\r\n\r\n", "a".repeat(200_000));
    let answer = until_the_end(node.address, long.as_bytes()).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    let many = format!("GET /health HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "A: b\r\n".repeat(500));
    let answer = until_the_end(node.address, many.as_bytes()).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    assert_eq!(get(node.address, "/health").await.1["result"], json!({}));
}
