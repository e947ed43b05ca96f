//! What a running node counts and times, for `/metrics`. Counting costs an atomic addition, and nobody waits for it.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// Something that happens again and again.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// It happened once more.
    pub fn more(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    /// How often it happened since the start.
    pub fn count(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// The upper bounds of a [`Histogram`]'s buckets, in milliseconds; beyond the last there is one more.
pub const BOUNDS_MS: [u64; 12] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000];

/// Bounds a tenth apart or less up to a second, where percentiles are to be told from the buckets.
pub const FINE_BOUNDS_MS: [u64; 72] = [
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28,
    29, 30, 33, 36, 39, 42, 46, 50, 55, 60, 66, 72, 79, 86, 94, 103, 113, 124, 136, 149, 163, 179, 196, 215,
    236, 259, 284, 312, 343, 377, 414, 455, 500, 550, 605, 665, 731, 804, 884, 1_000, 2_000, 3_000, 5_000,
    10_000,
];

/// How long something takes, each time it happens.
#[derive(Debug)]
pub struct Histogram {
    bounds_ms: &'static [u64],
    buckets: Box<[Counter]>,
    sum_us: AtomicU64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self::within(&BOUNDS_MS)
    }
}

impl Histogram {
    /// One with these bounds, ascending.
    pub fn within(bounds_ms: &'static [u64]) -> Self {
        let buckets = (0..=bounds_ms.len()).map(|_| Counter::default()).collect();
        Self { bounds_ms, buckets, sum_us: AtomicU64::new(0) }
    }

    /// The bounds, in milliseconds.
    pub fn bounds_ms(&self) -> &'static [u64] {
        self.bounds_ms
    }

    /// It took so long once more.
    pub fn took(&self, time: Duration) {
        let within = self.bounds_ms.partition_point(|bound| time > Duration::from_millis(*bound));
        self.buckets[within].more();
        self.sum_us.fetch_add(u64::try_from(time.as_micros()).unwrap_or(u64::MAX), Relaxed);
    }

    /// For each bound how often it took no longer, then how often it happened at all.
    pub fn up_to(&self) -> Vec<u64> {
        let mut sum = 0;
        let count = |bucket: &Counter| {
            sum += bucket.count();
            sum
        };
        self.buckets.iter().map(count).collect()
    }

    /// All of it together, in microseconds.
    pub fn sum_us(&self) -> u64 {
        self.sum_us.load(Relaxed)
    }
}

/// What the node's own work is counted by.
#[derive(Debug)]
pub struct Meters {
    /// Views entered.
    pub views: Counter,
    /// Of these, after one that failed: a quorum timed out in it.
    pub failed_views: Counter,
    /// Proposals that this node did not vote for.
    pub refused_proposals: Counter,
    /// Signatures that the safety rules refused.
    pub refused_signatures: Counter,
    /// Validators seen to contradict themselves.
    pub misbehaviour: Counter,
    /// Transactions handed in here and taken.
    pub accepted_txs: Counter,
    /// Those handed in here that were pending already, or committed.
    pub known_txs: Counter,
    /// Those handed in here and refused.
    pub refused_txs: Counter,
    /// Pending transactions that were given up.
    pub dropped_txs: Counter,
    /// From a block's being handed to the application until its results and its state are stored.
    pub execution: Histogram,
    /// From a block's own time, when its leader began to make it, until this node has it committed and hands it to the store.
    pub finalization: Histogram,
}

impl Default for Meters {
    fn default() -> Self {
        let counter = Counter::default;
        Self {
            views: counter(),
            failed_views: counter(),
            refused_proposals: counter(),
            refused_signatures: counter(),
            misbehaviour: counter(),
            accepted_txs: counter(),
            known_txs: counter(),
            refused_txs: counter(),
            dropped_txs: counter(),
            execution: Histogram::default(),
            finalization: Histogram::within(&FINE_BOUNDS_MS),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_falls_into_the_first_bucket_that_holds_it() {
        let histogram = Histogram::default();
        for us in [0, 1_000, 1_001, 5_000_000, 5_000_001] {
            histogram.took(Duration::from_micros(us));
        }
        assert_eq!(histogram.up_to(), [2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 4, 5]);
        assert_eq!(histogram.sum_us(), 10_002_002);
    }
}
