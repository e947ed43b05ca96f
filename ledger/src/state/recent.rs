//! Records that were read lately, so that a block which reads a record and then changes it goes to the files once.
//!
//! What lies at a place of the log never changes, so nothing here is ever out of date.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{log::Place, stored::Stored};

/// A block of some thousand transactions finds its records again; with what is usual in them it comes to 5 MB.
const SLOTS: usize = 1 << 15;
const SHARDS: usize = 16;
/// Longer records are not remembered.
const LONGEST_BYTES: u32 = 512;

type Shard = Vec<Option<(Place, Stored)>>;

/// A record has one slot, in which the last one read stays.
pub(super) struct Recent(Vec<Mutex<Shard>>);

impl Default for Recent {
    fn default() -> Self {
        Self((0..SHARDS).map(|_| Mutex::new(vec![None; SLOTS / SHARDS])).collect())
    }
}

impl Recent {
    /// The record at `place`, if it is remembered.
    pub(super) fn get(&self, place: Place) -> Option<Stored> {
        let (shard, slot) = self.slot(place);
        shard[slot].as_ref().filter(|(found, _)| *found == place).map(|(_, record)| record.clone())
    }

    /// Remembers a record that was read at `place` and found to be the one written there.
    pub(super) fn put(&self, place: Place, record: &Stored) {
        if place.len <= LONGEST_BYTES {
            let (mut shard, slot) = self.slot(place);
            shard[slot] = Some((place, record.clone()));
        }
    }

    fn slot(&self, place: Place) -> (MutexGuard<'_, Shard>, usize) {
        // Records are longer than 16 bytes, so two of one file part here.
        let n = (place.offset >> 4) as usize ^ (place.file as usize).wrapping_mul(0x9e37);
        let shard = &self.0[n % SHARDS];
        (shard.lock().unwrap_or_else(PoisonError::into_inner), n / SHARDS % (SLOTS / SHARDS))
    }
}
