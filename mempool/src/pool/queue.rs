//! One sender's transactions and their place in the line of all.
//!
//! The line is fair between senders by start-time fair queuing: a transaction's *round* is one after that of the
//! sender's previous one, and a sender who had nothing ready joins at the round the line has come to. So a sender with
//! thousands pending gets its turns, and no other waits behind them. The line moves on by one round with every block
//! at least, so that no stream of newcomers can keep an older transaction waiting.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use althing_crypto::{TxHash, mutant};

use super::{Arrival, Pool, rules};
use crate::Sender;
use crate::rechecks::Group;
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
    pub(super) ordered: BTreeMap<u64, Arrival>,
    pub(super) unordered: BTreeSet<Arrival>,
    pub(super) used: Usage,
}

impl Queue {
    pub(super) fn new(next: u64) -> Self {
        Queue {
            next,
            ready_end: next,
            ordered: BTreeMap::new(),
            unordered: BTreeSet::new(),
            used: Usage::default(),
        }
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
        let mut end = queue.ready_end;
        let mut ready = Vec::new();
        for (sequence, arrival) in queue.ordered.range(end..) {
            if *sequence != end && !mutant!("gap_in_a_sequence_is_ready") {
                break;
            }
            ready.push(*arrival);
            end = sequence + 1; // No sequence is u64::MAX: `judge` refuses it.
        }
        if ready.is_empty() {
            return;
        }
        for arrival in ready {
            self.make_ready(arrival, ahead);
            ahead = Some(arrival);
        }
        self.queue_mut(sender).ready_end = end;
    }

    /// Puts a held transaction into the line, behind the sender's transaction `ahead`.
    pub(super) fn make_ready(&mut self, arrival: Arrival, ahead: Option<Arrival>) {
        let ahead = ahead.and_then(|ahead| self.entries[&ahead].rank);
        let entry = self.entries.get_mut(&arrival).expect("who becomes ready is in the pool");
        let mut rank = Rank { priority: Reverse(entry.priority), round: self.round, arrival };
        if let Some(ahead) = ahead {
            rank.round = rank.round.max(ahead.round + 1);
            // A low priority ahead delays those behind it: they cannot execute before it.
            if entry.sequence.is_some() {
                rank.priority = rank.priority.max(ahead.priority);
            }
        }
        entry.rank = Some(rank);
        self.held.sub(entry.bytes.len());
        self.ready.insert(rank, arrival);
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
        for (_, arrival) in senders[sender].ordered.range(from..to) {
            let entry = entries.get_mut(arrival).expect("a queue names entries of the pool");
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
            let used: Vec<Arrival> = self.senders[sender].ordered.range(..next).map(|(_, a)| *a).collect();
            for arrival in used {
                self.let_go(arrival, rules::used(self.entries[&arrival].sequence, next));
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
            let Some((_, &arrival)) = last.or_else(before) else { return };
            self.let_go(arrival, rules::no_room_behind(missing));
        }
    }

    /// What to check again when a block touched the group: the first in sequence, and all that need no order.
    pub(crate) fn to_recheck(&self, group: &Group) -> Vec<TxHash> {
        let (first, unordered) = match group {
            Some(sender) => {
                let Some(queue) = self.senders.get(sender) else { return Vec::new() };
                (queue.ordered.first_key_value().map(|(_, arrival)| arrival), &queue.unordered)
            }
            None => (None, &self.nobodys),
        };
        first.into_iter().chain(unordered).map(|arrival| self.entries[arrival].hash).collect()
    }

    /// The sender's first in sequence.
    pub(crate) fn first_ordered(&self, sender: &Sender) -> Option<TxHash> {
        let (_, arrival) = self.senders.get(sender)?.ordered.first_key_value()?;
        Some(self.entries[arrival].hash)
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
