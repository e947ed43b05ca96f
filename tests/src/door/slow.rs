//! Subscribers that hardly read what they asked for: the node has to drop what they miss, say so, and tell from where to go on.

use std::{collections::BTreeSet, error::Error, net::SocketAddr, time::Duration};

use althing_crypto::TxHash;
use althing_node::{
    client::{Client, Events, NodeUrl, integer},
    rpc::RpcError,
};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use futures::{SinkExt, StreamExt, future::join_all};
use serde_json::{Value, json};
use socket2::SockRef;
use tokio::{
    net::{TcpSocket, TcpStream},
    sync::watch,
    time::{Instant, sleep, timeout},
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{self, Message},
};

use super::visitors::own_address;
use crate::processes::PATIENCE;

/// How long a subscriber takes for a message: many more come meanwhile. One that took nothing at all would be hung up on, and so would one
/// that empties less of the system's buffers in half a minute than makes the system take more from the node.
const SLOWNESS: Duration = Duration::from_millis(100);
/// What the system keeps for a subscriber that does not read: little, so that the node has to. On the node's side the system keeps some
/// twenty segments: with the usual ones of loopback that is 4 MiB, of which a third must be read before the node can send any more, and
/// who takes nothing for half a minute is hung up on.
const RECEIVE_BUFFER_BYTES: u32 = 8 << 10;
const SEGMENT_BYTES: u32 = 536;
/// Before another attempt to subscribe where the node did not say when.
const PAUSE: Duration = Duration::from_millis(500);
/// Addresses beyond those of the readers.
const FIRST_ADDRESS: usize = 20_000;

/// A subscriber that hardly reads.
pub(super) struct Slow {
    socket: WebSocketStream<TcpStream>,
    node: NodeUrl,
}

/// Why nobody is subscribed.
enum Refused {
    /// For now: to try again, after this if the node says so.
    Busy(Option<Duration>),
    /// For good.
    Broken(Box<dyn Error + Send + Sync>),
}

impl<E: Error + Send + Sync + 'static> From<E> for Refused {
    fn from(error: E) -> Self {
        Self::Broken(error.into())
    }
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
    /// Comes again when it is told to.
    async fn subscribe(number: usize, address: SocketAddr, node: NodeUrl) -> Self {
        let begun = Instant::now();
        loop {
            match Self::try_to_subscribe(number, address, node.clone()).await {
                Ok(own) => return own,
                Err(Refused::Busy(after)) if begun.elapsed() < PATIENCE => {
                    sleep(after.unwrap_or(PAUSE)).await
                }
                Err(Refused::Busy(_)) => panic!("subscriber {number} was told to wait for {PATIENCE:?}"),
                Err(Refused::Broken(error)) => panic!("subscriber {number}: {error}"),
            }
        }
    }

    async fn try_to_subscribe(number: usize, address: SocketAddr, node: NodeUrl) -> Result<Self, Refused> {
        let socket = TcpSocket::new_v4()?;
        socket.set_recv_buffer_size(RECEIVE_BUFFER_BYTES)?;
        SockRef::from(&socket).set_tcp_mss(SEGMENT_BYTES)?;
        socket.bind((own_address(FIRST_ADDRESS + number), 0).into())?;
        let stream = socket.connect(address).await?;
        let socket = match client_async(format!("ws://{address}/websocket"), stream).await {
            Err(tungstenite::Error::Http(answer)) if [429, 503].contains(&answer.status().as_u16()) => {
                let after =
                    answer.headers().get("retry-after").and_then(|after| after.to_str().ok()?.parse().ok());
                return Err(Refused::Busy(after.map(Duration::from_secs)));
            }
            upgraded => upgraded?.0,
        };
        let mut own = Self { socket, node };
        let ask = json!({ "jsonrpc": "2.0", "id": 1, "method": "subscribe", "params": { "query": "tm.event EXISTS" } });
        own.socket.send(Message::text(ask.to_string())).await?;
        let answer = own.message().await.ok_or(Refused::Busy(None))?;
        match &answer["error"] {
            Value::Null => Ok(own),
            error if error["code"] == RpcError::BUSY => {
                Err(Refused::Busy(error["retry_after_ms"].as_u64().map(Duration::from_millis)))
            }
            error => Err(Refused::Broken(error.to_string().into())),
        }
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

    /// Listens, slowly until the last height is known; up to the notice of a gap, then follows the cursor in it up to that height. One that
    /// is hung up on goes on from the block that it heard of last.
    pub(super) async fn listen(mut self, mut last: watch::Receiver<Option<u64>>) -> Found {
        let (mut found, mut reached) = (Found::default(), 0);
        loop {
            _ = timeout(SLOWNESS, last.wait_for(Option::is_some)).await;
            // The node's question whether it is there stands behind all that it has not read: who says nothing for a minute is hung up on.
            // Where that has happened, the next message says so.
            _ = self.socket.send(Message::Pong(tungstenite::Bytes::new())).await;
            if last.borrow().is_some_and(|last| reached >= last) {
                break;
            }
            let message = self.message().await;
            let told = message.as_ref().and_then(cursor_of_gap);
            found.gap |= told.is_some();
            let hung_up = message.is_none().then(|| format!("{reached}.0.0"));
            if let Some(cursor) = told.or(hung_up) {
                let height = last.wait_for(Option::is_some).await.ok().and_then(|last| *last);
                fill(&self.node, cursor, height.expect("the run ends with a height"), &mut found).await;
                break;
            }
            let message = message.unwrap_or_default();
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
