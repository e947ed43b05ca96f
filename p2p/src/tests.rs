//! Real nodes on the loopback device inside one process. Every wait is for an event, bounded by [`PATIENCE`].

mod abuse;
mod delivery;
mod gossip;
mod handshake;
mod raw;
mod requests;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use althing_crypto::{ed25519::SecretKey, sha256};
use tokio::time::timeout;

use crate::{Config, Event, EventReceiver, Hello, Limits, Network, Peer, PeerKey, StartError, start};

/// Bounds every wait; never reached when all is well.
const PATIENCE: Duration = Duration::from_secs(30);

fn secret(n: u8) -> SecretKey {
    SecretKey::from_seed([n; 32])
}

fn key(n: u8) -> PeerKey {
    secret(n).public_key()
}

fn hello() -> Hello {
    Hello {
        chain_id: "test".into(),
        genesis: sha256(b"genesis"),
        protocol_version: 1,
        software: "althing/test".into(),
    }
}

/// The defaults, but quick to try again.
fn limits() -> Limits {
    let ms = Duration::from_millis;
    Limits { reconnect: (ms(20), ms(200)), suspension: (ms(300), ms(300)), ..Limits::default() }
}

fn any_port() -> SocketAddr {
    ([127, 0, 0, 1], 0).into()
}

/// A port that was free a moment ago, for nodes that must know each other's before either starts.
fn free_port() -> SocketAddr {
    std::net::TcpListener::bind(any_port()).and_then(|listener| listener.local_addr()).expect("a free port")
}

fn peer(n: u8, address: Option<SocketAddr>) -> Peer {
    Peer { key: key(n), address: address.map(|address| address.to_string()) }
}

struct Node {
    network: Network,
    events: EventReceiver,
}

/// A node in the making.
struct Setup {
    n: u8,
    listen: SocketAddr,
    peers: Vec<Peer>,
    hello: Hello,
    limits: Limits,
}

impl Setup {
    fn new(n: u8, peers: Vec<Peer>) -> Self {
        Self { n, listen: any_port(), peers, hello: hello(), limits: limits() }
    }

    async fn try_start(self) -> Result<Node, StartError> {
        let identity = &secret(self.n);
        let Self { listen, peers, hello, limits, .. } = self;
        let (network, events) = start(Config { identity, listen, peers, hello, limits }).await?;
        Ok(Node { network, events })
    }

    async fn start(self) -> Node {
        self.try_start().await.expect("starts")
    }
}

impl Node {
    fn address(&self) -> SocketAddr {
        self.network.listen_address()
    }

    /// Takes events until `pick` makes something of one.
    async fn until<T>(&mut self, what: &str, mut pick: impl FnMut(Event) -> Option<T>) -> T {
        let mut seen = Vec::new();
        let search = async {
            loop {
                let event = self.events.recv().await.expect("the network runs");
                seen.push(format!("{event:.100?}").chars().take(300).collect::<String>());
                if let Some(found) = pick(event) {
                    return found;
                }
            }
        };
        let found = timeout(PATIENCE, search).await;
        found.unwrap_or_else(|_| {
            panic!(
                "no {what} within {PATIENCE:?}; last events: {:#?}",
                seen.iter().rev().take(10).collect::<Vec<_>>()
            )
        })
    }

    async fn connected(&mut self, n: u8) {
        self.until("connection", |event| {
            matches!(event, Event::Connected { peer, .. } if peer == key(n)).then_some(())
        })
        .await;
    }

    async fn listening(&mut self, n: u8) {
        self.until("peer that listens", |event| {
            matches!(event, Event::Listening { peer } if peer == key(n)).then_some(())
        })
        .await;
    }

    async fn disconnected(&mut self) -> String {
        self.until("end of a connection", |event| match event {
            Event::Disconnected { reason, .. } => Some(reason),
            _ => None,
        })
        .await
    }

    async fn refused(&mut self) -> (Option<PeerKey>, String) {
        self.until("refusal", |event| match event {
            Event::Refused { peer, reason, .. } => Some((peer, reason)),
            _ => None,
        })
        .await
    }

    async fn message(&mut self) -> Vec<u8> {
        self.until("message", |event| match event {
            Event::Message { bytes, .. } => Some(bytes),
            _ => None,
        })
        .await
    }
}

/// Two connected nodes, 1 and 2; 2 dials.
async fn pair(first: Limits, second: Limits) -> (Node, Node) {
    let mut one = Setup { limits: first, ..Setup::new(1, vec![peer(2, None)]) }.start().await;
    let mut two = Setup { limits: second, ..Setup::new(2, vec![peer(1, Some(one.address()))]) }.start().await;
    one.connected(2).await;
    two.connected(1).await;
    (one, two)
}

fn bytes(content: impl AsRef<[u8]>) -> Arc<[u8]> {
    content.as_ref().into()
}
