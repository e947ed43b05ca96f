//! How much the engine keeps for others: what a test that it is bounded asks.

use crate::Engine;

/// How many of each an engine holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolSizes {
    /// Votes and commit votes.
    pub votes: usize,
    /// Timeout votes.
    pub timeouts: usize,
    /// Proposals of the current view.
    pub candidates: usize,
    /// Certificates of recent views.
    pub certified: usize,
    /// Blocks above the newest committed one.
    pub uncommitted: usize,
    /// Blocks asked for.
    pub wanted: usize,
    /// Misbehaviour sent to be verified.
    pub accusations: usize,
    /// Members whose newest messages are kept.
    pub memories: usize,
    /// Members that were lately sent what they lack, and those that were lately told what they have signed.
    pub answered: usize,
}

impl Engine {
    /// How much it holds of what peers can make it hold.
    pub fn pool_sizes(&self) -> PoolSizes {
        PoolSizes {
            votes: self.votes.len(),
            timeouts: self.timeouts.len(),
            candidates: self.candidates.len(),
            certified: self.certified.len(),
            uncommitted: self.tree.uncommitted(),
            wanted: self.wanted.len(),
            accusations: self.accusations.len(),
            memories: self.memories.len(),
            answered: self.helped.len() + self.reminded.len(),
        }
    }
}
