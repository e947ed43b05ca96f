//! What must hold in every run, whatever happens to the wire, the disks and the members within f.
//!
//! Each checker is a file of its own and reads the rules anew, from `PROTOCOL.md`: none calls a predicate of the code that it judges.

mod agreement;
mod block_times;
mod carried;
mod carried_notices;
mod certificates;
mod certified_once;
mod chain;
mod convictions;
mod durable_grows;
mod election;
mod epochs;
mod executions;
mod innocents;
mod leaders;
mod liveness;
mod named_commits;
mod pools;
mod remembered;
mod rest;
mod resumes;
mod sent_after_durable;
mod signs_once;
#[cfg(test)]
mod testing;
mod transactions;
mod work;

use std::fmt;
use std::sync::Arc;

use althing_consensus::{Evidence, Execution, Message, Micros, QuorumCertificate, SafetyRecord};
use althing_crypto::{BlockHash, TxHash};
use althing_mempool::{Refusal, Status};
use althing_node::body::Body;
use althing_node::driver::Driver;

use super::load::Place;
use super::world::World;

/// Something seen at a node that is not Byzantine, in the order in which it happens there.
pub enum Seen<'a> {
    /// The node is up, from this durable record.
    Started {
        /// What its key has signed, as far as its disk knows.
        record: &'a SafetyRecord,
    },
    /// The node is down; what it held in memory is gone.
    Stopped,
    /// The node's disk has lost what was synced: it was wiped or set back to an older copy. The node is down, and
    /// [`super::Standing::Forgetful`] from now on.
    Forgot,
    /// A message arrived from a member.
    Received {
        /// Its sender's position.
        from: usize,
        /// What it says.
        message: &'a Message,
    },
    /// The node hands a message to the network.
    Sent {
        /// What it says.
        message: &'a Message,
        /// Whether the node's disk holds a block with its whole payload.
        holds_body: &'a dyn Fn(&BlockHash) -> bool,
    },
    /// A sync of the safety file came back: this record would be read after a crash now.
    RecordDurable {
        /// The record.
        record: &'a SafetyRecord,
    },
    /// Committed blocks are stored.
    Committed {
        /// The blocks, ascending.
        bodies: &'a [Arc<Body>],
        /// Covers the last one.
        certificate: &'a QuorumCertificate,
    },
    /// A block is executed.
    Executed {
        /// What came of it.
        execution: &'a Execution,
    },
    /// A client was told that its transaction is admitted.
    Acknowledged {
        /// The transaction.
        tx: TxHash,
        /// Its place in its sender's order, if it is one of the asset ledger.
        place: Option<Place>,
    },
    /// The node says that it no longer keeps a transaction that it had admitted.
    Dropped {
        /// The transaction.
        tx: TxHash,
        /// Why.
        refusal: &'a Refusal,
    },
    /// The run is over; the node is up.
    Rested {
        /// Where its mempool says that a transaction stands.
        status: &'a dyn Fn(&TxHash) -> Status,
    },
    /// The node reports misbehaviour.
    Convicted {
        /// The two messages.
        evidence: &'a Evidence,
    },
    /// The node has taken an event; all that followed at once is done.
    Stepped {
        /// Its state.
        driver: &'a Driver,
    },
}

/// A checker.
pub trait Checker {
    /// Its name, as in the table of `tests/README.md`.
    fn name(&self) -> &'static str;

    /// Something was seen at a node. An error says what contradicts what.
    fn see(&mut self, world: &World, at: Micros, node: usize, seen: &Seen<'_>) -> Result<(), String>;

    /// All faults have ended but the Byzantine members: from now on messages take at most `delta`, every disk works, every node is up.
    fn healed(&mut self, _world: &World, _at: Micros, _delta: Micros) {}

    /// The run is over: after healing clients submitted, then stopped, and all had time to come to rest.
    fn finished(&mut self, _world: &World, _at: Micros) -> Result<(), String> {
        Ok(())
    }
}

/// What a checker found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Who found it.
    pub checker: &'static str,
    /// When.
    pub at: Micros,
    /// What.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { checker, at, what } = self;
        write!(f, "{checker} at {}.{:06} s: {what}", at.0 / 1_000_000, at.0 % 1_000_000)
    }
}

/// All checkers.
pub fn all() -> Vec<Box<dyn Checker>> {
    vec![
        Box::<agreement::Agreement>::default(),
        Box::<certified_once::CertifiedOnce>::default(),
        Box::<epochs::Epochs>::default(),
        Box::<named_commits::NamedCommits>::default(),
        Box::<certificates::Certificates>::default(),
        Box::<signs_once::SignsOnce>::default(),
        Box::<durable_grows::DurableGrows>::default(),
        Box::<sent_after_durable::SentAfterDurable>::default(),
        Box::<resumes::Resumes>::default(),
        Box::<remembered::Remembered>::default(),
        Box::<executions::Executions>::default(),
        Box::<transactions::Transactions>::default(),
        Box::<block_times::BlockTimes>::default(),
        Box::<leaders::Leaders>::default(),
        Box::<innocents::Innocents>::default(),
        Box::<convictions::Convictions>::default(),
        Box::<carried_notices::CarriedNotices>::default(),
        Box::<pools::Pools>::default(),
        Box::<liveness::Liveness>::default(),
        Box::<rest::Rest>::default(),
    ]
}
