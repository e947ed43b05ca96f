//! Committed blocks to the chain store.

use super::Fatal;
use crate::driver::{Done, StoreJob};
use crate::storage::ChainStore;

/// Writes the chain.
pub struct Keeper {
    chain: ChainStore,
}

impl Keeper {
    /// One that writes to this store.
    pub fn new(chain: ChainStore) -> Self {
        Self { chain }
    }

    /// Does a job; what it stored is durable when it returns.
    pub fn run(&self, StoreJob::Commit { bodies, certificate }: StoreJob) -> Result<Done, Fatal> {
        self.chain.commit(&bodies, &certificate)?;
        let newest = bodies.last().expect("a commit has blocks");
        Ok(Done::Stored(newest.block.header.height))
    }
}
