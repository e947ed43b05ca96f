//! Which transactions must be checked again, because a block changed what they rest on.
//!
//! Of each touched sender only the first transaction in sequence is asked for; if it falls, the next one is. So a block
//! costs as many re-checks as it has senders, however much they have pending, and a later transaction that no longer
//! applies is found when it becomes the first. Those without a sender may rest on anything: a block that holds one has
//! all of them checked again, in the order in which they came and before what comes later.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

use althing_crypto::TxHash;

use crate::key::Key;
use crate::map::{Map, Seed};
use crate::sender::{Origin, Sender};

/// What is checked again together: the transactions of a sender, or all that have none.
pub(crate) type Group = Option<Sender>;

/// Whom the committed and not yet executed block of one height touches.
#[derive(Clone, Debug, Default, Hash)]
struct Touched {
    /// Its senders, each once, in the order of their first transactions.
    senders: Vec<Sender>,
    /// It holds a transaction without a sender.
    nobody: bool,
    /// It holds a transaction whose sender this node never learnt.
    strangers: bool,
}

/// Sequences of a sender that follow one another in the block of one height; empty if it holds others of the sender.
#[derive(Clone, Debug, Hash)]
struct Run {
    height: u64,
    sequences: Range<u64>,
}

#[derive(Clone, Debug, Hash)]
pub(crate) struct Rechecks {
    touched: BTreeMap<u64, Touched>,
    /// What those blocks hold of each sender, by height.
    runs: Map<Sender, Vec<Run>>,
    /// Nobody's are dirty.
    nobodys: bool,
    /// Senders to be checked again, each once, in the order in which they became dirty.
    dirty: VecDeque<Sender>,
    is_dirty: Map<Sender, ()>,
    /// All groups are to become dirty once those that are now are done.
    sweep: bool,
    /// Asked and not answered, with the group and the height that was executed then.
    asked: Map<Key, (Group, u64)>,
}

impl Rechecks {
    pub(crate) fn new(seed: Seed) -> Self {
        Rechecks {
            touched: BTreeMap::new(),
            runs: Map::new(seed),
            nobodys: false,
            dirty: VecDeque::new(),
            is_dirty: Map::new(seed),
            sweep: false,
            asked: Map::new(seed),
        }
    }

    /// The block of `height` holds a transaction of this origin.
    pub(crate) fn touch(&mut self, height: u64, origin: Origin) {
        let touched = self.touched.entry(height).or_default();
        let (sender, sequence) = match origin {
            Origin::Sender(sender, sequence) => (sender, sequence),
            Origin::Nobody => return touched.nobody = true,
            Origin::Unknown => return touched.strangers = true,
        };
        let runs = self.runs.or_insert_with(sender.clone(), Vec::new);
        let end = runs.partition_point(|run| run.height <= height);
        let last = runs[..end].last_mut().filter(|run| run.height == height);
        if last.is_none() {
            touched.senders.push(sender);
        }
        match (last, sequence) {
            (Some(last), Some(sequence)) if last.sequences.end == sequence => {
                last.sequences.end = sequence.saturating_add(1);
            }
            (Some(_), None) => {}
            (_, sequence) => {
                let sequences = sequence.map_or(0..0, |sequence| sequence..sequence.saturating_add(1));
                runs.insert(end, Run { height, sequences });
            }
        }
    }

    /// Whether a committed block that is not executed yet touches `sender`.
    pub(crate) fn awaits_execution(&self, sender: &Sender) -> bool {
        self.runs.contains(sender) || self.touched.values().any(|touched| touched.strangers)
    }

    /// The sender's next sequence after the committed blocks that are not executed yet, if it is `next` before them.
    pub(crate) fn next_after(&self, sender: &Sender, next: u64) -> u64 {
        let runs = self.runs.get(sender).into_iter().flatten();
        runs.fold(
            next,
            |next, Run { sequences, .. }| if sequences.contains(&next) { sequences.end } else { next },
        )
    }

    /// The blocks up to `height` are executed: whom they touched is to be checked again.
    pub(crate) fn executed(&mut self, height: u64) {
        while let Some(first) = self.touched.first_entry()
            && *first.key() <= height
        {
            let (height, touched) = first.remove_entry();
            self.nobodys |= touched.nobody;
            self.sweep |= touched.strangers;
            for sender in touched.senders {
                let runs = self.runs.get_mut(&sender).expect("who is touched has runs");
                runs.retain(|run| run.height != height);
                if runs.is_empty() {
                    self.runs.remove(&sender);
                }
                self.sender_again(sender);
            }
        }
    }

    pub(crate) fn again(&mut self, group: Group) {
        match group {
            Some(sender) => self.sender_again(sender),
            None => self.nobodys = true,
        }
    }

    fn sender_again(&mut self, sender: Sender) {
        if self.is_dirty.insert(sender.clone(), ()).is_none() {
            self.dirty.push_back(sender);
        }
    }

    /// The next group to check again: nobody's, or while fewer than `max` answers are awaited any. `all` lists the pool's senders.
    pub(crate) fn next_group(&mut self, max: usize, all: impl FnOnce() -> Vec<Sender>) -> Option<Group> {
        if self.sweep && !self.nobodys && self.dirty.is_empty() {
            (self.sweep, self.nobodys) = (false, true);
            all().into_iter().for_each(|sender| self.sender_again(sender));
        }
        // Nobody's do not wait; those that are asked for already are not asked again.
        if std::mem::take(&mut self.nobodys) {
            return Some(None);
        }
        let sender = if self.asked.len() < max.max(1) { self.dirty.pop_front()? } else { return None };
        self.is_dirty.remove(&sender);
        Some(Some(sender))
    }

    /// True if this is not asked for already.
    pub(crate) fn ask(&mut self, hash: TxHash, group: &Group, executed: u64) -> bool {
        let key = Key::from(&hash);
        let new = !self.asked.contains(&key);
        if new {
            self.asked.insert(key, (group.clone(), executed));
        }
        new
    }

    /// Which group's re-check this answers and which height was executed when it was asked, if it was.
    pub(crate) fn answered(&mut self, hash: &TxHash) -> Option<(Group, u64)> {
        self.asked.remove(&hash.into())
    }
}
