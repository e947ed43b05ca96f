//! The rules of admission that are the pool's own.

use althing_crypto::{TxHash, mutant};

use super::Pool;
use super::queue::Queue;
use super::slab::Slot;
use crate::sender::Verdict;
use crate::{Code, MAX_SENDER_BYTES, Refusal};

impl Pool {
    /// Whether one more transaction of `len` bytes finds room. Peers leave a tenth for this node's own clients.
    pub(crate) fn room(&self, len: usize, from_peer: bool) -> Result<(), Refusal> {
        let share = |max: usize| if from_peer { max - max / 10 } else { max };
        let (max_txs, max_bytes) = (share(self.limits.max_txs), share(self.limits.max_bytes));
        if self.used.fits(len, max_txs, max_bytes) {
            return Ok(());
        }
        let log = format!(
            "the pool is full: {} transactions of at most {max_txs}, {} bytes of at most {max_bytes}, and this one has \
             {len}; send it again after the next block",
            self.used.txs, self.used.bytes
        );
        Err(Refusal::own(Code::Full, log))
    }

    /// The rules that need no state of the application. Asked before the check, to save it, and again after.
    pub(crate) fn pre_judge(
        &self,
        tx: &Verdict,
        len: usize,
        from_peer: bool,
        height: u64,
    ) -> Result<(), Refusal> {
        if let Some(expiry) = tx.expiry_height.filter(|expiry| *expiry <= height) {
            return Err(expired(expiry, height));
        }
        self.room(len, from_peer)?;
        let Some(sender) = &tx.sender else { return Ok(()) };
        if sender.len() > MAX_SENDER_BYTES {
            let log = format!(
                "the application named a sender of {} bytes, at most {MAX_SENDER_BYTES} are kept; let it use a hash",
                sender.len()
            );
            return Err(Refusal::own(Code::SenderTooLong, log));
        }
        let Some(queue) = self.senders.get(sender) else { return Ok(()) };
        if self.giving_way(queue, tx.sequence, len).is_none() && !mutant!("no_bound_per_sender") {
            let free = self.limits.max_txs.saturating_sub(self.used.txs);
            let free_bytes = self.limits.max_bytes.saturating_sub(self.used.bytes);
            let log = format!(
                "the sender has {} transactions of {} bytes pending; it may have at most {}, and never more than is free \
                 in the pool, now {free} transactions of {free_bytes} bytes; wait until some are committed",
                queue.used.txs, queue.used.bytes, self.limits.max_txs_per_sender
            );
            return Err(Refusal::own(Code::SenderFull, log));
        }
        match queue.ordered.get(&tx.sequence) {
            None => Ok(()),
            Some(slot) => {
                let log = format!(
                    "sequence {} of the sender is taken by the pending transaction {}, which came first; wait for it or use \
                     the next sequence",
                    tx.sequence, self.entries[*slot].hash
                );
                Err(Refusal::own(Code::SequenceTaken, log))
            }
        }
    }

    /// What of its sender a transaction displaces: nothing if it fits into the sender's share; `None` if there is no room for it.
    ///
    /// The last of those that wait give way to the one that they wait for: it would else be kept out by them for good.
    pub(super) fn giving_way(&self, queue: &Queue, sequence: u64, len: usize) -> Option<Vec<Slot>> {
        let (mut of_sender, mut used, mut leaving) = (queue.used, self.used, Vec::new());
        let mut last = queue.ordered.values().rev().filter(|_| sequence == queue.ready_end);
        loop {
            let free = self.limits.max_txs.saturating_sub(used.txs);
            let free_bytes = self.limits.max_bytes.saturating_sub(used.bytes);
            if of_sender.fits(len, self.limits.max_txs_per_sender.min(free), free_bytes) {
                return Some(leaving);
            }
            let slot = *last.next().filter(|slot| self.entries[**slot].rank.is_none())?;
            let freed = self.entries[slot].bytes.len();
            of_sender.sub(freed);
            used.sub(freed);
            leaving.push(slot);
        }
    }

    /// All rules, for a transaction that the application would execute. `next`: the sender's next sequence in executed
    /// state, if the transaction needs order.
    pub(crate) fn judge(
        &self,
        tx: &Verdict,
        next: Option<u64>,
        len: usize,
        from_peer: bool,
        height: u64,
    ) -> Result<(), Refusal> {
        self.pre_judge(tx, len, from_peer, height)?;
        let (Some(sender), Some(next)) = (&tx.sender, next) else { return Ok(()) };
        let queue = self.senders.get(sender);
        let (next, missing) = queue.map_or((next, next), |queue| (queue.next, queue.ready_end));
        if tx.sequence < next {
            return Err(used(Some(tx.sequence), next));
        }
        let max_gap = self.limits.max_sequence_gap;
        if tx.sequence.saturating_sub(missing) > max_gap || tx.sequence == u64::MAX {
            let log = format!(
                "sequence {} lies too far beyond {missing}, the first that is missing: at most {max_gap}; send the missing \
                 ones first",
                tx.sequence
            );
            return Err(Refusal::own(Code::SequenceGap, log));
        }
        let (max_txs, max_bytes) = (self.limits.max_held_txs, self.limits.max_held_bytes);
        if tx.sequence > missing && !self.held.fits(len, max_txs, max_bytes) {
            let log = format!(
                "sequence {missing} of the sender is missing and there is no room for more transactions that wait: {} of \
                 at most {max_txs}, {} bytes of at most {max_bytes}; send it first, then this one again",
                self.held.txs, self.held.bytes
            );
            return Err(Refusal::own(Code::HeldFull, log));
        }
        Ok(())
    }
}

pub(super) fn expired(expiry: u64, height: u64) -> Refusal {
    let log = format!(
        "the transaction could execute up to height {expiry}, and {height} is committed; sign it again with a later expiry"
    );
    Refusal::own(Code::Expired, log)
}

pub(super) fn used(sequence: Option<u64>, next: u64) -> Refusal {
    let sequence = sequence.unwrap_or_default();
    let log =
        format!("sequence {sequence} of the sender is used already; sign it again with {next} or later");
    Refusal::own(Code::SequenceUsed, log)
}

/// Whatever comes of it, no block of this epoch can hold it.
pub(crate) fn too_large(hash: &TxHash, len: usize, max: usize) -> Refusal {
    let log = format!("transaction {hash} has {len} bytes, the chain takes at most {max}; split it");
    Refusal::own(Code::TooLarge, log)
}

pub(super) fn no_room_behind(missing: u64) -> Refusal {
    let log = format!(
        "sequence {missing} of the sender is missing and there is no room to keep what follows it; send it first, then this \
         one again"
    );
    Refusal::own(Code::HeldFull, log)
}
