//! When each transaction that has no end is looked at again: those that the mempool has and those that it does not each by themselves,
//! so that sending the ones, which is slow, delays no offering of the others.

use althing_consensus::Height;
use althing_crypto::TxHash;
use althing_mempool::TxBytes;

use super::super::again::MESSAGE_BYTES;
use super::Book;

/// A pending transaction is sent to the peers anew, and one that the pool has no room for offered anew, after so long; each time after
/// twice as long, up to the most.
pub(super) const FIRST_AGAIN_MS: u64 = 4_000;
pub(super) const LAST_AGAIN_MS: u64 = 64_000;

/// Whether the mempool has it, when in milliseconds of the process, and among equals the order of arrival.
pub(super) type At = (bool, u64, u64);

/// A transaction that is due: to be offered to the mempool, or to be sent to the peers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Due {
    pub(in super::super) tx: TxHash,
    pub(in super::super) bytes: TxBytes,
    pub(in super::super) above: Height,
    pub(in super::super) pooled: bool,
}

impl Book {
    /// At most so many that are due now, and when the next one is. Each is due again later. Of those that the mempool has one message
    /// full, and none before `send_at`.
    pub(in super::super) fn take_due(
        &mut self,
        now: u64,
        max: usize,
        send_at: u64,
    ) -> (Vec<Due>, Option<u64>) {
        let after = now.saturating_add(1);
        let outside = self.due.range((false, 0, 0)..(false, after, 0)).take(max);
        let mut ready: Vec<TxHash> = outside.map(|(_, tx)| *tx).collect();
        if send_at <= now {
            let mut bytes = 0;
            for (_, tx) in self.due.range((true, 0, 0)..(true, after, 0)).take(max) {
                ready.push(*tx);
                bytes += self.entries.get(tx).map_or(0, |entry| entry.bytes.len());
                if bytes >= MESSAGE_BYTES {
                    break;
                }
            }
        }
        let mut taken = Vec::with_capacity(ready.len());
        for tx in ready {
            let Some(entry) = self.entries.get_mut(&tx) else { continue };
            let again = entry.again_ms;
            entry.again_ms = again.saturating_mul(2).min(LAST_AGAIN_MS);
            taken.push(Due { tx, bytes: entry.bytes.clone(), above: entry.above, pooled: entry.pooled });
            self.set_due(&tx, now.saturating_add(again));
        }
        let outside = self.due.range((false, 0, 0)..(true, 0, 0)).next().map(|((_, at, _), _)| *at);
        let pooled = self.due.range((true, 0, 0)..).next().map(|((_, at, _), _)| (*at).max(send_at));
        (taken, outside.into_iter().chain(pooled).min())
    }

    pub(super) fn set_due(&mut self, tx: &TxHash, at: u64) {
        let Some(entry) = self.entries.get_mut(tx) else { return };
        let arrival = match entry.due.take() {
            Some(before) => {
                self.due.remove(&before);
                before.2
            }
            None => {
                self.arrivals += 1;
                self.arrivals
            }
        };
        let due = (entry.pooled, at, arrival);
        entry.due = Some(due);
        self.due.insert(due, *tx);
    }
}
