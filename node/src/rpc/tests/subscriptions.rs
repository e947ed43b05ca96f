//! `/websocket`: requests, subscriptions, and those who are slow.

use futures::{SinkExt, StreamExt};
use tokio_tungstenite::{
    WebSocketStream, client_async, client_async_with_config,
    tungstenite::{Message, protocol::WebSocketConfig},
};

use super::*;
use crate::rpc::{subscriptions::Outbox, who::Who};

struct Socket(WebSocketStream<TcpStream>);

impl Socket {
    async fn open(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap(), address).await
    }

    async fn over(stream: TcpStream, address: SocketAddr) -> Self {
        Self(client_async(format!("ws://{address}/websocket"), stream).await.unwrap().0)
    }

    async fn say(&mut self, id: u64, method: &str, params: Value) {
        let request = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        self.0.send(Message::text(request.to_string())).await.unwrap();
    }

    /// The next message that is one.
    async fn hear(&mut self) -> Value {
        loop {
            match self.0.next().await.unwrap().unwrap() {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Ping(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    async fn ask(&mut self, id: u64, method: &str, params: Value) -> Value {
        self.say(id, method, params).await;
        let answer = self.hear().await;
        assert_eq!(answer["id"], id, "{answer}");
        answer
    }

    async fn subscribe(&mut self, id: u64, query: &str) {
        let answer = self.ask(id, "subscribe", json!({ "query": query })).await;
        assert_eq!(answer, json!({ "jsonrpc": "2.0", "id": id, "result": {} }));
    }
}

const BLOCKS: &str = "tm.event = 'NewBlock'";

#[tokio::test]
async fn every_method_is_there_over_a_websocket_too_and_several_at_once() {
    let mut node = Scripted::start(RpcConfig::default()).await;
    let mut socket = Socket::open(node.address).await;
    assert_eq!(socket.ask(1, "health", json!({})).await["result"], json!({}));
    assert_eq!(socket.ask(2, "fly", json!({})).await["error"]["code"], -32601);
    socket.say(3, "broadcast_tx_sync", json!({ "tx": BASE64.encode(b"tx") })).await;
    let status = socket.ask(4, "status", json!({})).await;
    assert_eq!(status["result"]["node_info"]["network"], "test-1", "while another one waits");
    node.admit(Outcome::Accepted { duplicate: false }).await;
    assert_eq!(socket.hear().await["id"], 3);
    socket.0.send(Message::text("{")).await.unwrap();
    assert_eq!(socket.hear().await["error"]["code"], -32700);
}

#[tokio::test]
async fn long_messages_come_in_frames() {
    let node = Scripted::start(RpcConfig::default()).await;
    let stream = TcpStream::connect(node.address).await.unwrap();
    // So that nothing longer than a frame is kept for a connection: this client reads no longer ones.
    let config = WebSocketConfig::default().max_frame_size(Some(64 << 10));
    let url = format!("ws://{}/websocket", node.address);
    let mut socket = Socket(client_async_with_config(url, stream, Some(config)).await.unwrap().0);
    socket.subscribe(1, BLOCKS).await;
    let tx = vec![7; 60_000];
    node.execute(&[&tx, &tx]);
    let told = socket.hear().await;
    let txs = &told["result"]["data"]["value"]["block"]["data"]["txs"];
    assert_eq!((&txs[0], &txs[1]), (&json!(BASE64.encode(&tx)), &json!(BASE64.encode(&tx))));
    let block = socket.ask(2, "block", json!({ "height": "1" })).await;
    assert_eq!(&block["result"]["block"]["data"]["txs"], txs);
}

#[tokio::test]
async fn what_is_no_handshake_is_told_so() {
    let node = Scripted::start(RpcConfig::default()).await;
    let (status, answer) = get(node.address, "/websocket").await;
    assert_eq!((status, &answer["error"]["code"]), (400, &json!(-32600)));
}

#[tokio::test]
async fn a_block_is_told_as_this_dialect_tells_it() {
    let node = Scripted::start(RpcConfig::default()).await;
    let mut socket = Socket::open(node.address).await;
    socket.subscribe(1, BLOCKS).await;
    socket.subscribe(2, "tm.event='Tx' AND executed.index = '1'").await;
    socket.subscribe(3, "tm.event='NewBlockHeader'").await;
    socket.subscribe(4, "block.height = 1 AND tm.event = 'NewBlockEvents'").await;
    let block = node.execute(&[b"first", b"second"]);

    let told = socket.hear().await;
    assert_eq!((&told["id"], &told["result"]["query"]), (&json!(1), &json!(BLOCKS)));
    assert_eq!(told["result"]["events"]["tm.event"], json!(["NewBlock"]));
    assert_eq!(told["result"]["data"]["type"], "tendermint/event/NewBlock");
    let value = &told["result"]["data"]["value"];
    assert_eq!(value["block_id"]["hash"], hex::encode_upper(block.hash()));
    assert_eq!(value["block"]["data"]["txs"][0], BASE64.encode(b"first"));
    assert_eq!(value["result_finalize_block"]["tx_results"].as_array().map(Vec::len), Some(2));

    let told = socket.hear().await;
    assert_eq!(
        (&told["id"], &told["result"]["data"]["type"]),
        (&json!(3), &json!("tendermint/event/NewBlockHeader"))
    );
    assert_eq!(told["result"]["data"]["value"]["header"]["height"], "1");
    let told = socket.hear().await;
    assert_eq!(
        (
            &told["id"],
            &told["result"]["data"]["value"]["num_txs"],
            &told["result"]["data"]["value"]["height"]
        ),
        (&json!(4), &json!("2"), &json!("1"))
    );
    let told = socket.hear().await;
    assert_eq!((&told["id"], &told["result"]["data"]["type"]), (&json!(2), &json!("tendermint/event/Tx")));
    let tx = &told["result"]["data"]["value"]["TxResult"];
    assert_eq!((&tx["index"], &tx["tx"]), (&json!(1), &json!(BASE64.encode(b"second"))));
    let hash = hex::encode_upper(TxHash::of(b"second"));
    let events = json!({
        "tm.event": ["Tx"], "tx.hash": [hash], "tx.height": ["1"], "executed.index": ["1"],
    });
    assert_eq!(told["result"]["events"], events);
}

#[tokio::test]
async fn a_subscription_ends_when_it_is_given_up() {
    let node = Scripted::start(RpcConfig::default()).await;
    let mut socket = Socket::open(node.address).await;
    socket.subscribe(1, BLOCKS).await;
    assert_eq!(socket.ask(2, "subscribe", json!({ "query": BLOCKS })).await["error"]["code"], -32603);
    assert_eq!(socket.ask(3, "subscribe", json!({ "query": "tm.event" })).await["error"]["code"], -32602);
    assert_eq!(socket.ask(4, "unsubscribe", json!({ "query": BLOCKS })).await["result"], json!({}));
    assert_eq!(socket.ask(5, "unsubscribe", json!({ "query": BLOCKS })).await["error"]["code"], -32603);
    node.execute(&[]);
    assert_eq!(socket.ask(6, "health", json!({})).await["result"], json!({}));
    socket.subscribe(7, BLOCKS).await;
    socket.subscribe(8, "tm.event = 'Tx'").await;
    assert_eq!(socket.ask(9, "unsubscribe_all", json!({})).await["result"], json!({}));
    node.execute(&[b"tx"]);
    assert_eq!(socket.ask(10, "health", json!({})).await["result"], json!({}));
    let answer = node.client().call("subscribe", json!({ "query": BLOCKS })).await;
    assert_eq!(error_code(answer), -32601, "not over HTTP");
}

#[tokio::test]
async fn subscriptions_are_counted() {
    let config = RpcConfig { max_subscriptions_per_client: 2, ..RpcConfig::default() };
    let node = Scripted::start(config).await;
    let mut socket = Socket::open(node.address).await;
    socket.subscribe(1, BLOCKS).await;
    socket.subscribe(2, "tm.event = 'Tx'").await;
    let refused = socket.ask(3, "subscribe", json!({ "query": "tm.event EXISTS" })).await;
    assert_eq!(refused["error"]["code"], -32004, "{refused}");
    assert_eq!(socket.ask(4, "unsubscribe", json!({ "query": BLOCKS })).await["result"], json!({}));
    socket.subscribe(5, "tm.event EXISTS").await;
}

#[tokio::test]
async fn who_is_slow_is_told_of_the_gap_and_keeps_nobody_waiting() {
    let config = RpcConfig { max_unsent_bytes: 64 << 10, ..RpcConfig::default() };
    let node = Scripted::start(config).await;
    let (mut slow, mut quick) = (Socket::open(node.address).await, Socket::open(node.address).await);
    slow.subscribe(1, BLOCKS).await;
    quick.subscribe(1, BLOCKS).await;
    let tx = vec![7; 60_000];
    // What the system buffers of what the slow one does not take is some megabytes.
    let heights = 1..=400;
    for height in heights.clone() {
        node.execute(&[&tx]);
        let told = quick.hear().await;
        assert_eq!(told["result"]["data"]["value"]["block"]["header"]["height"], height.to_string());
    }
    let mut next = 1;
    let cursor = loop {
        let told = slow.hear().await;
        if told["error"].is_object() {
            assert_eq!((&told["id"], &told["error"]["code"]), (&json!(1), &json!(RpcError::GAP)));
            assert!(told["error"]["data"].is_string(), "clients of this dialect read nothing else");
            break told["error"]["cursor"].as_str().unwrap().to_owned();
        }
        assert_eq!(told["result"]["data"]["value"]["block"]["header"]["height"], next.to_string());
        next += 1;
    };
    assert!(next < 400, "it was slow");
    assert_eq!(cursor, format!("{next}.0.0"), "where the first one that was left out is");
    // All is taken, so the next one comes.
    assert_eq!(slow.ask(2, "health", json!({})).await["result"], json!({}));
    node.execute(&[]);
    let told = slow.hear().await;
    assert_eq!(told["result"]["data"]["value"]["block"]["header"]["height"], "401");
}

#[tokio::test]
async fn a_node_that_stops_hangs_up() {
    let node = Scripted::start(RpcConfig::default()).await;
    let mut socket = Socket::open(node.address).await;
    socket.subscribe(1, BLOCKS).await;
    drop(node.backend);
    match socket.0.next().await {
        Some(Ok(Message::Close(Some(frame)))) => assert_eq!(u16::from(frame.code), 1001),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn where_following_blocks_fails_subscribers_are_hung_up_on_and_later_ones_hear() {
    let node = Scripted::start(RpcConfig::default()).await;
    let context = Arc::new(Context::new(node.handle.clone(), None, RpcConfig::default()));
    let follower = Arc::clone(&context);
    tokio::spawn(async move {
        let tell = |context, height| async move {
            assert!(height != Height(2), "a fault");
            follow::tell(context, height).await;
        };
        follow::watched(&follower, tell).await;
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(server::serve_open(Arc::clone(&context), stream));
        }
    });
    let (mut first, mut bystander) = (Socket::open(address).await, Socket::open(address).await);
    first.subscribe(1, BLOCKS).await;
    node.execute(&[]);
    assert_eq!(first.hear().await["id"], 1);
    node.execute(&[]);
    match first.0.next().await {
        Some(Ok(Message::Close(Some(frame)))) => {
            assert_eq!(u16::from(frame.code), 1011);
            assert!(frame.reason.contains("althing_events"), "{}", frame.reason);
        }
        other => panic!("{other:?}"),
    }
    // Who did not subscribe goes on, and who does so now hears.
    bystander.subscribe(2, BLOCKS).await;
    node.execute(&[]);
    let told = bystander.hear().await;
    assert_eq!(told["result"]["data"]["value"]["block"]["header"]["height"], "3");
}

#[tokio::test]
async fn who_cannot_pay_for_blocks_misses_them_and_others_do_not() {
    let node = Scripted::start(RpcConfig::default()).await;
    let config = RpcConfig { cost_per_s: 10_000, client_cost_per_s: 100, ..RpcConfig::default() };
    let context = Context::new(node.handle.clone(), None, config);
    let caller = |last| {
        let who = Who::at([10, 0, 0, last].into());
        Caller::new(who, Some(Role::Read), Arc::clone(&context.clients), Arc::default())
    };
    let subscribe = |caller: &Caller| {
        let (outbox, heard) = Outbox::new(&context, caller.who().clone());
        let one = context.subscriptions.prepare(caller, "tx.height > 0".into(), json!(1), outbox).unwrap();
        context.subscriptions.add(one);
        heard
    };
    let (rich, poor) = (caller(1), caller(2));
    let (mut told, mut missed) = (subscribe(&rich), subscribe(&poor));
    node.execute(&[b"first"]);
    // Less than all have, more than one has.
    poor.charge(1_000);
    context.subscriptions.publish(&node.handle, Height(1)).unwrap();
    let told: Value = serde_json::from_str(&told.recv().await.unwrap().message()).unwrap();
    assert_eq!(told["result"]["data"]["type"], "tendermint/event/Tx");
    let missed: Value = serde_json::from_str(&missed.recv().await.unwrap().message()).unwrap();
    assert_eq!(
        (&missed["error"]["code"], &missed["error"]["cursor"]),
        (&json!(RpcError::GAP), &json!("1.0.0"))
    );
}
