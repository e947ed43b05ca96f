//! All runs of a chain, of which the oldest are the longest, and what is under way among them.
//!
//! Every change goes in the same batch as the block's results, or as the removal of old blocks. Whoever reads goes by the list that was
//! newest when it began; whoever misses a chunk that was merged or pruned away meanwhile begins again with the next one.
//!
//! A merge under way is not remembered: after a restart it begins anew. What it wrote, and the chunks of runs that are gone, stand in the
//! store as *going* until they are deleted, so that nothing is left behind.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use althing_consensus::Height;

use super::merge::{Merge, RUNS};
use super::run::{Entries, Heights, Run, Writer, chunk_key, most_chunks, stored};
use super::{GOING, RUN, run_key};
use crate::storage::chain_store::corrupt;
use crate::storage::{Batch, Store, StoreError, Table};

/// A merge goes on by so many times the bytes of the new block's entries, so that it is done before the next one is due,
const PACE: u64 = 3;
/// and by so many at least, so that those of small blocks are done at once.
const LEAST_BYTES: u64 = 32 << 10;
/// A merged run has so many hashes of transactions at most: what is known of it is written at once, with the results of a block, and for so
/// many that is 12 MiB of filter. So a run with an eighth of it, 524,288, is *long*, and stays as it is: 10 million transactions lie in 20 of
/// them at most (in 5 of blocks of 500, in 10 of blocks of 2,000), beside up to seven short ones of each level.
const MOST_HASHES: u64 = 1 << 22;
/// Chunks deleted with a block, beyond as many as it wrote.
const DELETED_AT_ONCE: usize = 16;
/// Runs read at once when the chain is opened: of as many there are the encoded filters in memory, too.
const READ_AT_ONCE: usize = 4;

/// The runs, ascending.
pub(super) type List = Vec<Arc<Run>>;

/// See the [module](self).
#[derive(Default)]
pub(in super::super) struct Runs {
    /// `None` until it is read from the store.
    state: Mutex<Option<State>>,
    shown: Mutex<Option<Arc<List>>>,
}

impl Runs {
    /// The newest list.
    pub(super) fn list(&self, store: &dyn Store) -> Result<Arc<List>, StoreError> {
        if let Some(list) = &*lock(&self.shown) {
            return Ok(list.clone());
        }
        let mut state = lock(&self.state);
        if state.is_none() {
            *state = Some(State::read(store)?);
        }
        let list = Arc::new(state.as_ref().map(|state| state.runs.clone()).unwrap_or_default());
        *lock(&self.shown) = Some(list.clone());
        Ok(list)
    }

    /// Asks the newest list, and a newer one if what it named had gone.
    pub(super) fn ask<T>(
        &self,
        store: &dyn Store,
        mut question: impl FnMut(&List) -> Result<Option<T>, StoreError>,
    ) -> Result<T, StoreError> {
        let mut list = self.list(store)?;
        loop {
            if let Some(answer) = question(&list)? {
                return Ok(answer);
            }
            // What is being written is shown once it is.
            drop(lock(&self.state));
            let newer = self.list(store)?;
            if Arc::ptr_eq(&newer, &list) {
                return Err(corrupt("the index lacks a chunk"));
            }
            list = newer;
        }
    }

