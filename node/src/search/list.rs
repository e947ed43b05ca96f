//! The entries of one term, some at a time.

use std::collections::VecDeque;

use althing_consensus::Height;

use super::Direction;
use crate::storage::{ChainStore, Places, StoreError, Term};

/// Entries read at once: first few, as the next height may be far away, then more.
const FETCH: (usize, usize) = (4, 64);
/// Where entries have so many places, few are kept in memory.
const MANY_PLACES: usize = 1_000;

#[derive(Debug)]
pub(super) struct List {
    term: Term,
    direction: Direction,
    /// Read ahead.
    entries: VecDeque<(Height, Places)>,
    fetch: usize,
}

impl List {
    pub(super) fn new(term: Term, direction: Direction) -> Self {
        Self { term, direction, entries: VecDeque::new(), fetch: FETCH.0 }
    }

    /// Its next height within `low` and `high`, both included. Entries in front of that are dropped for good.
    pub(super) fn next(
        &mut self,
        chain: &ChainStore,
        low: Height,
        high: Height,
        work: &mut u64,
    ) -> Result<Option<Height>, StoreError> {
        let is_behind = |height: Height| match self.direction {
            Direction::Ascending => height < low,
            Direction::Descending => height > high,
        };
        let kept = self.entries.iter().position(|(height, _)| !is_behind(*height));
        self.entries.drain(..kept.unwrap_or(self.entries.len()));
        if self.entries.is_empty() {
            let reverse = self.direction == Direction::Descending;
            self.entries = chain.entries(&self.term, low, high, self.fetch, reverse)?.into();
            let places = self.entries.iter().map(|(_, places)| match places {
                Places::These(places) => 1 + places.len() as u64 / 16,
                Places::Some | Places::All(_) => 1,
            });
            *work += places.sum::<u64>();
            let large = |places: &Places| matches!(places, Places::These(all) if all.len() > MANY_PLACES);
            self.fetch = match self.entries.iter().any(|(_, places)| large(places)) {
                true => FETCH.0,
                false => (self.fetch * 2).min(FETCH.1),
            };
        }
        let next = self.entries.front().map(|(height, _)| *height);
        Ok(next.filter(|height| low <= *height && *height <= high))
    }

    /// What its entry at the next height says.
    pub(super) fn places(&self) -> &Places {
        self.entries.front().map_or(&Places::Some, |(_, places)| places)
    }
}
