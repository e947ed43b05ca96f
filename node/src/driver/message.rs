//! What goes into the driver and what comes out.

use std::sync::Arc;

use althing_consensus::engine;
use althing_consensus::{Height, Message, Micros, Notice, ValidatorSet};
use althing_crypto::{TxHash, ed25519};
use althing_mempool::{Outcome, Refusal, Tx};

use super::job::{Done, Job};
use crate::session::Session;
use crate::wire::{Gossip, Request, Response, Wire};

/// A peer is its identity key, as the network authenticated it.
pub type Peer = ed25519::PublicKey;

/// Something happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// The node is up. Comes first, once.
    Started,
    /// The time asked for with [`Effect::WakeAt`] has come.
    Woken,
    /// A connection is up; direct messages to this peer arrive from now on.
    PeerConnected(Peer),
    /// Gossip reaches this peer from now on, once in a connection.
    PeerListens(Peer),
    /// A connection ended.
    PeerDisconnected(Peer),
    /// A direct message, decoded and not checked otherwise.
    Wire {
        /// Who sent it; authenticated.
        from: Peer,
        /// What it says.
        wire: Wire,
    },
    /// Gossip, decoded. Gets one [`Effect::GossipVerdict`].
    Gossip {
        /// Who passed it on.
        from: Peer,
        /// The shell's number for it.
        id: u64,
        /// What it says.
        gossip: Gossip,
    },
    /// A peer wants something. Gets one [`Effect::Reply`].
    Request {
        /// Who asks.
        from: Peer,
        /// The shell's number for it.
        id: u64,
        /// What it wants.
        request: Request,
    },
    /// What came of an [`Effect::Request`]: the answer, or why there is none (time-out, connection lost, garbage). Comes once each.
    Response {
        /// The number it was asked under.
        id: u64,
        /// The answer, decoded and not checked otherwise.
        response: Result<Response, String>,
    },
    /// A client hands in a transaction. Gets one [`Effect::Answer`].
    Submit {
        /// The shell's number for it.
        ticket: u64,
        /// Its bytes.
        tx: Vec<u8>,
    },
    /// A client hands in several transactions. Gets one [`Effect::Answer`] for each, all under this number.
    SubmitMany {
        /// The shell's number for it.
        ticket: u64,
        /// Which.
        txs: Vec<Tx>,
    },
    /// A client hands in a notice. Gets one [`Effect::NoticeAnswer`].
    SubmitNotice {
        /// The shell's number for it.
        ticket: u64,
        /// The notice.
        notice: Box<Notice>,
    },
    /// A job is done.
    Done(Done),
}

/// Something to be done.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Work for a lane; comes back as [`Event::Done`]. Jobs of an ordered lane are done in the order given.
    Job(Job),
    /// A direct message to one peer. Best effort.
    Send {
        /// To whom.
        to: Peer,
        /// What.
        wire: Wire,
    },
    /// A direct message to every connected peer. Best effort.
    Broadcast(Wire),
    /// Newly admitted transactions, to be gossiped together. Best effort.
    Gossip(Gossip),
    /// What is to become of gossip that came.
    GossipVerdict {
        /// The shell's number for it.
        id: u64,
        /// Pass it on, or not.
        accept: bool,
    },
    /// Ask a peer. Answered by one [`Event::Response`], whatever happens.
    Request {
        /// The driver's number for it.
        id: u64,
        /// Whom.
        to: Peer,
        /// What.
        request: Request,
        /// How long to wait for the answer.
        timeout: Micros,
    },
    /// The answer to a peer's request.
    Reply {
        /// The shell's number for it.
        id: u64,
        /// The answer.
        response: Response,
    },
    /// The answer to a client's transaction.
    Answer {
        /// The shell's number for it.
        ticket: u64,
        /// The transaction.
        hash: TxHash,
        /// What became of it.
        outcome: Outcome,
    },
    /// The answer to a client's notice.
    NoticeAnswer {
        /// The shell's number for it.
        ticket: u64,
        /// Whether it waits for a block, or why not.
        outcome: Result<(), String>,
    },
    /// A transaction admitted before is no longer kept.
    Dropped {
        /// The transaction.
        hash: TxHash,
        /// Why.
        refusal: Refusal,
    },
    /// Send [`Event::Woken`] at this instant; replaces the one asked for before. None: not at all.
    WakeAt(Option<Micros>),
    /// A peer did what no correct one does.
    Penalise {
        /// Who.
        peer: Peer,
        /// What.
        reason: String,
    },
    /// An epoch has begun: who its members are. These, and those of the epoch before, who may not know of its end, are to be
    /// admitted by the network.
    Members {
        /// The epoch's validators.
        now: Arc<ValidatorSet>,
        /// Those of the one before.
        before: Arc<ValidatorSet>,
    },
    /// The block of this height is executed; its results and index entries are stored, the application's state is at it.
    Executed(Height),
    /// For logs and metrics.
    Emit(engine::Event),
    /// For the log: something that an operator should know of.
    Warn(String),
    /// A process that began later holds this node's keys: this one must sign nothing more.
    Superseded(Session),
    /// Voting and executing has stopped for good; reads go on.
    Halted(engine::Halt),
}

impl From<Message> for Wire {
    fn from(message: Message) -> Self {
        Self::Consensus(message)
    }
}