    /// Writes the batch with a change of the runs.
    pub(super) fn write(
        &self,
        store: &dyn Store,
        mut batch: Batch,
        change: impl FnOnce(&mut State, &mut Batch) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut slot = lock(&self.state);
        // After an error what counts is what the store holds.
        let mut state = match slot.take() {
            Some(state) => state,
            None => State::read(store)?,
        };
        change(&mut state, &mut batch)?;
        store.write(batch)?;
        *lock(&self.shown) = Some(Arc::new(state.runs.clone()));
        *slot = Some(state);
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Chunks that nobody needs.
struct Going {
    heights: Heights,
    /// Those from here
    next: u32,
    /// to below here, at most.
    end: u32,
}

/// The runs, and what is under way.
pub(super) struct State {
    runs: List,
    /// By the level of what they merge.
    merges: BTreeMap<u8, Merge>,
    going: VecDeque<Going>,
}

impl State {
    fn read(store: &dyn Store) -> Result<Self, StoreError> {
        let runs: List = all(store, RUN, |key, value| Ok(Arc::new(stored(key, value)?)))?;
        let follows = |two: &[Arc<Run>]| {
            two[0].heights.to < two[1].heights.from
                && (two[0].summary.level >= two[1].summary.level || is_long(&two[0]))
        };
        if !runs.windows(2).all(follows) {
            return Err(corrupt("runs of the index overlap, or are in no order"));
        }
        let going = all(store, GOING, |key, value| {
            let end = value.try_into().map_err(|_| corrupt("a number of chunks is malformed"))?;
            Ok(Going { heights: Heights::read(&key[1..])?, next: 0, end: u32::from_be_bytes(end) })
        })?;
        Ok(Self { runs, merges: BTreeMap::new(), going })
    }

    /// Adds the entries of a block, and goes on with what is under way.
    pub(super) fn add(
        &mut self,
        store: &dyn Store,
        batch: &mut Batch,
        height: Height,
        entries: &Entries,
    ) -> Result<(), StoreError> {
        let written = batch.len();
        let bytes = entries.len();
        // The longest first and the new one last: nothing is read that is not in the store yet.
        for level in (0..=self.runs.iter().map(|run| run.summary.level).max().unwrap_or(0)).rev() {
            self.merge(store, batch, level, LEAST_BYTES.max(PACE * bytes))?;
        }
        if bytes > 0 {
            let mut run = Writer::new(Heights { from: height, to: height }, 0, bytes, entries.hashes);
            entries.iter().for_each(|entry| run.put(batch, entry));
            self.runs.push(Arc::new(run.end(batch)));
        }
        self.delete(batch, DELETED_AT_ONCE + batch.len() - written);
        Ok(())
    }

    /// Begins a merge of this level, if one is due, and goes on with it.
    fn merge(
        &mut self,
        store: &dyn Store,
        batch: &mut Batch,
        level: u8,
        bytes: u64,
    ) -> Result<(), StoreError> {
        if !self.merges.contains_key(&level) {
            let Some(due) = due(&self.runs, level) else { return Ok(()) };
            let merge = Merge::new(due, level.saturating_add(1));
            let heights = merge.heights();
            // The same merge that a restart cut short writes the same chunks.
            self.going.retain(|going| going.heights != heights);
            batch.put(Table::Index, going_key(heights), most_chunks(merge.bytes()).to_be_bytes());
            self.merges.insert(level, merge);
        }
        let merge = self.merges.get_mut(&level).expect("there is one");
        // After large blocks it is done in time for the next one, too, if only small ones come.
        let until_next = (RUNS as u64).saturating_pow(u32::from(level) + 1);
        let least = merge.bytes().div_ceil(until_next).saturating_mul(2);
        if !merge.step(store, batch, bytes.max(least))? {
            return Ok(());
        }
        let merge = self.merges.remove(&level).expect("there is one");
        let inputs: List = merge.inputs().to_vec();
        let heights = merge.heights();
        let at = self.runs.partition_point(|run| run.heights < inputs[0].heights);
        let merged = Arc::new(merge.end(batch));
        self.runs.splice(at..at + inputs.len(), [merged]);
        for input in &inputs {
            self.let_go(batch, input);
        }
        batch.delete(Table::Index, going_key(heights));
        Ok(())
    }

    /// Forgets all runs that end below this height, and goes on with what is under way.
    pub(super) fn forget_below(&mut self, batch: &mut Batch, height: Height) {
        let kept = self.runs.partition_point(|run| run.heights.to < height);
        let gone: List = self.runs.drain(..kept).collect();
        for run in &gone {
            let merges = |merge: &Merge| merge.inputs().iter().any(|input| Arc::ptr_eq(input, run));
            let ended = self.merges.iter().find(|(_, merge)| merges(merge)).map(|(level, _)| *level);
            if let Some(merge) = ended.and_then(|level| self.merges.remove(&level)) {
                // Before a restart it may have written more than since.
                self.going.push_back(Going {
                    heights: merge.heights(),
                    next: 0,
                    end: most_chunks(merge.bytes()),
                });
            }
            self.let_go(batch, run);
        }
        self.delete(batch, DELETED_AT_ONCE);
    }

    /// A run that is in the list no longer goes.
    fn let_go(&mut self, batch: &mut Batch, run: &Run) {
        let end = u32::try_from(run.chunks()).unwrap_or(u32::MAX);
        batch.delete(Table::Index, run_key(run.heights));
        batch.put(Table::Index, going_key(run.heights), end.to_be_bytes());
        self.going.push_back(Going { heights: run.heights, next: 0, end });
    }

    /// Deletes some of the chunks that go.
    fn delete(&mut self, batch: &mut Batch, mut count: usize) {
        while count > 0
            && let Some(going) = self.going.front_mut()
        {
            if going.next < going.end {
                batch.delete(Table::Index, chunk_key(going.heights, going.next as usize));
                (going.next, count) = (going.next + 1, count - 1);
                continue;
            }
            batch.delete(Table::Index, going_key(going.heights));
            self.going.pop_front();
        }
    }
}

/// Whether it is not merged any more.
fn is_long(run: &Run) -> bool {
    run.summary.hashes > MOST_HASHES / RUNS as u64
}

/// The oldest runs of a level that can be merged: next to one another, as none covers heights of another, and none of them long. What
/// long ones have between them goes on by itself, else one that is too long to be merged would keep all later ones of its level apart.
fn due(runs: &[Arc<Run>], level: u8) -> Option<&[Arc<Run>]> {
    runs.windows(RUNS).find(|some| some.iter().all(|run| run.summary.level == level && !is_long(run)))
}

fn going_key(heights: Heights) -> Vec<u8> {
    [&[GOING][..], &heights.bytes()].concat()
}

/// What every entry of the table is read as whose key begins with this byte.
fn all<T, C: Default + Extend<T>>(
    store: &dyn Store,
    tag: u8,
    read: impl Fn(&[u8], &[u8]) -> Result<T, StoreError>,
) -> Result<C, StoreError> {
    let (mut found, mut from) = (C::default(), vec![tag]);
    loop {
        let some = store.range(Table::Index, &from, &[tag + 1], READ_AT_ONCE, false)?;
        for (key, value) in &some {
            found.extend([read(key, value)?]);
        }
        match some.last() {
            Some((last, _)) if some.len() == READ_AT_ONCE => from = [&last[..], &[0]].concat(),
            _ => return Ok(found),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs of these levels and so many hashes, next to one another.
    fn runs(all: &[(u8, u64)]) -> List {
        let run = |(height, (level, hashes)): (u64, &(u8, u64))| {
            let height = Height(height);
            let mut run =
                Writer::new(Heights { from: height, to: height }, *level, 0, 0).end(&mut Batch::new());
            run.summary.hashes = *hashes;
            Arc::new(run)
        };
        (1..).zip(all).map(run).collect()
    }

    #[test]
    fn the_oldest_runs_are_due_and_long_ones_keep_nobody_from_it() {
        const LONG: u64 = MOST_HASHES / RUNS as u64 + 1;
        let first = |all: &[(u8, u64)], level| due(&runs(all), level).map(|due| due[0].heights.from.0);
        let short = [(1, LONG - 1); RUNS];
        assert_eq!(first(&short[1..], 1), None, "too few");
        assert_eq!((first(&short, 1), first(&short, 0), first(&short, 2)), (Some(1), None, None));
        assert_eq!(first(&[&[(2, 9)][..], &short, &short].concat(), 1), Some(2), "the oldest");
        assert_eq!(first(&[(1, LONG); RUNS], 1), None, "they stay");
        let behind_long = [&[(1, LONG); RUNS][..], &short].concat();
        assert_eq!(first(&behind_long, 1), Some(RUNS as u64 + 1));
        let apart = [&short[..3], &[(1, LONG)], &short[3..]].concat();
        assert_eq!(first(&apart, 1), None, "not next to one another");
        let most: u64 = short.iter().map(|(_, hashes)| hashes).sum();
        assert!(most <= MOST_HASHES);
    }
}
