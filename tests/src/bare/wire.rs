//! What goes into a member and what comes out.

use std::sync::Arc;

use althing_consensus::engine::{Halt, Misdeed};
use althing_consensus::{Block, Evidence, Message, Position, Refusal, Rejection};
use althing_crypto::BlockHash;

/// What members send one another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Wire {
    /// Between engines.
    Consensus(Message),
    /// A request for a block.
    Ask(BlockHash),
    /// Its answer.
    Body(Block),
}

/// Which transactions wait at a member.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Load {
    /// None: its blocks are empty, and come only after a third of the view timer.
    #[default]
    None,
    /// Without end: its blocks carry one each, made of view, parent and this number. Two instances of one member with different
    /// numbers propose different blocks.
    Endless(u8),
}

/// Something happens to a member.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// It is up. Comes first, once.
    Start,
    /// A message comes from the member at this position.
    Received(Position, Arc<Wire>),
    /// A connection to the member at this position is up.
    Connected(Position),
    /// The time has come that it wants to be woken at.
    Wake,
    /// From now on these transactions wait.
    Load(Load),
    /// The end of the epoch that is stored, if it is, is gone on from: the next one is entered.
    EnterEpoch,
}

/// What a member does that others can see.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Output {
    /// It sends this to one member, or to all.
    Send(Option<Position>, Arc<Wire>),
    /// Something for those who watch.
    Note(Noted),
}

/// What nobody sends, and checks look at.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Noted {
    /// The door did not let a message of this member in.
    Rejected(Position, Rejection),
    /// This member is at fault.
    Penalised(Position, Misdeed),
    /// A member provably misbehaved.
    Convicted(Box<Evidence>),
    /// Its own safety rules refused what its engine asked for.
    Refused(Refusal),
    /// Its record turned out to be older than what its key has signed.
    Stale,
    /// It stops for good.
    Halted(Halt),
}
