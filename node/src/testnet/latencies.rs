//! Durations counted in buckets whose width is a thirty-second of their value or less, so that a long run takes no more
//! memory than a short one.

use std::time::Duration;

/// Buckets per doubling.
const FINE: u64 = 32;
/// Durations up to 2^40 µs, twelve days.
const BUCKETS: usize = (FINE as usize) * 37;

/// How often which duration occurred.
#[derive(Debug, Clone)]
pub(super) struct Latencies {
    counts: Vec<u64>,
    total: u64,
}

impl Default for Latencies {
    fn default() -> Self {
        Self { counts: vec![0; BUCKETS], total: 0 }
    }
}

impl Latencies {
    pub(super) fn add(&mut self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.counts[bucket(micros).min(BUCKETS - 1)] += 1;
        self.total += 1;
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(count, more)| *count += more);
        self.total += other.total;
    }

    /// The duration that so many in a hundred did not exceed, in microseconds; 0 if there are none.
    pub(super) fn percentile(&self, percent: u64) -> u64 {
        let rank = (self.total * percent).div_ceil(100).max(1);
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return upper_bound(index as u64);
            }
        }
        0
    }
}

/// Values below `FINE` have a bucket each; each doubling above is cut into `FINE`.
fn bucket(value: u64) -> usize {
    if value < FINE {
        return value as usize;
    }
    let shift = u64::from(value.ilog2()) - 5;
    (shift * FINE + (value >> shift)) as usize
}

/// The highest value of a bucket.
fn upper_bound(bucket: u64) -> u64 {
    if bucket < 2 * FINE {
        return bucket;
    }
    let shift = bucket / FINE - 1;
    ((bucket - shift * FINE + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_narrow_and_holds_its_values() {
        let mut last = 0;
        for value in (0..5_000).chain([1 << 20, (1 << 30) + 12_345, (1 << 40) - 1]) {
            let bucket = bucket(value);
            assert!(bucket >= last && bucket < BUCKETS, "{value}");
            last = bucket;
            let upper = upper_bound(bucket as u64);
            assert!(upper >= value && upper - value <= value / FINE, "{value} {upper}");
        }
    }

    #[test]
    fn percentiles_are_those_of_the_durations() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.percentile(50), 0);
        (1..=100).for_each(|ms| latencies.add(Duration::from_millis(ms)));
        let mut twice = latencies.clone();
        twice.merge(&latencies);
        for latencies in [latencies, twice] {
            for (percent, expected) in [(1, 1_000), (50, 50_000), (99, 99_000), (100, 100_000)] {
                let found = latencies.percentile(percent);
                assert!((expected..=expected + expected / 32).contains(&found), "{percent}: {found}");
            }
        }
        let mut long = Latencies::default();
        long.add(Duration::MAX);
        assert!(long.percentile(50) > 1 << 39);
    }
}
