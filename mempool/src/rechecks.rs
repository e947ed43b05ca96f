//! Which senders' transactions must be checked again, because a block changed what they rest on.
//!
//! Of each touched sender only the first transaction in sequence is asked for; if it falls, the next one is. So a block
//! costs as many re-checks as it has senders, however much they have pending, and a later transaction that no longer
//! applies is found when it becomes the first.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use althing_crypto::TxHash;

use crate::{Origin, Sender};

/// Whom the committed and not yet executed block of one height touches.
#[derive(Clone, Debug, Default, Hash)]
struct Touched {
    /// Its senders, with the sequences it holds of them.
    senders: BTreeMap<Sender, Vec<Range<u64>>>,
    /// It held a transaction whose sender this node never learnt.
    strangers: bool,
}

#[derive(Clone, Debug, Default, Hash)]
pub(crate) struct Rechecks {
    touched: BTreeMap<u64, Touched>,
    dirty: BTreeSet<Sender>,
    /// All senders are to become dirty once those that are now are done.
    sweep: bool,
    /// Asked and not answered, with the sender and the height that was executed then.
    asked: BTreeMap<TxHash, (Sender, u64)>,
}

impl Rechecks {
    /// The block of `height` holds a transaction of this origin.
    pub(crate) fn touch(&mut self, height: u64, origin: Origin) {
        let touched = self.touched.entry(height).or_default();
        match origin {
            Origin::Sender(sender, sequence) => {
                let ranges = touched.senders.entry(sender).or_default();
                match (ranges.last_mut(), sequence) {
                    (Some(last), Some(sequence)) if last.end == sequence => {
                        last.end = sequence.saturating_add(1)
                    }
                    (_, Some(sequence)) => ranges.push(sequence..sequence.saturating_add(1)),
                    (_, None) => {}
                }
            }
            Origin::Nobody => {}
            Origin::Unknown => touched.strangers = true,
        }
    }

    /// Whether a committed block that is not executed yet touches `sender`.
    pub(crate) fn awaits_execution(&self, sender: &Sender) -> bool {
        self.touched.values().any(|touched| touched.strangers || touched.senders.contains_key(sender))
    }

    /// The sender's next sequence after the committed blocks that are not executed yet, if it is `next` before them.
    pub(crate) fn next_after(&self, sender: &Sender, next: u64) -> u64 {
        let ranges = self.touched.values().filter_map(|touched| touched.senders.get(sender)).flatten();
        ranges.fold(next, |next, range| if range.contains(&next) { range.end } else { next })
    }

    /// The blocks up to `height` are executed: whom they touched is to be checked again.
    pub(crate) fn executed(&mut self, height: u64) {
        while let Some(first) = self.touched.first_entry()
            && *first.key() <= height
        {
            let touched = first.remove();
            self.dirty.extend(touched.senders.into_keys());
            self.sweep |= touched.strangers;
        }
    }

    pub(crate) fn again(&mut self, sender: Sender) {
        self.dirty.insert(sender);
    }

    /// The next sender to check again, while fewer than `max` answers are awaited. `all` lists the pool's senders.
    pub(crate) fn next_sender(
        &mut self,
        max: usize,
        all: impl FnOnce() -> BTreeSet<Sender>,
    ) -> Option<Sender> {
        if self.dirty.is_empty() && self.sweep {
            self.sweep = false;
            self.dirty = all();
        }
        if self.asked.len() < max.max(1) { self.dirty.pop_first() } else { None }
    }

    /// True if this is not asked for already.
    pub(crate) fn ask(&mut self, hash: TxHash, sender: &Sender, executed: u64) -> bool {
        let new = !self.asked.contains_key(&hash);
        if new {
            self.asked.insert(hash, (sender.clone(), executed));
        }
        new
    }

    /// Whose re-check this answers and which height was executed when it was asked, if it was.
    pub(crate) fn answered(&mut self, hash: &TxHash) -> Option<(Sender, u64)> {
        self.asked.remove(hash)
    }
}
