//! Where the entries lie: each in a slot that is its own until it leaves.

use std::ops::{Index, IndexMut};

use super::Entry;

/// The place of an entry. Used again after the entry has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Slot(usize);

/// All slots. There are never more than there were entries at once, which [`Limits::max_txs`](crate::Limits) bounds.
#[derive(Clone, Debug, Default, Hash)]
pub(super) struct Slab {
    slots: Vec<Option<Entry>>,
    free: Vec<Slot>,
}

impl Slab {
    pub(super) fn insert(&mut self, entry: Entry) -> Slot {
        match self.free.pop() {
            Some(slot) => {
                self.slots[slot.0] = Some(entry);
                slot
            }
            None => {
                self.slots.push(Some(entry));
                Slot(self.slots.len() - 1)
            }
        }
    }

    pub(super) fn remove(&mut self, slot: Slot) -> Entry {
        let entry = self.slots[slot.0].take().expect("what is removed is in the pool");
        self.free.push(slot);
        entry
    }

    /// In no order that means anything.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Slot, &Entry)> {
        self.slots.iter().enumerate().filter_map(|(n, entry)| Some((Slot(n), entry.as_ref()?)))
    }
}

impl Index<Slot> for Slab {
    type Output = Entry;

    fn index(&self, slot: Slot) -> &Entry {
        self.slots[slot.0].as_ref().expect("an index names entries of the pool")
    }
}

impl IndexMut<Slot> for Slab {
    fn index_mut(&mut self, slot: Slot) -> &mut Entry {
        self.slots[slot.0].as_mut().expect("an index names entries of the pool")
    }
}
