//! How much misbehaviour of a peer is borne before it is kept out for a while. Never for ever: a member whose software
//! was mended must be able to come back without anyone's help.

use std::time::{Duration, Instant};

use crate::bucket::Bucket;

/// Points of patience with each peer; one comes back per second.
const PATIENCE: u32 = 100;

/// What each kind of misbehaviour costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offence {
    /// One message above the rate.
    Rate,
    /// Reported by the node: bad content.
    Content,
    /// Bytes that are no frame, or a frame that has no place there.
    Protocol,
}

impl Offence {
    fn points(self) -> usize {
        match self {
            Offence::Rate => 1,
            Offence::Content => 10,
            Offence::Protocol => 30,
        }
    }
}

/// The standing of one peer.
#[derive(Debug)]
pub(crate) struct Standing {
    patience: Bucket,
    first: Duration,
    longest: Duration,
    rounds: u32,
    until: Option<Instant>,
    reason: String,
}

impl Standing {
    /// `suspension`: the first and the longest.
    pub(crate) fn new(suspension: (Duration, Duration), now: Instant) -> Self {
        let (first, longest) = suspension;
        let patience = Bucket::new(PATIENCE, 1, now);
        Self { patience, first, longest: longest.max(first), rounds: 0, until: None, reason: String::new() }
    }

    /// Takes the points off. Once patience is at an end, the peer is suspended for the time returned.
    pub(crate) fn penalise(&mut self, offence: Offence, reason: &str, now: Instant) -> Option<Duration> {
        if self.suspended(now).is_some() || self.patience.take(offence.points(), now) {
            return None;
        }
        let clean = self.until.is_none_or(|until| now.saturating_duration_since(until) > 2 * self.longest);
        self.rounds = if clean { 0 } else { self.rounds.saturating_add(1) };
        let length = self.first.saturating_mul(1 << self.rounds.min(30)).min(self.longest);
        self.until = Some(now + length);
        self.reason = reason.to_owned();
        self.patience.fill();
        Some(length)
    }

    /// For how long the peer is still kept out, and why.
    pub(crate) fn suspended(&self, now: Instant) -> Option<(Duration, &str)> {
        let left = self.until?.saturating_duration_since(now);
        (!left.is_zero()).then_some((left, self.reason.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn suspensions_double_to_the_longest_and_are_forgotten() {
        let mut now = Instant::now();
        let mut standing = Standing::new((10 * SECOND, 30 * SECOND), now);
        for expected in [10, 20, 30, 30] {
            for _ in 0..3 {
                assert_eq!(standing.penalise(Offence::Protocol, "garbage", now), None);
            }
            assert_eq!(standing.penalise(Offence::Protocol, "garbage", now), Some(expected * SECOND));
            assert_eq!(standing.penalise(Offence::Protocol, "more", now), None, "already out");
            assert_eq!(standing.suspended(now), Some((expected * SECOND, "garbage")));
            now += expected * SECOND;
            assert_eq!(standing.suspended(now), None);
        }
        now += 61 * SECOND;
        (0..3).for_each(|_| assert_eq!(standing.penalise(Offence::Protocol, "garbage", now), None));
        assert_eq!(standing.penalise(Offence::Protocol, "garbage", now), Some(10 * SECOND));
    }

    #[test]
    fn one_point_a_second_is_borne_for_ever() {
        let start = Instant::now();
        let mut standing = Standing::new((10 * SECOND, 30 * SECOND), start);
        for second in 0..1_000 {
            assert_eq!(standing.penalise(Offence::Rate, "fast", start + second * SECOND), None);
        }
    }
}
