//! What the network tells the node.

use althing_crypto::ed25519::PublicKey;
use libp2p::{PeerId, gossipsub::MessageId};
use tokio::sync::{mpsc, oneshot};

use crate::{
    config::Limits,
    lane::{self, LaneError, lane},
    network::{Command, Verdict},
};

/// A peer is its Ed25519 identity key.
pub type PeerKey = PublicKey;

/// Kinds of direct messages. Each pair of peers has one ordered stream per class and direction, so a long proposal
/// holds up no vote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// Votes, certificates, status: small.
    Consensus,
    /// Proposals and whatever else may be large.
    Proposal,
    /// Batches of transactions that their author gives everyone itself. They count as gossip.
    Transactions,
}

impl Class {
    pub(crate) const ALL: [Class; 3] = [Class::Consensus, Class::Proposal, Class::Transactions];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Class::Consensus => "consensus",
            Class::Proposal => "proposal",
            Class::Transactions => "transactions",
        }
    }

    pub(crate) fn index(self) -> usize {
        self as usize
    }
}

/// Who opened the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The peer.
    Inbound,
    /// This node.
    Outbound,
}

/// Something happened. Messages of a peer may still arrive for a moment after its `Disconnected`.
#[derive(Debug)]
pub enum Event {
    /// A peer passed the handshake; from now on messages to it are queued.
    Connected {
        /// Who.
        peer: PeerKey,
        /// Its software, cleaned of control characters.
        software: String,
        /// Who opened the connection.
        direction: Direction,
    },
    /// Gossip reaches a connected peer from now on: what was published before has not. Comes once in a connection at most.
    Listening {
        /// Who.
        peer: PeerKey,
    },
    /// The last connection to a peer ended. What was queued for it is dropped. This node connects again by itself.
    Disconnected {
        /// Who.
        peer: PeerKey,
        /// Why, for the operator's log.
        reason: String,
    },
    /// A connection was refused in the handshake, by this node or by the other: a stranger, another chain, a peer kept out.
    Refused {
        /// Who, if it got so far as to prove its key.
        peer: Option<PeerKey>,
        /// Where it is.
        address: String,
        /// Why, in words for the operator's log, with both values where two differ.
        reason: String,
    },
    /// A direct message. Messages of one peer and class come in the order they were sent.
    Message {
        /// Who sent it; authenticated.
        peer: PeerKey,
        /// Its stream.
        class: Class,
        /// The message.
        bytes: Vec<u8>,
    },
    /// A gossiped message, seen for the first time.
    Gossip {
        /// Who passed it on; not necessarily its author.
        peer: PeerKey,
        /// The message.
        bytes: Vec<u8>,
        /// To be called with the verdict. It is passed on to others only once accepted.
        validation: Validation,
    },
    /// A request that wants an answer.
    Request {
        /// Who asks; authenticated.
        peer: PeerKey,
        /// The request.
        bytes: Vec<u8>,
        /// Where the answer goes.
        responder: Responder,
    },
}

/// The verdict on a gossiped message. Dropped without a verdict, the message is not passed on and nobody is blamed.
#[derive(Debug)]
pub struct Validation {
    pub(crate) id: MessageId,
    pub(crate) source: PeerId,
    pub(crate) len: usize,
    pub(crate) commands: mpsc::Sender<Command>,
}

impl Validation {
    /// It is good: pass it on.
    pub fn accept(self) {
        self.report(None, true);
    }

    /// It is of no use, but nobody's fault.
    pub fn ignore(self) {
        self.report(None, false);
    }

    /// It is wrong in a way that whoever passed it on should have seen: it loses standing.
    pub fn reject(self, reason: impl Into<String>) {
        self.report(Some(reason.into()), false);
    }

    /// Gossip is best effort: a verdict that finds the queue full is lost, and with it the message.
    fn report(self, blame: Option<String>, accept: bool) {
        let verdict =
            Command::Verdict(Verdict { id: self.id, source: self.source, len: self.len, accept, blame });
        if self.commands.try_send(verdict).is_err() {
            tracing::debug!("a verdict on gossip was lost: the network's queue is full or it has stopped");
        }
    }
}

