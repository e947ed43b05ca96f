//! The admitted transactions: where each one stands, in which order they go, and how much room they take.
//!
//! A transaction is *ready* or *held*. Without a sender or without a need for order it is ready at once. The ordered
//! ones of a sender are ready as far as their sequences follow one another from the sender's next; the others are held.

mod batch;
mod queue;
pub(crate) mod rules;
mod slab;

use std::collections::BTreeMap;

use althing_crypto::{TxHash, mutant};

use crate::key::Key;
use crate::map::Map;
use crate::recent::Recent;
use crate::sender::{Origin, Sender, Verdict};
use crate::usage::Usage;
use crate::{Code, Limits, Refusal, TxBytes};
use queue::{Queue, Rank};
use slab::{Slab, Slot};

/// The number of a transaction in the order of admission.
type Arrival = u64;

/// One admitted transaction.
#[derive(Clone, Debug, Hash)]
pub(crate) struct Entry {
    arrival: Arrival,
    pub(crate) hash: TxHash,
    pub(crate) bytes: TxBytes,
    pub(crate) sender: Option<Sender>,
    /// Its place among the sender's, if it needs one.
    pub(crate) sequence: Option<u64>,
    /// The place that it names, whether it needs one or not.
    names: u64,
    priority: u64,
    expiry_height: Option<u64>,
    /// The peers have been told of it by this node.
    told: bool,
    /// The height after which it is looked at again: it expires, or has been held too long.
    due: Option<u64>,
    /// `None` while it is held.
    rank: Option<Rank>,
}

/// All of them.
#[derive(Clone, Debug, Hash)]
pub(crate) struct Pool {
    limits: Limits,
    entries: Slab,
    by_hash: Map<Key, Slot>,
    senders: Map<Sender, Queue>,
    /// Those that have no sender.
    nobodys: BTreeMap<Arrival, Slot>,
    ready: BTreeMap<Rank, Slot>,
    due: BTreeMap<(u64, Arrival), Slot>,
    used: Usage,
    held: Usage,
    arrivals: Arrival,
    /// Where a sender who had nothing ready joins the line.
    round: u64,
    /// Dropped since they were last taken away.
    dropped: Vec<(TxHash, Refusal)>,
    /// Verdicts of `precheck` on what is neither here nor in flight, nor left for a block: all others are where the transaction is.
    pub(crate) admitted: Recent<Verdict>,
}

impl Pool {
    pub(crate) fn new(limits: Limits) -> Self {
        Pool {
            entries: Slab::default(),
            by_hash: Map::new(limits.seed),
            senders: Map::new(limits.seed),
            nobodys: BTreeMap::new(),
            ready: BTreeMap::new(),
            due: BTreeMap::new(),
            used: Usage::default(),
            held: Usage::default(),
            arrivals: 0,
            round: 0,
            dropped: Vec::new(),
            admitted: Recent::new(limits.verdict_cache, limits.seed),
            limits,
        }
    }

