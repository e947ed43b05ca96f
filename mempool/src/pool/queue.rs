//! One sender's transactions and their place in the line of all.
//!
//! The line is fair between senders by start-time fair queuing: a transaction's *round* is one after that of the
//! sender's previous one, and a sender who had nothing ready joins at the round the line has come to. So a sender with
//! thousands pending gets its turns, and no other waits behind them. The line moves on by one round with every block
//! at least, so that no stream of newcomers can keep an older transaction waiting.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use althing_crypto::{TxHash, mutant};

use super::slab::Slot;
use super::{Arrival, Entry, Pool, rules};
use crate::rechecks::Group;
use crate::sender::Sender;
use crate::usage::Usage;

/// Where a ready transaction stands in the line: by priority, then round, then arrival. Along a sender's sequence ranks
/// only grow, so that the line holds each sender's transactions in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Rank {
    priority: Reverse<u64>,
    round: u64,
    arrival: Arrival,
}

/// One sender's transactions.
#[derive(Clone, Debug, Hash)]
pub(super) struct Queue {
    /// The next sequence as far as executed state and committed blocks tell.
    pub(super) next: u64,
    /// The first sequence that is missing. All in `next..ready_end` are in the pool and ready.
    pub(super) ready_end: u64,
    pub(super) ordered: BTreeMap<u64, Slot>,
    pub(super) unordered: BTreeMap<Arrival, Slot>,
    pub(super) used: Usage,
}

impl Queue {
    pub(super) fn new(next: u64) -> Self {
        Queue {
            next,
            ready_end: next,
            ordered: BTreeMap::new(),
            unordered: BTreeMap::new(),
            used: Usage::default(),
        }
    }

    /// The held transaction that follows the ready ones without a gap, with its sequence.
    fn following(&self) -> Option<(u64, Slot)> {
        let (&sequence, &slot) = self.ordered.range(self.ready_end..).next()?;
        (sequence == self.ready_end || mutant!("gap_in_a_sequence_is_ready")).then_some((sequence, slot))
    }
}

impl Pool {
    /// Makes ready what follows without a gap.
    pub(super) fn promote(&mut self, sender: &Sender) {
        let Some(queue) = self.senders.get(sender) else { return };
        let mut ahead = None;
        if queue.ready_end > queue.next {
            ahead = queue.ordered.get(&(queue.ready_end - 1)).copied();
        }
        while let Some((sequence, slot)) = self.senders[sender].following() {
            self.make_ready(slot, ahead);
            ahead = Some(slot);
            self.queue_mut(sender).ready_end = sequence + 1; // No sequence is u64::MAX: `judge` refuses it.
        }
    }

    /// Puts a held transaction into the line, behind the sender's transaction `ahead`.
    pub(super) fn make_ready(&mut self, slot: Slot, ahead: Option<Slot>) {
        let ahead = ahead.and_then(|ahead| self.entries[ahead].rank);
        let entry = &mut self.entries[slot];
        let mut rank = Rank { priority: Reverse(entry.priority), round: self.round, arrival: entry.arrival };
        if let Some(ahead) = ahead {
            rank.round = rank.round.max(ahead.round + 1);
            // A low priority ahead delays those behind it: they cannot execute before it.
            if entry.sequence.is_some() {
                rank.priority = rank.priority.max(ahead.priority);
            }
        }
        entry.rank = Some(rank);
        self.held.sub(entry.bytes.len());
        self.ready.insert(rank, slot);
    }

    /// Takes the sender's ready transactions from `sequence` on out of the line.
    pub(super) fn hold_from(&mut self, sender: &Sender, sequence: u64) {
        let end = self.senders[sender].ready_end;
        self.hold(sender, sequence, end);
        self.queue_mut(sender).ready_end = sequence;
    }

    fn hold(&mut self, sender: &Sender, from: u64, to: u64) {
        let Pool { senders, entries, ready, held, .. } = self;
        if from >= to {
            return;
        }
        for (_, slot) in senders[sender].ordered.range(from..to) {
            let entry = &mut entries[*slot];
            if let Some(rank) = entry.rank.take() {
                ready.remove(&rank);
                held.add(entry.bytes.len());
            }
        }
    }

