//! Token buckets: how much of something a peer may do. Integers only, time is an argument.

use std::time::{Duration, Instant};

use crate::config::TrafficLimit;

const MICROS: i64 = 1_000_000;

/// Holds at most `capacity` tokens and gains `per_second`. The level is kept in millionths of a token.
#[derive(Debug, Clone)]
pub(crate) struct Bucket {
    capacity: i64,
    per_second: i64,
    level: i64,
    at: Instant,
}

impl Bucket {
    /// A full bucket. Capacities and rates are counts of bytes or messages below 2^32.
    pub(crate) fn new(capacity: u32, per_second: u32, now: Instant) -> Self {
        let capacity = i64::from(capacity) * MICROS;
        Self { capacity, per_second: i64::from(per_second), level: capacity, at: now }
    }

    fn refill(&mut self, now: Instant) {
        let elapsed = i64::try_from(now.saturating_duration_since(self.at).as_micros()).unwrap_or(i64::MAX);
        self.level = self.level.saturating_add(elapsed.saturating_mul(self.per_second)).min(self.capacity);
        self.at = self.at.max(now);
    }

    pub(crate) fn has(&mut self, tokens: usize, now: Instant) -> bool {
        self.refill(now);
        self.level >= cost(tokens)
    }

    /// Takes the tokens if they are all there.
    pub(crate) fn take(&mut self, tokens: usize, now: Instant) -> bool {
        let enough = self.has(tokens, now);
        if enough {
            self.level -= cost(tokens);
        }
        enough
    }

    /// Takes the tokens, on credit if need be, and says how long it takes to pay that back.
    pub(crate) fn spend(&mut self, tokens: usize, now: Instant) -> Duration {
        self.refill(now);
        self.level = self.level.saturating_sub(cost(tokens));
        let debt = self.level.min(0).unsigned_abs();
        Duration::from_micros(debt.div_ceil(self.per_second.max(1).unsigned_abs()))
    }

    pub(crate) fn fill(&mut self) {
        self.level = self.capacity;
    }
}

fn cost(tokens: usize) -> i64 {
    i64::try_from(tokens).unwrap_or(i64::MAX).saturating_mul(MICROS)
}

/// Counts one kind of traffic from one peer, in messages and in bytes.
#[derive(Debug, Clone)]
pub(crate) struct Meter {
    messages: Bucket,
    bytes: Bucket,
}

impl Meter {
    pub(crate) fn new(limit: &TrafficLimit, now: Instant) -> Self {
        let burst =
            |queue: usize, rate: u32| u32::try_from(2 * queue).unwrap_or(u32::MAX).saturating_add(rate);
        Self {
            messages: Bucket::new(
                burst(limit.queue_messages, limit.messages_per_second),
                limit.messages_per_second,
                now,
            ),
            bytes: Bucket::new(burst(limit.queue_bytes, limit.bytes_per_second), limit.bytes_per_second, now),
        }
    }

    /// A meter for half of what the limit allows.
    pub(crate) fn half(limit: &TrafficLimit, now: Instant) -> Self {
        let half = TrafficLimit {
            max_message_bytes: limit.max_message_bytes,
            queue_messages: limit.queue_messages / 2,
            queue_bytes: limit.queue_bytes / 2,
            messages_per_second: limit.messages_per_second.div_ceil(2),
            bytes_per_second: limit.bytes_per_second / 2,
        };
        Self::new(&half, now)
    }

    /// Whether one more message of this length is within the limit.
    pub(crate) fn take(&mut self, bytes: usize, now: Instant) -> bool {
        self.bytes.has(bytes, now) && self.messages.take(1, now) && self.bytes.take(bytes, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_what_it_has_and_refills_with_time() {
        let start = Instant::now();
        let mut bucket = Bucket::new(10, 4, start);
        // (milliseconds since the start, tokens wanted, granted)
        let steps = [
            (0, 10, true),
            (0, 1, false),
            (249, 1, false),
            (250, 1, true),
            (1_250, 5, false),
            (1_250, 4, true),
            (9_000, 11, false),
            (9_000, 10, true),
        ];
        for (ms, wanted, granted) in steps {
            assert_eq!(
                bucket.take(wanted, start + Duration::from_millis(ms)),
                granted,
                "{wanted} at {ms} ms"
            );
        }
    }

    #[test]
    fn spending_on_credit_tells_the_wait() {
        let start = Instant::now();
        let mut bucket = Bucket::new(10, 4, start);
        assert_eq!(bucket.spend(10, start), Duration::ZERO);
        assert_eq!(bucket.spend(2, start), Duration::from_millis(500));
        assert_eq!(bucket.spend(2, start + Duration::from_millis(500)), Duration::from_millis(500));
    }

    #[test]
    fn a_clock_that_steps_back_gives_nothing() {
        let start = Instant::now() + Duration::from_secs(1);
        let mut bucket = Bucket::new(1, 1, start);
        assert!(bucket.take(1, start));
        assert!(!bucket.take(1, start - Duration::from_secs(1)));
        assert!(!bucket.take(1, start));
    }

    #[test]
    fn a_meter_refuses_for_messages_or_for_bytes() {
        let now = Instant::now();
        let limit = TrafficLimit {
            max_message_bytes: 10,
            queue_messages: 1,
            queue_bytes: 10,
            messages_per_second: 1,
            bytes_per_second: 10,
        };
        let mut meter = Meter::new(&limit, now);
        assert!(meter.take(30, now));
        assert!(!meter.take(1, now), "all bytes are gone");
        assert!(meter.take(0, now) && meter.take(0, now));
        assert!(!meter.take(0, now), "all messages are gone");

        let mut half = Meter::half(&limit, now);
        assert!(half.take(15, now));
        assert!(!half.take(0, now) && !half.take(1, now));
    }
}
