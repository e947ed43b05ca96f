//! A client before nodes that say what a test wants.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use althing_crypto::TxHash;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    time::Instant,
};

use super::{Access, Client, Events, Status, Waited};

const PATIENCE: Duration = Duration::from_secs(30);
const TX: &[u8] = b"a transaction";

/// Replies in order: a result, an error object, or null for hanging up.
#[derive(Clone)]
struct Script(Arc<Mutex<Served>>);

#[derive(Default)]
struct Served {
    replies: VecDeque<Value>,
    asked: Vec<(Value, Option<String>)>,
}

/// Answers requests on one connection, until it hangs up.
async fn serve(script: Script, mut stream: BufReader<TcpStream>) -> Option<()> {
    loop {
        let (mut length, mut key) = (0, None);
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).await.ok().filter(|read| *read > 0)?;
            let Some((name, value)) = line.split_once(':') else {
                match line.trim().is_empty() {
                    true => break,
                    false => continue,
                }
            };
            match name {
                "content-length" => length = value.trim().parse().unwrap(),
                "authorization" => key = Some(value.trim().to_owned()),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.ok()?;
        let mut reply = {
            let mut served = script.0.lock().unwrap();
            served.asked.push((serde_json::from_slice(&body).unwrap(), key));
            served.replies.pop_front().expect("no more requests than replies")
        };
        if reply.is_null() {
            return None;
        }
        (reply["jsonrpc"], reply["id"]) = ("2.0".into(), 1.into());
        let reply = reply.to_string();
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", reply.len());
        stream.write_all((head + &reply).as_bytes()).await.ok()?;
    }
}

async fn node(replies: impl IntoIterator<Item = Value>) -> (Client, Script) {
    let replies = replies.into_iter().collect();
    let script = Script(Arc::new(Mutex::new(Served { replies, ..Served::default() })));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let own = script.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(own.clone(), BufReader::new(stream)));
        }
    });
    (Client::with(url, Access::default().key("word").unwrap()), script)
}

impl Script {
    fn asked(&self) -> Vec<Value> {
        self.0.lock().unwrap().asked.iter().map(|(asked, _)| asked.clone()).collect()
    }
}

fn verdict(code: u64, codespace: &str) -> Value {
    json!({ "result": { "code": code, "codespace": codespace, "log": "", "hash": TxHash::of(TX).to_string() } })
}

fn busy(retry_after_ms: u64) -> Value {
    json!({ "error": { "code": -32004, "message": "Busy", "data": "", "retry_after_ms": retry_after_ms } })
}

fn fate(status: &str, is_final: bool, height: Option<&str>) -> Value {
    json!({ "result": { "status": status, "final": is_final, "height": height, "code": 0, "codespace": "", "reason": "" } })
}

#[tokio::test]
async fn a_busy_node_is_asked_again_when_it_says() {
    let (mut client, script) = node([busy(250), verdict(4, "mempool"), verdict(0, "")]).await;
    let begun = Instant::now();
    let submitted = client.submit_within(TX, PATIENCE).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(250));
    assert!(submitted.is_taken() && submitted.certain);
    let asked = script.asked();
    assert_eq!(asked.len(), 3);
    assert!(asked.iter().all(|one| *one == asked[0]), "the same bytes each time");
    assert_eq!(script.0.lock().unwrap().asked[0].1.as_deref(), Some("Bearer word"));
}

/// Where nobody listens.
fn nowhere() -> super::NodeUrl {
    "http://127.0.0.1:1".parse().unwrap()
}

#[tokio::test]
async fn where_one_node_is_down_or_busy_the_next_is_asked() {
    let (first, one) = node([busy(600_000)]).await;
    let (second, other) = node([verdict(0, ""), fate("committed", true, Some("9"))]).await;
    let others = [first.node().clone(), second.node().clone()];
    let mut client = Client::among(nowhere(), others, Access::default());
    let begun = Instant::now();
    let waited = client.submit_and_wait(TX, PATIENCE).await.unwrap();
    assert!(matches!(waited, Waited::Ended(fate) if fate.status == Status::Committed));
    assert!(begun.elapsed() < PATIENCE, "nobody waits for a node that is busy where another is not");
    assert_eq!((one.asked().len(), other.asked().len()), (1, 2));
    assert_eq!(one.asked()[0], other.asked()[0], "the same bytes");
    assert_eq!(client.node(), second.node());
}

#[tokio::test]
async fn a_read_goes_on_at_the_next_node_and_anything_else_only_where_none_heard_of_it() {
    let found = json!({ "result": { "txs": [], "total_count": "12" } });
    let (first, one) = node([Value::Null, Value::Null]).await;
    let (second, other) = node([found]).await;
    let mut client = Client::among(first.node().clone(), [second.node().clone()], Access::default());
    let page = client.tx_search("tx.height > 1", super::Page::default(), true).await.unwrap();
    assert_eq!((page.total_count, page.txs.len()), (12, 0));
    assert_eq!(other.asked()[0]["params"]["order_by"], "desc");
    let mut client =
        Client::among(nowhere(), [first.node().clone(), second.node().clone()], Access::default());
    let broken = client.call("althing_register", json!({ "registration": "" })).await.unwrap_err();
    assert!(broken.is_uncertain(), "{broken}");
    assert_eq!((one.asked().len(), other.asked().len()), (2, 1));
}

