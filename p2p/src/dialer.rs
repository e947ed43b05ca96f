//! When to connect to whom: exponential back-off with jitter for each peer that has an address.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{BuildHasher, RandomState},
    time::{Duration, Instant},
};

use crate::PeerKey;

/// Of two nodes that start together the one with the lower key dials at once, the other after this long: then the
/// connection mostly exists already, and none crosses with it.
const COURTESY: Duration = Duration::from_millis(250);

/// The schedule of attempts. Time and randomness are arguments.
pub(crate) struct Dialer {
    own: PeerKey,
    first: Duration,
    longest: Duration,
    attempts: BTreeMap<PeerKey, Attempt>,
}

#[derive(Default)]
struct Attempt {
    failures: u32,
    /// Nothing while connected or connecting.
    due: Option<Instant>,
}

impl Dialer {
    /// All peers with an address, to be dialled from `now` on. `reconnect`: the first and the longest wait.
    pub(crate) fn new(
        own: PeerKey,
        peers: impl Iterator<Item = PeerKey>,
        reconnect: (Duration, Duration),
        now: Instant,
    ) -> Self {
        let (first, longest) = reconnect;
        let mut dialer = Self { own, first, longest: longest.max(first), attempts: BTreeMap::new() };
        peers.for_each(|peer| dialer.add(peer, now));
        dialer
    }

    /// Another peer to be connected to, from now on.
    pub(crate) fn add(&mut self, peer: PeerKey, now: Instant) {
        let courtesy = if self.own < peer { Duration::ZERO } else { COURTESY };
        self.attempts.insert(peer, Attempt { failures: 0, due: Some(now + courtesy) });
    }

    /// Peers other than these are connected to no more.
    pub(crate) fn keep(&mut self, peers: &BTreeSet<PeerKey>) {
        self.attempts.retain(|peer, _| peers.contains(peer));
    }

    /// When the next attempt is due.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.attempts.values().filter_map(|attempt| attempt.due).min()
    }

    /// Takes the peers whose attempt is due; they count as connecting from now on.
    pub(crate) fn take_due(&mut self, now: Instant) -> Vec<PeerKey> {
        let due = self.attempts.iter_mut().filter(|(_, attempt)| attempt.due.is_some_and(|due| due <= now));
        due.map(|(peer, attempt)| {
            attempt.due = None;
            *peer
        })
        .collect()
    }

    pub(crate) fn connected(&mut self, peer: &PeerKey) {
        if let Some(attempt) = self.attempts.get_mut(peer) {
            attempt.due = None;
        }
    }

    /// An attempt failed, or a connection ended that had lasted `lasted`. Only one that lasted as long as the longest
    /// wait begins the back-off anew, so a peer that connects and fails at once is not dialled in a tight loop.
    pub(crate) fn failed(&mut self, peer: &PeerKey, lasted: Duration, random: u64, now: Instant) {
        let courtesy = if self.own < *peer { Duration::ZERO } else { COURTESY };
        let Some(attempt) = self.attempts.get_mut(peer) else { return };
        if lasted >= self.longest {
            attempt.failures = 0;
        }
        let wait = self.first.saturating_mul(1 << attempt.failures.min(20)).min(self.longest);
        attempt.failures = attempt.failures.saturating_add(1);
        attempt.due = Some(now + jitter(wait, random) + courtesy);
    }

    /// Not before then.
    pub(crate) fn postpone(&mut self, peer: &PeerKey, until: Instant) {
        if let Some(attempt) = self.attempts.get_mut(peer) {
            attempt.due = Some(until);
        }
    }
}

/// Between half the wait and all of it.
fn jitter(wait: Duration, random: u64) -> Duration {
    let half = wait / 2;
    let nanos = u64::try_from(half.as_nanos()).unwrap_or(u64::MAX).saturating_add(1);
    half + Duration::from_nanos(random % nanos)
}

/// Randomness for [`Dialer::failed`]: hashers are seeded by the system.
pub(crate) fn random() -> u64 {
    RandomState::new().hash_one(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn key(byte: u8) -> PeerKey {
        PeerKey::from_bytes([byte; 32])
    }

    #[test]
    fn waits_double_to_the_longest_and_begin_anew_after_a_lasting_connection() {
        let now = Instant::now();
        let peer = key(2);
        let mut dialer = Dialer::new(key(1), [peer].into_iter(), (100 * MS, 1000 * MS), now);
        assert_eq!(dialer.next(), Some(now));
        assert_eq!(dialer.take_due(now), [peer]);
        assert_eq!(dialer.next(), None, "an attempt is under way");
        // (how long the connection had lasted in ms, longest wait expected in ms)
        for (lasted, wait) in
            [(0, 100), (0, 200), (999, 400), (0, 800), (0, 1000), (0, 1000), (1000, 100), (0, 200)]
        {
            dialer.failed(&peer, lasted * MS, 0, now);
            assert_eq!(dialer.next(), Some(now + wait * MS / 2), "least jitter after {lasted}");
            assert!(dialer.take_due(now + wait * MS / 2 - MS).is_empty());
            assert_eq!(dialer.take_due(now + wait * MS / 2), [peer]);
        }
    }

    #[test]
    fn jitter_stays_between_half_and_all() {
        for n in [0, 1, 12_345, 49_999_999, 50_000_000, u64::MAX - 1, u64::MAX] {
            let wait = jitter(100 * MS, n);
            assert!((50 * MS..=100 * MS).contains(&wait), "{wait:?}");
        }
        assert_eq!(jitter(Duration::ZERO, 7), Duration::ZERO);
    }

    #[test]
    fn the_higher_key_waits_for_the_lower_to_dial() {
        let now = Instant::now();
        let (low, high) = (key(1), key(2));
        assert_eq!(Dialer::new(low, [high].into_iter(), (MS, MS), now).next(), Some(now));
        assert_eq!(Dialer::new(high, [low].into_iter(), (MS, MS), now).next(), Some(now + COURTESY));
    }

    #[test]
    fn connected_and_unknown_peers_are_not_dialled() {
        let now = Instant::now();
        let mut dialer = Dialer::new(key(1), [key(2)].into_iter(), (MS, MS), now);
        dialer.connected(&key(2));
        dialer.failed(&key(3), Duration::ZERO, 0, now);
        assert_eq!(dialer.next(), None);
        dialer.postpone(&key(2), now + MS);
        assert_eq!(dialer.next(), Some(now + MS));
    }
}
