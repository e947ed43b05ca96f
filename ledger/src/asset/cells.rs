//! The records that a block has met: found by hash, as a transfer asks for the same few again and again.

use std::hash::{BuildHasher, RandomState};

use crate::state::Changes;

/// What a block knows of one key.
pub(super) struct Cell {
    key: Vec<u8>,
    pub(super) value: Option<Vec<u8>>,
    /// Whether the block changed it, or only read it.
    pub(super) changed: bool,
}

/// Where a cell may be: the upper half of its key's hash, and its number from 1 on; 0 is nowhere.
type Slot = (u32, u32);

const FEWEST_SLOTS: usize = 16;

/// Cells by key, each in the place where it was first set.
#[derive(Default)]
pub(super) struct Cells {
    /// Drawn by each process for itself, so that nobody can choose keys that meet. The order of cells does not depend on it.
    hasher: RandomState,
    cells: Vec<Cell>,
    /// A power of two in number, at most half of them taken; a cell is in the first free slot from that of its hash on.
    slots: Vec<Slot>,
}

impl Cells {
    /// What is known of `key`.
    pub(super) fn get(&self, key: &[u8]) -> Option<&Cell> {
        if self.slots.is_empty() {
            return None;
        }
        let hash = self.hasher.hash_one(key);
        self.slots[self.slot(hash, key)].1.checked_sub(1).map(|number| &self.cells[number as usize])
    }

    /// Makes this known of `key`.
    pub(super) fn set(&mut self, key: Vec<u8>, value: Option<Vec<u8>>, changed: bool) {
        self.reserve(1);
        let hash = self.hasher.hash_one(&*key);
        let slot = self.slot(hash, &key);
        let cell = Cell { key, value, changed };
        match self.slots[slot].1.checked_sub(1) {
            Some(number) => self.cells[number as usize] = cell,
            None => {
                self.cells.push(cell);
                self.slots[slot] = (upper(hash), self.cells.len() as u32);
            }
        }
    }

    /// Makes room for so many more.
    pub(super) fn reserve(&mut self, more: usize) {
        let needed = 2 * (self.cells.len() + more);
        if needed <= self.slots.len() {
            return;
        }
        self.cells.reserve(more);
        self.slots = vec![(0, 0); needed.next_power_of_two().max(FEWEST_SLOTS)];
        for (cell, number) in self.cells.iter().zip(1..) {
            let hash = self.hasher.hash_one(&*cell.key);
            let slot = self.slot(hash, &cell.key);
            self.slots[slot] = (upper(hash), number);
        }
    }

    /// The slot of `key`, or the free one where it belongs.
    fn slot(&self, hash: u64, key: &[u8]) -> usize {
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            match self.slots[at] {
                (_, 0) => return at,
                (found, number) if found == upper(hash) && self.cells[number as usize - 1].key == key => {
                    return at;
                }
                _ => at = (at + 1) & mask,
            }
        }
    }

    /// All that was changed.
    pub(super) fn into_changed(self) -> Changes {
        let changed = self.cells.into_iter().filter(|cell| cell.changed);
        changed.map(|cell| (cell.key, cell.value)).collect()
    }
}

fn upper(hash: u64) -> u32 {
    (hash >> 32) as u32
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::{collection::vec, prelude::*};

    use super::*;

    proptest! {
        #[test]
        fn cells_are_a_map(program in vec((vec(0u8..3, 0..5), prop::option::of(any::<u8>()), any::<bool>()), 0..300)) {
            let (mut cells, mut model) = (Cells::default(), BTreeMap::new());
            for (key, value, changed) in program {
                let found = cells.get(&key).map(|cell| (cell.value.clone(), cell.changed));
                prop_assert_eq!(found.as_ref(), model.get(&key));
                let value = value.map(|byte| vec![byte]);
                cells.set(key.clone(), value.clone(), changed);
                model.insert(key, (value, changed));
            }
            let changed = model.into_iter().filter(|(_, (_, changed))| *changed);
            prop_assert_eq!(cells.into_changed(), changed.map(|(key, (value, _))| (key, value)).collect());
        }
    }
}