/// Takes the answer to one request. Dropped unused, the asker is told that there is none.
#[derive(Debug)]
pub struct Responder {
    pub(crate) answer: oneshot::Sender<Vec<u8>>,
    pub(crate) max_bytes: usize,
}

impl Responder {
    /// Sends the answer, if the asker still waits. An answer longer than `max_response_bytes` is an error of the node:
    /// it is logged and the asker told that there is none.
    pub fn send(self, bytes: Vec<u8>) {
        if bytes.len() > self.max_bytes {
            tracing::error!(
                len = bytes.len(),
                max = self.max_bytes,
                "answer longer than max_response_bytes, not sent"
            );
            return;
        }
        // The asker may have gone: nothing to do then.
        let _ = self.answer.send(bytes);
    }

    /// Longest answer that [`send`](Self::send) takes.
    pub fn max_bytes(&self) -> usize {
        self.max_bytes
    }
}

/// Connections coming, going and refused that may wait for the node.
const CONTROL_EVENTS: usize = 1024;

/// The sending ends of the event queues, one per kind so that no kind can hold up another.
#[derive(Clone)]
pub(crate) struct Events {
    pub(crate) control: mpsc::Sender<Event>,
    classes: [lane::Sender<Event>; 3],
    gossip: lane::Sender<Event>,
    requests: lane::Sender<Event>,
}

impl Events {
    /// Waits until the node has room: the peer's stream is not read on meanwhile.
    pub(crate) async fn message(&self, peer: PeerKey, class: Class, bytes: Vec<u8>) -> Result<(), LaneError> {
        let len = bytes.len();
        self.classes[class.index()].send(Event::Message { peer, class, bytes }, len).await
    }

    pub(crate) fn gossip(
        &self,
        peer: PeerKey,
        bytes: Vec<u8>,
        validation: Validation,
    ) -> Result<(), LaneError> {
        let len = bytes.len();
        self.gossip.try_send(Event::Gossip { peer, bytes, validation }, len)
    }

    pub(crate) fn request(
        &self,
        peer: PeerKey,
        bytes: Vec<u8>,
        responder: Responder,
    ) -> Result<(), LaneError> {
        let len = bytes.len();
        self.requests.try_send(Event::Request { peer, bytes, responder }, len)
    }
}

/// The receiving end of a network's events, bounded in messages and bytes.
pub struct EventReceiver {
    control: mpsc::Receiver<Event>,
    classes: [lane::Receiver<Event>; 3],
    gossip: lane::Receiver<Event>,
    requests: lane::Receiver<Event>,
}

impl EventReceiver {
    /// The next event: connections first, all other kinds in fair turns. Nothing once the network has stopped.
    /// Safe to cancel. Whoever stops calling this holds up the peers, first slowly, in the end by `stall_timeout`.
    pub async fn recv(&mut self) -> Option<Event> {
        let [consensus, proposal, transactions] = &mut self.classes;
        let others = async {
            tokio::select! {
                Some(event) = consensus.recv() => Some(event),
                Some(event) = proposal.recv() => Some(event),
                Some(event) = transactions.recv() => Some(event),
                Some(event) = self.gossip.recv() => Some(event),
                Some(event) = self.requests.recv() => Some(event),
                else => None,
            }
        };
        tokio::select! {
            biased;
            Some(event) = self.control.recv() => Some(event),
            event = others => event,
        }
    }
}

/// Opens the event queues.
pub(crate) fn events(limits: &Limits) -> (Events, EventReceiver) {
    let open = |limit: &crate::TrafficLimit| lane(4 * limit.queue_messages, 2 * limit.queue_bytes);
    let (control, control_receiver) = mpsc::channel(CONTROL_EVENTS);
    let (consensus, consensus_receiver) = open(limits.class(Class::Consensus));
    let (proposal, proposal_receiver) = open(limits.class(Class::Proposal));
    let (transactions, transactions_receiver) = open(limits.class(Class::Transactions));
    let (gossip, gossip_receiver) = open(&limits.gossip);
    let (requests, requests_receiver) = open(&limits.request);
    (
        Events { control, classes: [consensus, proposal, transactions], gossip, requests },
        EventReceiver {
            control: control_receiver,
            classes: [consensus_receiver, proposal_receiver, transactions_receiver],
            gossip: gossip_receiver,
            requests: requests_receiver,
        },
    )
}
