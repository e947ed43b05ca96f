//! Committed blocks to the chain store.

use std::sync::Arc;

use althing_consensus::engine::EpochEntered;

use super::Fatal;
use crate::driver::{Done, StoreJob};
use crate::epochs::Epochs;
use crate::storage::ChainStore;

/// Writes the chain.
pub struct Keeper {
    chain: ChainStore,
    epochs: Arc<Epochs>,
}

impl Keeper {
    /// One that writes to this store.
    pub fn new(chain: ChainStore, epochs: Arc<Epochs>) -> Self {
        Self { chain, epochs }
    }

    /// Does a job; what it stored is durable when it returns.
    pub fn run(&self, job: StoreJob) -> Result<Done, Fatal> {
        match job {
            StoreJob::Commit { bodies, certificate, votes } => {
                self.chain.commit_voted(&bodies, &certificate, votes.as_deref())?;
                let newest = bodies.last().expect("a commit has blocks");
                Ok(Done::Stored(newest.block.header.height))
            }
            StoreJob::KeepEvidence(evidence) => {
                self.chain.keep_evidence(&evidence)?;
                Ok(Done::EvidenceKept)
            }
            StoreJob::EnterEpoch(epoch) => {
                let certificate = self.epochs.start(epoch)?.certificate;
                let mut config = self.epochs.entered(epoch)?.config.clone();
                config.me = None;
                let next = Box::new(EpochEntered { config, record: None, resumed: false });
                Ok(Done::EpochEntered { next, certificate })
            }
        }
    }
}
