//! Subscribers that hardly read what they asked for: the node has to drop what they miss, say so, and tell from where to go on.

use std::{collections::BTreeSet, net::SocketAddr, time::Duration};

use althing_crypto::TxHash;
use althing_node::{
    client::{Client, Events, NodeUrl, integer},
    rpc::RpcError,
};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use futures::{SinkExt, StreamExt, future::join_all};
use serde_json::{Value, json};
use tokio::{
    net::{TcpSocket, TcpStream},
    sync::watch,
    time::timeout,
};
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};

use super::visitors::own_address;
use crate::processes::PATIENCE;

/// How long a subscriber takes for a message: many more come meanwhile. One that took nothing at all would be hung up on.
const SLOWNESS: Duration = Duration::from_secs(2);
/// What the system keeps for a subscriber that does not read: little, so that the node has to.
const RECEIVE_BUFFER_BYTES: u32 = 8 << 10;
/// Addresses beyond those of the readers.
const FIRST_ADDRESS: usize = 20_000;

/// A subscriber that hardly reads.
pub(super) struct Slow {
    socket: WebSocketStream<TcpStream>,
    node: NodeUrl,
}

/// What one found in the end.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// It was told of a gap, and where it can go on.
    pub(super) gap: bool,
    /// The transactions of which it has heard in the end, by notices and by cursor.
    pub(super) heard: BTreeSet<TxHash>,
}

/// So many subscribers to all that is told, spread over these nodes.
pub(super) async fn subscribe(count: usize, nodes: &[(SocketAddr, NodeUrl)]) -> Vec<Slow> {
    join_all((0..count).map(|number| {
        let (address, node) = nodes[number % nodes.len()].clone();
        async move { Slow::subscribe(number, address, node).await }
    }))
    .await
}

impl Slow {
    async fn subscribe(number: usize, address: SocketAddr, node: NodeUrl) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES).expect("a size");
        socket.bind((own_address(FIRST_ADDRESS + number), 0).into()).expect("an address of this machine");
        let stream = socket.connect(address).await.expect("a connection");
        let (mut socket, _) =
            client_async(format!("ws://{address}/websocket"), stream).await.expect("a WebSocket");
        let ask = json!({ "jsonrpc": "2.0", "id": 1, "method": "subscribe", "params": { "query": "tm.event EXISTS" } });
        socket.send(Message::text(ask.to_string())).await.expect("sent");
        let mut own = Self { socket, node };
        let answer = own.message().await.expect("an answer");
        assert!(answer["error"].is_null(), "subscriber {number}: {answer}");
        own
    }

    /// The next message; none if the node has hung up.
    async fn message(&mut self) -> Option<Value> {
        loop {
            let message = timeout(PATIENCE, self.socket.next()).await.expect("a message in time")?;
            if let Message::Text(text) = message.ok()? {
                return Some(serde_json::from_str(text.as_str()).expect("JSON"));
            }
        }
    }

    /// Listens, slowly until the last height is known; up to the notice of a gap, then follows the cursor in it up to that height.
    pub(super) async fn listen(mut self, mut last: watch::Receiver<Option<u64>>) -> Found {
        let (mut found, mut reached) = (Found::default(), 0);
        loop {
            _ = timeout(SLOWNESS, last.wait_for(Option::is_some)).await;
            if last.borrow().is_some_and(|last| reached >= last) {
                break;
            }
            let Some(message) = self.message().await else { break };
            if let Some(cursor) = cursor_of_gap(&message) {
                found.gap = true;
                let height = last.wait_for(Option::is_some).await.ok().and_then(|last| *last);
                fill(&self.node, cursor, height.expect("the run ends with a height"), &mut found).await;
                break;
            }
            if let Some(result) = message["result"]["data"]["value"]["TxResult"].as_object() {
                found.heard.extend(hash_of(&result["tx"]));
                reached = integer(&result["height"]).unwrap_or(reached);
            }
        }
        found
    }
}

/// From where the subscriber can go on, if this is the notice of a gap.
fn cursor_of_gap(message: &Value) -> Option<String> {
    let error = &message["error"];
    (error["code"] == RpcError::GAP).then(|| error["cursor"].as_str().expect("a cursor").to_owned())
}

fn hash_of(tx: &Value) -> Option<TxHash> {
    Some(TxHash::of(&BASE64.decode(tx.as_str()?).ok()?))
}

/// The transactions behind a cursor, up to a height.
async fn fill(node: &NodeUrl, cursor: String, height: u64, found: &mut Found) {
    let mut events = Events::new(Client::new(node.clone()), Some(cursor), None);
    while let Some(event) = events.next_ready().await.unwrap_or_else(|error| panic!("a cursor: {error}")) {
        if event.height > height {
            return;
        }
        found.heard.extend(event.hash.and_then(|hash| hash.parse().ok()).map(TxHash));
    }
}
