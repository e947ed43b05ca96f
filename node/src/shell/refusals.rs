//! Refused connections in the log: whoever is refused tries again, and each try would say the same.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use althing_p2p::PeerKey;

/// The same refusal is logged at most this often.
const INTERVAL: Duration = Duration::from_secs(10);
/// Refusals remembered: strangers may come under any number of keys.
const MAX_REMEMBERED: usize = 256;

/// What was logged of late.
#[derive(Default)]
pub(super) struct Refusals(HashMap<(Option<PeerKey>, String), Logged>);

struct Logged {
    at: Instant,
    /// Not logged since then.
    since: u64,
}

impl Refusals {
    /// Whether to log this one, and if so, how many like it were not logged since the last.
    pub(super) fn log(&mut self, peer: Option<PeerKey>, reason: &str, now: Instant) -> Option<u64> {
        let recent = |logged: &Logged| now.saturating_duration_since(logged.at) < INTERVAL;
        let key = (peer, reason.to_owned());
        if let Some(logged) = self.0.get_mut(&key) {
            if recent(logged) {
                logged.since += 1;
                return None;
            }
            let since = logged.since;
            *logged = Logged { at: now, since: 0 };
            return Some(since);
        }
        if self.0.len() >= MAX_REMEMBERED {
            self.0.retain(|_, logged| recent(logged));
        }
        if self.0.len() < MAX_REMEMBERED {
            self.0.insert(key, Logged { at: now, since: 0 });
        }
        Some(0)
    }
}

#[cfg(test)]
mod tests {
    use althing_crypto::ed25519::SecretKey;

    use super::*;

    fn peer(n: usize) -> Option<PeerKey> {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&(n as u64).to_be_bytes());
        Some(SecretKey::from_seed(seed).public_key())
    }

    #[test]
    fn the_same_refusal_is_logged_once_per_interval_with_the_count_of_the_others() {
        let (mut refusals, start) = (Refusals::default(), Instant::now());
        for (ms, peer, reason, logged) in [
            (0, peer(1), "stranger", Some(0)),
            (1, peer(1), "stranger", None),
            (2, peer(1), "another chain", Some(0)),
            (3, peer(2), "stranger", Some(0)),
            (4, None, "stranger", Some(0)),
            (9_999, peer(1), "stranger", None),
            (10_000, peer(1), "stranger", Some(2)),
            (10_001, peer(1), "stranger", None),
            (30_000, peer(1), "stranger", Some(1)),
            (40_000, peer(1), "stranger", Some(0)),
        ] {
            let now = start + Duration::from_millis(ms);
            assert_eq!(refusals.log(peer, reason, now), logged, "{reason} at {ms} ms");
        }
    }

    #[test]
    fn strangers_fill_no_memory() {
        let (mut refusals, start) = (Refusals::default(), Instant::now());
        for n in 0..2 * MAX_REMEMBERED {
            assert_eq!(refusals.log(peer(n), "stranger", start), Some(0));
        }
        assert_eq!(refusals.0.len(), MAX_REMEMBERED);
        assert_eq!(refusals.log(peer(9_999), "stranger", start + INTERVAL), Some(0));
        assert_eq!(refusals.0.len(), 1, "what is over is forgotten");
    }
}
