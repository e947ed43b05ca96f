//! A store that notes what each write holds and how long it took, by what it was for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use althing_node::storage::{Batch, Entry, Store, StoreError, Table};
use serde::{Deserialize, Serialize};

/// What was done of one kind, and how long each of it took.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Done {
    /// Batches, or reads.
    pub count: u64,
    /// Keys in them.
    pub keys: u64,
    /// Bytes of keys and values.
    pub bytes: u64,
    /// All of it, in microseconds.
    pub us: u64,
    /// Half took at most this, in microseconds.
    pub p50_us: u64,
    /// Of a hundred one took longer.
    pub p99_us: u64,
    /// The longest.
    pub max_us: u64,
}

impl Done {
    /// From keys, bytes and nanoseconds of each.
    pub fn of(mut each: Vec<(u64, u64, u64)>) -> Self {
        each.sort_unstable_by_key(|(_, _, ns)| *ns);
        let sum = |part: fn(&(u64, u64, u64)) -> u64| each.iter().map(part).sum();
        let at = |hundredths: usize| {
            let index = (each.len() * hundredths).div_ceil(100).saturating_sub(1);
            each.get(index).map_or(0, |one| one.2 / 1_000)
        };
        Self {
            count: each.len() as u64,
            keys: sum(|one| one.0),
            bytes: sum(|one| one.1),
            us: sum(|one| one.2) / 1_000,
            p50_us: at(50),
            p99_us: at(99),
            max_us: at(100),
        }
    }

    /// Keys in a second.
    pub fn keys_per_second(&self) -> u64 {
        per_second(self.keys, self.us)
    }

    /// Megabytes in a second, of 1,000,000 bytes.
    pub fn mb_per_second(&self) -> u64 {
        per_second(self.bytes, self.us) / 1_000_000
    }
}

fn per_second(what: u64, us: u64) -> u64 {
    u64::try_from(u128::from(what) * 1_000_000 / u128::from(us.max(1))).unwrap_or(u64::MAX)
}

/// The notes of a store, and what it is used for now.
#[derive(Default)]
struct Notes {
    kind: &'static str,
    writes: BTreeMap<&'static str, Vec<(u64, u64, u64)>>,
}

/// A store behind which another one does the work.
pub(super) struct Measured {
    store: Arc<dyn Store>,
    notes: Mutex<Notes>,
}

impl Measured {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self { store, notes: Mutex::default() }
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the next writes are for.
    pub(super) fn now(&self, kind: &'static str) {
        self.notes().kind = kind;
    }

    /// All writes so far, by what they were for.
    pub(super) fn writes(&self) -> BTreeMap<String, Done> {
        let notes = self.notes();
        notes.writes.iter().map(|(kind, each)| ((*kind).to_owned(), Done::of(each.clone()))).collect()
    }
}

impl Store for Measured {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.store.get(table, key)
    }

    fn range(
        &self,
        table: Table,
        from: &[u8],
        to: &[u8],
        limit: usize,
        reverse: bool,
    ) -> Result<Vec<Entry>, StoreError> {
        self.store.range(table, from, to, limit, reverse)
    }

    fn write(&self, batch: Batch) -> Result<(), StoreError> {
        let keys = batch.len() as u64;
        let size = |(_, key, value): (Table, &[u8], Option<&[u8]>)| key.len() + value.map_or(0, <[u8]>::len);
        let bytes = batch.changes().map(size).sum::<usize>() as u64;
        let began = Instant::now();
        self.store.write(batch)?;
        let ns = nanos(began);
        let mut notes = self.notes();
        let kind = notes.kind;
        notes.writes.entry(kind).or_default().push((keys, bytes, ns));
        Ok(())
    }

    fn tears(&self) -> bool {
        self.store.tears()
    }
}

/// Nanoseconds since then.
pub(super) fn nanos(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_hundred_one_took_longer() {
        let done = Done::of((1..=100).rev().map(|us| (2, 10, us * 1_000)).collect());
        assert_eq!((done.count, done.keys, done.bytes, done.us), (100, 200, 1_000, 5_050));
        assert_eq!((done.p50_us, done.p99_us, done.max_us), (50, 99, 100));
        assert_eq!((done.keys_per_second(), done.mb_per_second()), (39_603, 0));
        let one = Done::of(vec![(1, 1, 7_000)]);
        assert_eq!((one.p50_us, one.p99_us, one.max_us), (7, 7, 7));
        assert_eq!(Done::of(Vec::new()).keys_per_second(), 0);
    }
}
