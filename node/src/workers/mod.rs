//! Those who do the driver's jobs, one per lane: plain functions that block until the job is done. The node's shell gives each lane
//! its threads; a simulator calls them in turn.

mod application;
mod checker;
mod executor;
mod keeper;
mod notices;
mod server;
mod signer;
mod verifier;

pub use checker::Checker;
pub use executor::Executor;
pub use keeper::Keeper;
pub use server::{MAX_RESPONSE_BYTES, Server};
pub use signer::{Signer, SignerError};
pub use verifier::Verifier;

pub(crate) use application::consensus_app_hash;
pub(crate) use notices::kind as misbehaviour_kind;
pub(crate) use server::is_full_run;

use std::sync::Arc;

use althing_consensus::EnterError;
use althing_ledger::{AppError, Application};

use crate::driver::{Done, Job};
use crate::epochs::Epochs;
use crate::storage::{ChainStore, SafetyStoreError, StoreError};

/// What stops a node: its disk, its application, or data that contradicts itself. Nothing of the job has left the node.
#[derive(Debug, thiserror::Error)]
pub enum Fatal {
    /// The chain store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The safety file.
    #[error(transparent)]
    Safety(#[from] SafetyStoreError),
    /// The application.
    #[error("the application failed: {0}")]
    Application(#[from] AppError),
    /// The application was waited for when the node was told to stop.
    #[error("the node was stopped while it waited for its application")]
    Closed,
    /// The application breaks its contract.
    #[error("the application broke its contract: {0}; this is a fault of the application, not of the chain")]
    Contract(String),
    /// The safety rules do not enter the epoch that the chain has begun.
    #[error(
        "the safety rules do not enter the next epoch: {0}; the chain data or the safety file is another chain's"
    )]
    Epoch(#[from] EnterError),
    /// The record in the safety file is not one of the epoch that it says.
    #[error(transparent)]
    Record(#[from] Box<SignerError>),
    /// Something that must be in the store is not.
    #[error(
        "{what} is not in the chain store, although it was stored: restore the data directory or sync it anew"
    )]
    Missing {
        /// What.
        what: String,
    },
    /// Two processes hold the keys of one validator.
    #[error(
        "another process with the keys of this home began {later_ms} ms after this one, by their clocks, and speaks for it from now on: this \
         one signs nothing more. One home runs in one place: find out where its copy runs, keep one of the two, and delete the other's keys. If \
         there is no copy, the clock of this machine was ahead at an earlier start: start again ten minutes after that process ended"
    )]
    Superseded {
        /// By how much the other one began later, as their clocks have it.
        later_ms: u64,
    },
    /// An invariant of this program does not hold.
    #[error("this program is at fault: {0}; please report it")]
    Broken(String),
    /// A job for a key that this node does not have.
    #[error("a signature was asked of a node without a vote key")]
    NoKey,
}

/// One worker for every lane.
pub struct Workers {
    /// Holds the vote key; none in a node that only follows.
    pub signer: Option<Signer>,
    /// Writes the chain.
    pub keeper: Keeper,
    /// Executes.
    pub executor: Executor,
    /// Verifies.
    pub verifier: Verifier,
    /// Checks for the mempool.
    pub checker: Checker,
    /// Answers peers.
    pub server: Server,
}

impl Workers {
    /// The workers of a node on this chain and application. `kept_blocks`: see [`Executor::keeping`].
    pub fn new(
        epochs: &Arc<Epochs>,
        chain: &ChainStore,
        application: &Arc<dyn Application>,
        signer: Option<Signer>,
        kept_blocks: Option<u64>,
    ) -> Self {
        Self {
            signer,
            keeper: Keeper::new(chain.clone(), epochs.clone()),
            executor: Executor::new(epochs.clone(), chain.clone(), application.clone()).keeping(kept_blocks),
            verifier: Verifier::new(epochs.clone(), chain.clone(), application.clone()),
            checker: Checker::new(chain.clone(), application.clone()),
            server: Server::new(chain.clone()),
        }
    }

    /// Does a job, whatever its lane.
    pub fn run(&mut self, job: Job) -> Result<Done, Fatal> {
        match job {
            Job::Safety(job) => self.signer.as_mut().ok_or(Fatal::NoKey)?.run(job),
            Job::Store(job) => self.keeper.run(job),
            Job::Execute(job) => self.executor.run(job),
            Job::Verify(job) => self.verifier.run(job),
            Job::Precheck(job) => self.checker.precheck(job),
            Job::Check(job) => self.checker.check(job),
            Job::Serve(job) => self.server.run(job),
        }
    }
}

#[cfg(test)]
mod tests;
