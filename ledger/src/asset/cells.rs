//! The records that a block has met: found by hash, as a transfer asks for the same few again and again.

use std::{
    hash::{BuildHasher, RandomState},
    ops::{Index, IndexMut},
};

use super::short::{Key, Value};
use crate::state::{Change, Found};

/// What a block knows of one key.
pub(super) struct Cell {
    key: Key,
    pub(super) value: Option<Value>,
    pub(super) state: CellState,
    /// Where the committed state has the record.
    found: Option<Found>,
}

/// What the value of a cell is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CellState {
    /// Nothing: nobody has asked yet.
    Unread,
    /// That of the committed state.
    Read,
    /// What the block made it.
    Changed,
}

/// The number of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CellId(u32);

/// Where a cell may be: the upper half of its key's hash, and its number from 1 on; 0 is nowhere.
type Slot = (u32, u32);

const FEWEST_SLOTS: usize = 16;

/// Cells by key, each in the place where it was first asked for.
#[derive(Default)]
pub(super) struct Cells {
    /// Drawn by each process for itself, so that nobody can choose keys that meet. The order of cells does not depend on it.
    hasher: RandomState,
    cells: Vec<Cell>,
    /// A power of two in number, at most half of them taken; a cell is in the first free slot from that of its hash on.
    slots: Vec<Slot>,
}

impl Cells {
    /// The cell of `key`, if there is one.
    pub(super) fn find(&self, key: &[u8]) -> Option<&Cell> {
        if self.slots.is_empty() {
            return None;
        }
        let hash = self.hasher.hash_one(key);
        self.slots[self.slot(hash, key)].1.checked_sub(1).map(|number| &self.cells[number as usize])
    }

    /// The cell of `key`, unread if it is new.
    pub(super) fn at(&mut self, key: &[u8]) -> CellId {
        self.reserve(1);
        let hash = self.hasher.hash_one(key);
        let slot = self.slot(hash, key);
        if let Some(number) = self.slots[slot].1.checked_sub(1) {
            return CellId(number);
        }
        let number = self.cells.len() as u32;
        self.slots[slot] = (upper(hash), number + 1);
        self.cells.push(Cell { key: Key::of(&[key]), value: None, state: CellState::Unread, found: None });
        CellId(number)
    }

    /// Notes what the committed state has of `key`.
    pub(super) fn note(&mut self, key: &[u8], record: Option<(Found, &[u8])>) {
        let at = self.at(key);
        let (found, value) = record.map(|(found, value)| (found, Value::of(&[value]))).unzip();
        let cell = &mut self[at];
        (cell.value, cell.state, cell.found) = (value, CellState::Read, found);
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
                (found, number) if found == upper(hash) && *self.cells[number as usize - 1].key == *key => {
                    return at;
                }
                _ => at = (at + 1) & mask,
            }
        }
    }

    /// All that was changed, in the order of the keys.
    pub(super) fn changed(&self) -> Vec<Change<'_>> {
        let changed = self.cells.iter().filter(|cell| cell.state == CellState::Changed);
        let mut changes: Vec<_> = changed.map(Cell::change).collect();
        // Stable, as that is fast where most are in order already: those that were fetched.
        changes.sort_by(|one, other| one.key.cmp(other.key));
        changes
    }
}

impl Index<CellId> for Cells {
    type Output = Cell;

    fn index(&self, CellId(number): CellId) -> &Cell {
        &self.cells[number as usize]
    }
}

impl IndexMut<CellId> for Cells {
    fn index_mut(&mut self, CellId(number): CellId) -> &mut Cell {
        &mut self.cells[number as usize]
    }
}

impl Cell {
    pub(super) fn key(&self) -> &[u8] {
        &self.key
    }

    fn change(&self) -> Change<'_> {
        Change { key: &self.key, value: self.value.as_deref(), found: self.found }
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
                let found = cells.find(&key).map(|cell| (cell.value.as_deref().map(<[u8]>::to_vec), cell.state));
                prop_assert_eq!(found.as_ref(), model.get(&key));
                let value = value.map(|byte| vec![byte]);
                let at = cells.at(&key);
                prop_assert_eq!(cells[at].key(), &*key);
                prop_assert_eq!(cells[at].state == CellState::Unread, found.is_none());
                let state = if changed { CellState::Changed } else { CellState::Read };
                (cells[at].value, cells[at].state) = (value.clone().map(Value::from), state);
                model.insert(key, (value, state));
            }
            let changed = cells.changed().into_iter().map(|one| (one.key.to_vec(), one.value.map(<[u8]>::to_vec)));
            let expected = model.into_iter().filter(|(_, (_, state))| *state == CellState::Changed);
            prop_assert!(changed.eq(expected.map(|(key, (value, _))| (key, value))));
        }
    }
}
