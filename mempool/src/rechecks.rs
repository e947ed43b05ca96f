//! Which transactions must be checked again, because a block changed what they rest on.
//!
//! Of each touched sender only the first transaction in sequence is asked for; if it falls, the next one is. So a block
//! costs as many re-checks as it has senders, however much they have pending, and a later transaction that no longer
//! applies is found when it becomes the first. Those without a sender may rest on anything: a block that holds one has
//! all of them checked again, in the order in which they came and before what comes later.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use althing_crypto::TxHash;

use crate::{Origin, Sender};

/// What is checked again together: the transactions of a sender, or all that have none.
pub(crate) type Group = Option<Sender>;

/// Whom the committed and not yet executed block of one height touches.
#[derive(Clone, Debug, Default, Hash)]
struct Touched {
    /// Its senders, with the sequences it holds of them.
    senders: BTreeMap<Sender, Vec<Range<u64>>>,
    /// It holds a transaction without a sender.
    nobody: bool,
    /// It holds a transaction whose sender this node never learnt.
    strangers: bool,
}

#[derive(Clone, Debug, Default, Hash)]
pub(crate) struct Rechecks {
    touched: BTreeMap<u64, Touched>,
    dirty: BTreeSet<Group>,
    /// All groups are to become dirty once those that are now are done.
    sweep: bool,
    /// Asked and not answered, with the group and the height that was executed then.
    asked: BTreeMap<TxHash, (Group, u64)>,
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
            Origin::Nobody => touched.nobody = true,
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
            self.dirty.extend(touched.nobody.then_some(None));
            self.dirty.extend(touched.senders.into_keys().map(Some));
            self.sweep |= touched.strangers;
        }
    }

    pub(crate) fn again(&mut self, group: Group) {
        self.dirty.insert(group);
    }

    /// The next group to check again: nobody's, or while fewer than `max` answers are awaited any. `all` lists the pool's groups.
    pub(crate) fn next_group(&mut self, max: usize, all: impl FnOnce() -> BTreeSet<Group>) -> Option<Group> {
        if self.dirty.is_empty() && self.sweep {
            self.sweep = false;
            self.dirty = all();
        }
        // Nobody's do not wait: it is the first group, and those of it that are asked for already are not asked again.
        let nobodys = self.dirty.first() == Some(&None);
        if nobodys || self.asked.len() < max.max(1) { self.dirty.pop_first() } else { None }
    }

    /// True if this is not asked for already.
    pub(crate) fn ask(&mut self, hash: TxHash, group: &Group, executed: u64) -> bool {
        let new = !self.asked.contains_key(&hash);
        if new {
            self.asked.insert(hash, (group.clone(), executed));
        }
        new
    }

    /// Which group's re-check this answers and which height was executed when it was asked, if it was.
    pub(crate) fn answered(&mut self, hash: &TxHash) -> Option<(Group, u64)> {
        self.asked.remove(hash)
    }
}