    /// Drops what is larger: no block could ever hold it, and as long as it is pending the chain would not come to rest.
    pub(crate) fn set_max_tx_bytes(&mut self, max: usize) {
        self.limits.max_tx_bytes = max;
        let larger = self.entries.iter().filter(|(_, entry)| entry.bytes.len() > max);
        let mut larger: Vec<(Arrival, TxHash, usize)> =
            larger.map(|(_, entry)| (entry.arrival, entry.hash, entry.bytes.len())).collect();
        larger.sort_unstable();
        for (_, hash, len) in larger {
            self.refuse(&hash, rules::too_large(&hash, len, max));
        }
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(crate) fn used(&self) -> Usage {
        self.used
    }

    pub(crate) fn held(&self) -> Usage {
        self.held
    }

    pub(crate) fn largest_sender(&self) -> usize {
        self.senders.max_of(|queue| queue.used.txs).unwrap_or(0)
    }

    pub(crate) fn get(&self, hash: &TxHash) -> Option<&Entry> {
        self.by_hash.get(&hash.into()).map(|slot| &self.entries[*slot])
    }

    /// The bytes of a pending transaction, if this node has not told the peers of it; from now on it has.
    pub(crate) fn tell(&mut self, hash: &TxHash) -> Option<TxBytes> {
        let entry = &mut self.entries[*self.by_hash.get(&hash.into())?];
        let told = std::mem::replace(&mut entry.told, true);
        (!told).then(|| entry.bytes.clone())
    }

    /// Every sender, by name.
    pub(crate) fn senders(&self) -> Vec<Sender> {
        self.senders.sorted().into_iter().map(|(sender, _)| sender.clone()).collect()
    }

    /// For a held transaction, the first sequence its sender misses.
    pub(crate) fn missing(&self, entry: &Entry) -> Option<u64> {
        let sender = entry.sender.as_ref().filter(|_| entry.rank.is_none())?;
        Some(self.senders[sender].ready_end)
    }

    /// Takes an admitted transaction; `next` is its sender's next sequence if it needs order, `told` whether the peers are
    /// told of it now. The caller has asked [`Pool::judge`].
    pub(crate) fn insert(
        &mut self,
        hash: TxHash,
        bytes: TxBytes,
        tx: &Verdict,
        next: Option<u64>,
        told: bool,
        height: u64,
    ) {
        let sender = tx.sender.clone();
        if let Some(queue) = sender.as_ref().and_then(|sender| self.senders.get(sender)) {
            let missing = queue.ready_end;
            for slot in self.giving_way(queue, tx.sequence, bytes.len()).unwrap_or_default() {
                self.let_go(slot, rules::no_room_behind(missing));
            }
        }
        let arrival = self.arrivals;
        self.arrivals += 1;
        let sequence = next.filter(|_| sender.is_some()).map(|_| tx.sequence);
        let mut entry = Entry {
            arrival,
            hash,
            bytes,
            sender: sender.clone(),
            sequence,
            names: tx.sequence,
            priority: tx.priority,
            expiry_height: tx.expiry_height,
            told,
            due: None,
            rank: None,
        };
        let (due, len) = (self.due_height(&entry, height), entry.bytes.len());
        entry.due = due;
        let slot = self.entries.insert(entry);
        self.due.extend(due.map(|due| ((due, arrival), slot)));
        self.used.add(len);
        self.held.add(len);
        self.by_hash.insert(Key::from(&hash), slot);
        let Some(sender) = sender else {
            self.nobodys.insert(arrival, slot);
            return self.make_ready(slot, None);
        };
        let queue = self.senders.or_insert_with(sender.clone(), || Queue::new(next.unwrap_or(0)));
        queue.used.add(len);
        match sequence {
            Some(sequence) => {
                queue.ordered.insert(sequence, slot);
                self.promote(&sender);
            }
            None => {
                let ahead = queue.unordered.last_key_value().map(|(_, slot)| *slot);
                queue.unordered.insert(arrival, slot);
                self.make_ready(slot, ahead);
            }
        }
    }

    fn due_height(&self, entry: &Entry, height: u64) -> Option<u64> {
        let patience = entry.sequence.map(|_| height.saturating_add(self.limits.max_held_heights));
        entry.expiry_height.into_iter().chain(patience).min()
    }

    /// A block of `height` with transactions is committed: drops what can never follow it.
    pub(crate) fn pass_height(&mut self, height: u64) {
        while let Some((&(due, _), &slot)) = self.due.first_key_value()
            && due <= height
            && !mutant!("expired_stays_pending")
        {
            let entry = &self.entries[slot];
            if let Some(expiry) = entry.expiry_height.filter(|expiry| *expiry <= height) {
                self.drop_tx(slot, rules::expired(expiry, height));
            } else if entry.rank.is_none() {
                let log = format!(
                    "the transaction waited {} heights for an earlier sequence of its sender; send that one first",
                    self.limits.max_held_heights
                );
                self.drop_tx(slot, Refusal::own(Code::HeldTooLong, log));
            } else {
                let later = self.due_height(entry, height.saturating_add(1));
                self.set_due(slot, later);
            }
        }
    }

    fn set_due(&mut self, slot: Slot, due: Option<u64>) {
        let entry = &mut self.entries[slot];
        let before = std::mem::replace(&mut entry.due, due);
        if let Some(before) = before {
            self.due.remove(&(before, entry.arrival));
        }
        self.due.extend(due.map(|due| ((due, entry.arrival), slot)));
    }

    /// A committed block holds the transaction: if it is here, it leaves, and its sender moves on. Whose it was.
    pub(crate) fn commit(&mut self, hash: &TxHash) -> Option<Origin> {
        let slot = self.by_hash.remove(&hash.into())?;
        let entry = &self.entries[slot];
        let Some(sender) = entry.sender.clone() else {
            self.take(slot);
            return Some(Origin::Nobody);
        };
        let sequence = entry.sequence;
        // First the sequence: those behind this transaction then stay ready when it leaves.
        if let Some(sequence) = sequence {
            self.pass_sequence(&sender, sequence);
        }
        self.take(slot);
        self.trim(&sender);
        Some(Origin::Sender(sender, sequence))
    }

    /// A committed block holds a transaction of this origin that is not here.
    pub(crate) fn commit_other(&mut self, origin: &Origin) {
        if let Origin::Sender(sender, sequence) = origin {
            sequence.inspect(|sequence| self.pass_sequence(sender, *sequence));
            self.trim(sender);
        }
    }

    /// Drops a transaction that the application no longer admits.
    pub(crate) fn refuse(&mut self, hash: &TxHash, refusal: Refusal) {
        if let Some(&slot) = self.by_hash.get(&hash.into()) {
            self.drop_tx(slot, refusal);
        }
    }

    /// What was dropped since the last call.
    pub(crate) fn take_dropped(&mut self) -> Vec<(TxHash, Refusal)> {
        std::mem::take(&mut self.dropped)
    }

    fn drop_tx(&mut self, slot: Slot, refusal: Refusal) {
        if let Some(sender) = self.let_go(slot, refusal) {
            self.trim(&sender);
        }
    }

    /// Drops a transaction. More may be held of its sender then than there is room for.
    fn let_go(&mut self, slot: Slot, refusal: Refusal) -> Option<Sender> {
        let Entry { hash, sender, names: sequence, priority, expiry_height, .. } = self.remove(slot);
        self.dropped.push((hash, refusal));
        self.admitted.insert(hash, Verdict { sender: sender.clone(), sequence, priority, expiry_height });
        sender
    }

    /// Removes an entry from every index. Those of its sender behind it are held from now on, if it was ready.
    fn remove(&mut self, slot: Slot) -> Entry {
        let key = Key::from(&self.entries[slot].hash);
        self.by_hash.remove(&key);
        self.take(slot)
    }

    /// As [`Self::remove`], of one that is found by its hash no longer.
    fn take(&mut self, slot: Slot) -> Entry {
        let entry = self.entries.remove(slot);
        self.used.sub(entry.bytes.len());
        if let Some(due) = entry.due {
            self.due.remove(&(due, entry.arrival));
        }
        match entry.rank {
            Some(rank) => _ = self.ready.remove(&rank),
            None => self.held.sub(entry.bytes.len()),
        }
        match &entry.sender {
            Some(sender) => self.leave_queue(sender, &entry),
            None => _ = self.nobodys.remove(&entry.arrival),
        }
        entry
    }

    fn leave_queue(&mut self, sender: &Sender, entry: &Entry) {
        let queue = self.senders.get_mut(sender).expect("a sender with a transaction has a queue");
        queue.used.sub(entry.bytes.len());
        match entry.sequence {
            Some(sequence) => {
                queue.ordered.remove(&sequence);
                if (queue.next..queue.ready_end).contains(&sequence) {
                    self.hold_from(sender, sequence);
                }
            }
            None => _ = queue.unordered.remove(&entry.arrival),
        }
        if self.senders[sender].used.txs == 0 {
            self.senders.remove(sender);
        }
    }
}

#[cfg(test)]
pub(crate) mod invariants;