    /// A committed block holds the sender's `sequence`. If that was the next, the one after it is now. Any other did
    /// not execute, or cannot be told: what the application says after execution decides.
    pub(super) fn pass_sequence(&mut self, sender: &Sender, sequence: u64) {
        if self.senders.get(sender).is_some_and(|queue| queue.next == sequence) {
            self.set_next(sender, sequence.saturating_add(1));
        }
    }

    /// The application told the sender's next sequence. If that is `exact`, no committed block that it did not see
    /// touches the sender, and what lies before can never execute; otherwise it can only be behind what is known here.
    pub(crate) fn learn_next(&mut self, sender: &Sender, next: u64, exact: bool) {
        let Some(queue) = self.senders.get(sender) else { return };
        let next = if exact { next } else { next.max(queue.next) };
        if next == queue.next && queue.ordered.first_key_value().is_none_or(|(first, _)| *first >= next) {
            return;
        }
        self.set_next(sender, next);
        if exact {
            let used: Vec<Slot> = self.senders[sender].ordered.range(..next).map(|(_, slot)| *slot).collect();
            for slot in used {
                self.let_go(slot, rules::used(self.entries[slot].sequence, next));
            }
        }
        self.trim(sender);
    }

    fn set_next(&mut self, sender: &Sender, next: u64) {
        let Queue { next: before, ready_end, .. } = self.senders[sender];
        if next == before {
            return;
        }
        if next > before {
            self.hold(sender, before, next.min(ready_end));
            self.queue_mut(sender).ready_end = next.max(ready_end);
        } else {
            self.hold_from(sender, before);
            self.queue_mut(sender).ready_end = next;
        }
        self.queue_mut(sender).next = next;
        self.promote(sender);
    }

    /// Keeps what is held within its bounds after a sender's transactions came to be held: the last of them go. Those before its next
    /// sequence, of which a block holds others, come last: if that one failed, they may still execute.
    pub(super) fn trim(&mut self, sender: &Sender) {
        let limits = &self.limits;
        let (max_txs, max_bytes) = (limits.max_held_txs, limits.max_held_bytes);
        while self.held.txs > max_txs || self.held.bytes > max_bytes {
            let Some(queue) = self.senders.get(sender) else { return };
            let missing = queue.ready_end;
            let last = queue.ordered.range(missing..).next_back();
            let before = || queue.ordered.range(..queue.next).next_back();
            let Some((_, &slot)) = last.or_else(before) else { return };
            self.let_go(slot, rules::no_room_behind(missing));
        }
    }

    /// What to check again when a block touched the group: the first in sequence, and all that need no order.
    pub(crate) fn to_recheck(&self, group: &Group) -> impl Iterator<Item = &Entry> {
        let queue = group.as_ref().and_then(|sender| self.senders.get(sender));
        let first = queue.and_then(|queue| queue.ordered.first_key_value()).map(|(_, slot)| slot);
        let unordered = match group {
            Some(_) => queue.map(|queue| &queue.unordered),
            None => Some(&self.nobodys),
        };
        let slots = first.into_iter().chain(unordered.into_iter().flat_map(BTreeMap::values));
        slots.map(|slot| &self.entries[*slot])
    }

    /// The sender's first in sequence.
    pub(crate) fn first_ordered(&self, sender: &Sender) -> Option<TxHash> {
        let (_, slot) = self.senders.get(sender)?.ordered.first_key_value()?;
        Some(self.entries[*slot].hash)
    }

    /// A block with transactions went by: the line moves on.
    pub(crate) fn pass_round(&mut self) {
        let first = self.ready.first_key_value().map_or(0, |(rank, _)| rank.round);
        self.round = (self.round + 1).max(first);
    }

    fn queue_mut(&mut self, sender: &Sender) -> &mut Queue {
        self.senders.get_mut(sender).expect("the caller found the sender's queue")
    }
}
