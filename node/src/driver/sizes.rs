//! How much the driver keeps for others: what a test that it is bounded asks.

use super::Driver;

/// How many of each a driver holds, beside what its engine and its mempool do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DriverSizes {
    /// Blocks with their payload.
    pub bodies: usize,
    /// Payloads that are being gathered.
    pub gathered: usize,
    /// Blocks that are being fetched.
    pub fetched: usize,
    /// Questions to peers that are not answered.
    pub asked: usize,
    /// Messages that are being verified.
    pub at_door: usize,
    /// Gossip whose transactions are being checked.
    pub undecided: usize,
    /// Transactions that wait for the application.
    pub unchecked: usize,
    /// Transactions that wait to be gossiped.
    pub outbox: usize,
    /// Signatures under way.
    pub signing: usize,
    /// Messages that wait for the next epoch.
    pub early: usize,
    /// Identities whose newest process is known.
    pub sessions: usize,
    /// Notices that wait for a block.
    pub notices: usize,
    /// Notices that wait for a check.
    pub unchecked_notices: usize,
}

impl Driver {
    /// How much it holds of what peers and clients can make it hold.
    pub fn pool_sizes(&self) -> DriverSizes {
        let (unchecked, outbox, undecided) = self.mempool.waiting();
        let (notices, unchecked_notices) = self.notices.sizes();
        DriverSizes {
            bodies: self.bodies.len(),
            gathered: self.payloads.len(),
            fetched: self.fetches.len(),
            asked: self.requests.len(),
            at_door: self.peers.at_door(),
            undecided,
            unchecked,
            outbox,
            signing: self.signing.under_way(),
            early: self.boundary.early(),
            sessions: self.sessions.len(),
            notices,
            unchecked_notices,
        }
    }
}
