//! What may be spent: a bucket that fills with time.

use std::time::{Duration, Instant};

/// A bucket holds what it gets in so many seconds.
const BURST_S: u64 = 2;
/// The longest that anyone is told to wait for its turn.
const MAX_TURN: Duration = Duration::from_secs(10);
/// Whoever spent something within this time is there.
const IN_USE: Duration = Duration::from_secs(1);

/// Costs in thousandths, so that what comes within a millisecond is whole.
#[derive(Debug, Clone)]
pub(super) struct Bucket {
    pub(super) rate: u64,
    pub(super) left: u64,
    /// What was spent beyond that.
    pub(super) owed: u64,
    at: Instant,
    /// When the turn comes of the last request that was told when to come back.
    turn: Instant,
}

impl Bucket {
    pub(super) fn full(rate: u64, now: Instant) -> Self {
        Self { rate, left: rate.saturating_mul(BURST_S * 1000), owed: 0, at: now, turn: now }
    }

    fn capacity(&self) -> u64 {
        self.rate.saturating_mul(BURST_S * 1000)
    }

    pub(super) fn fill(&mut self, now: Instant) {
        let passed_ms = u64::try_from(now.saturating_duration_since(self.at).as_millis()).unwrap_or(u64::MAX);
        if passed_ms > 0 {
            let gained = passed_ms.saturating_mul(self.rate);
            let paid = gained.min(self.owed);
            self.owed -= paid;
            self.left = self.left.saturating_add(gained - paid).min(self.capacity());
            // What is left of a millisecond counts next time.
            self.at = self.at.checked_add(Duration::from_millis(passed_ms)).unwrap_or(now);
        }
    }

    pub(super) fn used(&self) -> u64 {
        (self.capacity() - self.left).saturating_add(self.owed)
    }

    /// Takes this out, whether it is in it or not.
    pub(super) fn charge(&mut self, cost: u64) {
        self.owed = self.owed.saturating_add(cost.saturating_sub(self.left));
        self.left = self.left.saturating_sub(cost);
    }

    /// How long a request that takes so long waits for its turn, behind those that were told before.
    pub(super) fn turn(&mut self, now: Instant, takes: Duration) -> Duration {
        let before = self.turn.saturating_duration_since(now);
        let wait = before.saturating_add(takes).min(MAX_TURN);
        self.turn = now.checked_add(wait).unwrap_or(now);
        wait
    }

    /// How long it takes until so much more is in it.
    pub(super) fn time_for(&self, lacking: u64) -> Duration {
        Duration::from_millis(lacking.div_ceil(self.rate.max(1)).max(1))
    }

    /// Whether something was taken from it of late, or someone was told to come back.
    pub(super) fn is_in_use(&self, now: Instant) -> bool {
        self.turn > now || now.saturating_duration_since(self.at) < IN_USE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_fills_with_time_and_not_beyond_its_brim() {
        let now = Instant::now();
        let mut bucket = Bucket::full(10, now);
        bucket.left = 0;
        bucket.fill(now + Duration::from_millis(500));
        assert_eq!(bucket.left, 5_000);
        assert_eq!(bucket.time_for(1_000), Duration::from_millis(100));
        bucket.fill(now + Duration::from_secs(3_600));
        assert_eq!((bucket.left, bucket.used()), (20_000, 0));
    }

    #[test]
    fn what_is_owed_is_paid_first() {
        let now = Instant::now();
        let mut bucket = Bucket::full(10, now);
        bucket.charge(25_000);
        assert_eq!((bucket.left, bucket.owed, bucket.used()), (0, 5_000, 25_000));
        bucket.fill(now + Duration::from_millis(600));
        assert_eq!((bucket.left, bucket.owed), (1_000, 0));
    }

    #[test]
    fn each_who_is_refused_is_told_a_later_turn() {
        let now = Instant::now();
        let mut bucket = Bucket::full(10, now);
        let second = Duration::from_secs(1);
        assert_eq!([bucket.turn(now, second), bucket.turn(now, second)], [second, 2 * second]);
        assert_eq!(bucket.turn(now + second, second), 2 * second);
        assert_eq!((0..20).map(|_| bucket.turn(now, second)).last(), Some(MAX_TURN));
        assert!(bucket.is_in_use(now + 2 * second) && !bucket.is_in_use(now + second + MAX_TURN));
    }
}
