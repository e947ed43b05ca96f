//! How much the pool holds and how much anyone may ask of it at once.

use crate::Seed;

/// The bounds of a [`Mempool`](crate::Mempool). Each node chooses its own; none of them decides whether a block is valid.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Transactions in the pool. Peers fill at most nine tenths; the rest is for this node's own clients.
    pub max_txs: usize,
    /// Bytes of the transactions in the pool, shared between peers and clients in the same way.
    pub max_bytes: usize,
    /// Bytes of one transaction. Must not exceed what a block can carry, or such a transaction would wait for ever.
    pub max_tx_bytes: usize,
    /// Transactions of one sender in the pool. As the pool fills a sender's share shrinks further: it may never
    /// hold more than is still free.
    pub max_txs_per_sender: usize,
    /// How far a sequence may lie beyond the first one that is missing.
    pub max_sequence_gap: u64,
    /// Transactions, of all senders, that wait for an earlier sequence. They are no work, so no block drains them.
    pub max_held_txs: usize,
    /// Bytes of the transactions that wait for an earlier sequence.
    pub max_held_bytes: usize,
    /// Committed heights for which a transaction may wait for an earlier sequence.
    pub max_held_heights: u64,
    /// Transactions of one peer, or of all local clients together, that await the application's verdict.
    pub max_in_flight_txs: usize,
    /// Bytes of those transactions.
    pub max_in_flight_bytes: usize,
    /// Re-checks that are asked for and not yet answered, before those of one more sender are. Those without a sender
    /// are asked for all at once: they must be heard before what comes later.
    pub max_rechecks_in_flight: usize,
    /// Whether those without a sender are checked again after a block that holds one of them: they may rest on anything, unless the
    /// application's check reads no state.
    pub rechecks_senderless: bool,
    /// Verdicts of `precheck` that are remembered: so many refusals, and as many admissions of what is neither pending nor in flight, nor
    /// left for a block.
    pub verdict_cache: usize,
    /// Committed transactions that are remembered with their height.
    pub replay_cache: usize,
    /// Transactions dropped after their admission whose reason is remembered.
    pub dropped_cache: usize,
    /// What bounds the time of a lookup: see [`Seed`]. The default is known to all; a node takes a random one.
    pub seed: Seed,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            max_txs: 50_000,
            max_bytes: 64 << 20,
            max_tx_bytes: 64 << 10,
            max_txs_per_sender: 10_000,
            max_sequence_gap: 1_000,
            max_held_txs: 10_000,
            max_held_bytes: 16 << 20,
            max_held_heights: 1_000,
            max_in_flight_txs: 4_096,
            max_in_flight_bytes: 4 << 20,
            max_rechecks_in_flight: 256,
            rechecks_senderless: true,
            verdict_cache: 65_536,
            replay_cache: 131_072,
            dropped_cache: 8_192,
            seed: Seed::new(0x616c_7468_696e_6720_6d65_6d70_6f6f_6c21),
        }
    }
}
