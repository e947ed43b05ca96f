//! The node's handle to its network, and how it is started.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use libp2p::{PeerId, gossipsub::MessageId};
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

use crate::{
    Class, Limits, Peer, PeerKey, StartError,
    lane::LaneError,
    member::{Members, PeerInfo},
    requests::{self, RequestError},
    standing::Offence,
    start::check_peers,
};

/// How long [`Network::shutdown`] waits; longer than the connections take to close.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);

/// What the handle and the verdicts on gossip ask of the driver.
#[derive(Debug)]
pub(crate) enum Command {
    Publish(Arc<[u8]>),
    GiveOut(Arc<[u8]>),
    Verdict(Verdict),
    Admit(Vec<(Peer, PeerId)>),
    Shutdown(oneshot::Sender<()>),
}

/// What the node makes of a gossiped message, and whether its source is to blame.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) id: MessageId,
    pub(crate) source: PeerId,
    pub(crate) len: usize,
    pub(crate) accept: bool,
    pub(crate) blame: Option<String>,
}

/// Why a message was not queued.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The key is not among the configured peers.
    #[error("peer {0} is neither a validator nor on the allowlist")]
    UnknownPeer(PeerKey),
    /// No connection at this moment.
    #[error("peer {0} is not connected")]
    NotConnected(PeerKey),
    /// The peer takes messages more slowly than they come; this one is dropped and counted.
    #[error("the queue of {class:?} messages to peer {peer} is full")]
    QueueFull {
        /// To whom.
        peer: PeerKey,
        /// Which queue.
        class: Class,
    },
    /// The network's own queue is full.
    #[error("the queue of messages to gossip is full")]
    GossipQueueFull,
    /// Longer than the limits allow, here and at every peer.
    #[error("a message of {len} bytes is longer than the {max} allowed")]
    TooLarge {
        /// Its length in bytes.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// The network was shut down.
    #[error("the network has stopped")]
    Stopped,
}

/// A handle to the running network. Cheap to clone; once all are dropped the network stops.
#[derive(Clone)]
pub struct Network {
    pub(crate) members: Arc<Members>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) key: PeerKey,
    pub(crate) listen: SocketAddr,
}

impl Network {
    /// This node's own key.
    pub fn key(&self) -> PeerKey {
        self.key
    }

    /// Where this node listens, with the port that the system chose if it was to.
    pub fn listen_address(&self) -> SocketAddr {
        self.listen
    }

    /// Queues a direct message to one peer. Never waits: if the peer's queue is full the message is dropped and counted;
    /// consensus repeats what matters.
    pub fn send(&self, peer: &PeerKey, class: Class, bytes: Arc<[u8]>) -> Result<(), SendError> {
        let len = bytes.len();
        let max = self.limits.class(class).max_message_bytes;
        if len > max {
            return Err(SendError::TooLarge { len, max });
        }
        let member = self.members.get(peer).ok_or(SendError::UnknownPeer(*peer))?;
        member.send(class, bytes).map_err(|error| match error {
            LaneError::Full => SendError::QueueFull { peer: *peer, class },
            LaneError::Closed => SendError::NotConnected(*peer),
        })
    }

    /// Queues a direct message to every connected peer and says to how many. The bytes are shared, not copied.
    pub fn broadcast(&self, class: Class, bytes: Arc<[u8]>) -> usize {
        self.members.iter().filter(|member| self.send(&member.key, class, bytes.clone()).is_ok()).count()
    }

    /// Gossips a message to all peers. Best effort, up to half the rate limit of gossip; the same bytes are gossiped once
    /// within a minute.
    pub fn gossip(&self, bytes: Arc<[u8]>) -> Result<(), SendError> {
        self.publish(Command::Publish, bytes)
    }

    /// Gives a message to every connected peer, as one of class [`Class::Transactions`] that nobody passes on. Best effort, within the
    /// same limit as gossip.
    pub fn give_out(&self, bytes: Arc<[u8]>) -> Result<(), SendError> {
        self.publish(Command::GiveOut, bytes)
    }

    fn publish(&self, how: fn(Arc<[u8]>) -> Command, bytes: Arc<[u8]>) -> Result<(), SendError> {
        let (len, max) = (bytes.len(), self.limits.gossip.max_message_bytes);
        if len > max {
            return Err(SendError::TooLarge { len, max });
        }
        self.commands.try_send(how(bytes)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => SendError::GossipQueueFull,
            mpsc::error::TrySendError::Closed(_) => SendError::Stopped,
        })
    }

    /// Asks a peer and waits for its answer, at most `timeout`. Dropping the future withdraws the request.
    pub async fn request(
        &self,
        peer: &PeerKey,
        bytes: Vec<u8>,
        timeout: Duration,
    ) -> Result<Vec<u8>, RequestError> {
        let member = self.members.get(peer).ok_or(RequestError::UnknownPeer(*peer))?;
        requests::request(&member, bytes, timeout, &self.limits).await
    }

    /// Tells that a peer sent something it should not have sent. It costs standing; without any left the peer is cut off
    /// and kept out for a while.
    pub fn penalise(&self, peer: &PeerKey, reason: &str) {
        if let Some(member) = self.members.get(peer) {
            member.penalise(Offence::Content, reason);
        }
    }

    /// From now on these peers are admitted, and no others. Who stays keeps its connection; who goes loses it. Waits for a full queue.
    pub async fn admit(&self, peers: Vec<Peer>) -> Result<(), StartError> {
        let peers = check_peers(peers, self.key)?;
        // An error means that the network has stopped: then nobody is admitted.
        let _ = self.commands.send(Command::Admit(peers)).await;
        Ok(())
    }

    /// All admitted peers, connected or not, in the order of their keys.
    pub fn peers(&self) -> Vec<PeerInfo> {
        self.members.iter().map(|member| member.info()).collect()
    }

    /// Whether there is a connection to this peer now.
    pub fn is_connected(&self, peer: &PeerKey) -> bool {
        self.members.get(peer).is_some_and(|member| member.is_connected())
    }

    /// Closes all connections and stops listening. Returns when that is done, at the latest after some seconds (a node
    /// that took no events for long may hold the network up); the events end after it.
    pub async fn shutdown(&self) {
        let stop = async {
            let (done, wait) = oneshot::channel();
            if self.commands.send(Command::Shutdown(done)).await.is_ok() {
                // An error means that the driver ended meanwhile, which is what we want.
                let _ = wait.await;
            }
        };
        if timeout(SHUTDOWN_TIMEOUT, stop).await.is_err() {
            tracing::warn!("the network did not stop within {SHUTDOWN_TIMEOUT:?}");
        }
    }
}