#[tokio::test]
async fn a_refusal_after_silence_is_not_certain() {
    let (mut client, _) = node([Value::Null, verdict(12, "ledger")]).await;
    let submitted = client.submit_within(TX, PATIENCE).await.unwrap();
    assert!(!submitted.is_taken() && !submitted.certain);
    let (mut client, _) = node([verdict(2, "rpc"), verdict(12, "ledger")]).await;
    assert!(!client.submit_within(TX, PATIENCE).await.unwrap().certain, "the node was going down");
    let (mut client, _) = node([verdict(12, "ledger")]).await;
    assert!(client.submit_within(TX, PATIENCE).await.unwrap().certain);
}

#[tokio::test]
async fn an_error_after_silence_says_nothing_of_what_was_handed_in_before() {
    let error = |code: i64| json!({ "error": { "code": code, "message": "", "data": "" } });
    let (none, failing) = (error(-32001), error(-32603));
    for replies in [vec![Value::Null, none.clone()], vec![Value::Null, busy(600_000)], vec![failing]] {
        let (mut client, _) = node(replies).await;
        let open = client.submit_and_wait(TX, PATIENCE).await;
        assert!(matches!(open, Ok(Waited::Open(Err(_)))), "{open:?}");
    }
    let (mut client, _) = node([verdict(2, "rpc"), none]).await;
    let open = client.submit_within(TX, PATIENCE).await.unwrap();
    assert!(!open.is_taken() && !open.certain);
}

#[tokio::test]
async fn what_does_not_pass_is_told_at_once() {
    let refused = json!({ "error": { "code": -32001, "message": "Unauthorized", "data": "no key" } });
    let (mut client, script) = node([refused]).await;
    let error = client.submit_within(TX, PATIENCE).await.unwrap_err();
    assert!(!error.is_passing() && !error.is_uncertain(), "{error}");
    assert_eq!(script.asked().len(), 1);
}

#[tokio::test]
async fn waiting_outlasts_silence_and_ends_in_a_block() {
    let stopping = json!({ "error": { "code": -32603, "message": "Internal error", "data": "stopping" } });
    let replies =
        [fate("pending", false, None), Value::Null, busy(1), stopping, fate("failed", false, Some("7"))];
    let (mut client, script) = node(replies).await;
    let Waited::Ended(fate) = client.tx_wait(&TxHash::of(TX), PATIENCE).await else { panic!("it ends") };
    assert_eq!((fate.status, fate.height), (Status::Failed, Some(7)));
    assert_eq!(script.asked().len(), 5);
}

#[tokio::test]
async fn what_was_dropped_is_handed_in_again() {
    let replies =
        [verdict(0, ""), fate("evicted", false, None), verdict(0, ""), fate("committed", true, Some("9"))];
    let (mut client, script) = node(replies).await;
    let waited = client.submit_and_wait(TX, PATIENCE).await.unwrap();
    assert!(matches!(waited, Waited::Ended(fate) if fate.status == Status::Committed));
    let asked = script.asked();
    assert_eq!(asked[0], asked[2]);
    let (mut client, _) = node([verdict(7, "mempool")]).await;
    let refused = client.submit_and_wait(TX, PATIENCE).await.unwrap_err().unwrap();
    assert_eq!(refused.code, 7);
}

#[tokio::test]
async fn the_time_to_wait_is_bounded() {
    let (mut client, _) = node([fate("unknown", false, None)]).await;
    let waited = client.tx_wait(&TxHash::of(TX), Duration::from_millis(50)).await;
    assert!(matches!(waited, Waited::Open(Ok(fate)) if fate.status == Status::Unknown));
}

#[tokio::test]
async fn a_stream_goes_on_behind_the_last_event() {
    let event =
        |cursor: &str| json!({ "cursor": cursor, "height": "5", "type": "transfer", "attributes": [] });
    let page = |events: &[&str], cursor: &str| {
        let events: Vec<_> = events.iter().map(|one| event(one)).collect();
        json!({ "result": { "cursor": cursor, "events": events } })
    };
    // One that took the place of another, and has not executed as much.
    let data = "cursor b must be less than or equal to the newest";
    let behind = json!({ "error": { "code": -32603, "message": "Internal error", "data": data } });
    let replies = [page(&["a", "b"], "b"), page(&[], "b"), Value::Null, busy(1), behind, page(&["c"], "c")];
    let (client, script) = node(replies).await;
    let mut events = Events::new(client, Some("0".to_owned()), Some("q".to_owned()));
    for expected in ["a", "b", "c"] {
        assert_eq!(events.next().await.unwrap().cursor, expected);
    }
    let cursors: Vec<_> = script.asked().iter().map(|one| one["params"]["cursor"].clone()).collect();
    assert_eq!(cursors, ["0", "b", "b", "b", "b", "b"]);
    assert_eq!(script.asked()[4]["params"]["query"], "q");
}

#[tokio::test]
async fn a_stream_begins_where_it_was_opened_whatever_happens_before_the_first_event() {
    let event = json!({ "cursor": "c", "height": "5", "type": "transfer", "attributes": [] });
    let page = |cursor: &str, events: &[Value]| json!({ "result": { "cursor": cursor, "events": events } });
    let (client, script) = node([page("a", &[]), Value::Null, page("c", &[event])]).await;
    let mut events = Events::new(client, None, None);
    assert_eq!(events.next().await.unwrap().cursor, "c");
    let asked = script.asked();
    let asked: Vec<_> =
        asked.iter().map(|one| [&one["params"]["cursor"], &one["params"]["wait_ms"]]).collect();
    let (at_once, from) = (json!(0), [&json!("a"), &json!(20_000)]);
    assert_eq!(asked, [[&Value::Null, &at_once], from, from]);
}
