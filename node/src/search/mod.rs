//! Searches of the index: all transactions, or blocks, that meet a query; those of one page, and how many there are.
//!
//! The conditions become lists of entries of the index, each in the order of heights (`plan`). The lists are gone through side by
//! side, always on to the farthest of their next heights; where all have the same one, the transactions that all name are
//! what is looked for, once those conditions that entries cannot decide are tested on the results. So bounds on the height bound the
//! work, whatever the other conditions are, and the rarest condition bounds it where heights are open.
//!
//! A search is taken in steps of milliseconds, holds a page and a few entries of each list in memory, and after so much work
//! ends with an error: an answer is complete or none.

use std::ops::Range;
use std::time::{Duration, Instant};

use althing_consensus::Height;

use crate::query::{BLOCK_HEIGHT, Query};
use crate::storage::{ChainStore, Indexing, Places, StoreError, Subject, TxLocation};

mod list;
mod plan;
#[cfg(test)]
mod tests;

use self::{list::List, plan::Plan};

/// A step ends soon after so much time.
const STEP: Duration = Duration::from_millis(4);
/// Work of a search: entries read, and transactions whose results are tested.
const MAX_WORK: u64 = 1_000_000;

/// Why a search has no answer.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// The operator wants none.
    #[error("this node keeps no index: storage.index is off; tx finds a transaction by its hash")]
    Off,
    /// Blocks that it could be about were executed without the index.
    #[error(
        "the index of this node begins at height {from}, as it was off before: narrow the query with {key} >= {from}"
    )]
    Gap {
        /// Where it begins.
        from: Height,
        /// The key to narrow by.
        key: &'static str,
    },
    /// More work than one search may be.
    #[error(
        "the query is too wide: from height {begin} the search came to height {at}, and would go on to {end}; narrow it with bounds such as \
         {key} >= {low} AND {key} <= {high}, and ask for the rest with others"
    )]
    TooWide {
        /// Where it began.
        begin: Height,
        /// How far it came.
        at: Height,
        /// Where it would have ended.
        end: Height,
        /// The lower end of what it has done.
        low: Height,
        /// The higher end of what it has done.
        high: Height,
        /// The key to narrow by.
        key: &'static str,
    },
    /// The disk.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// In which order what is found is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The oldest first.
    Ascending,
    /// The newest first.
    Descending,
}

/// A search under way.
#[derive(Debug)]
pub struct Search {
    plan: Plan,
    lists: Vec<List>,
    direction: Direction,
    /// What is left, both included.
    low: Height,
    high: Height,
    /// What it began with.
    whole: (Height, Height),
    /// Which of all that is found is wanted, counted from 0.
    page: Range<u64>,
    found: Vec<TxLocation>,
    total: u64,
    work: u64,
    max_work: u64,
}

impl Search {
    /// A search of transactions, among the blocks up to `newest`, which is executed. `page`: which of all that is found are wanted,
    /// counted from 0.
    pub fn txs(
        chain: &ChainStore,
        query: &Query,
        newest: Height,
        direction: Direction,
        page: Range<u64>,
    ) -> Result<Self, SearchError> {
        Self::begin(chain, Plan::txs(chain, query)?, newest, direction, page)
    }

    /// As [`Self::txs`], of blocks: each is found at place 0 of its height.
    pub fn blocks(
        chain: &ChainStore,
        query: &Query,
        newest: Height,
        direction: Direction,
        page: Range<u64>,
    ) -> Result<Self, SearchError> {
        Self::begin(chain, Plan::blocks(query), newest, direction, page)
    }

    fn begin(
        chain: &ChainStore,
        mut plan: Plan,
        newest: Height,
        direction: Direction,
        page: Range<u64>,
    ) -> Result<Self, SearchError> {
        if chain.indexing() == Indexing::Off {
            return Err(SearchError::Off);
        }
        let oldest = chain.oldest()?.unwrap_or(Height(1));
        let (low, high) = (plan.low.max(oldest), plan.high.min(newest));
        // Only of what is indexed without a gap can anything be said.
        let span = chain.index_span()?.filter(|span| span.to >= newest);
        let from = span.map_or(newest.next(), |span| span.from);
        if low < from && low <= high {
            return Err(SearchError::Gap { from, key: plan.height_key() });
        }
        let lists = plan.terms.drain(..).map(|term| List::new(term, direction)).collect();
        let whole = (low, high);
        let (found, total, work) = (Vec::new(), 0, 0);
        let mut search =
            Self { plan, lists, direction, low, high, whole, page, found, total, work, max_work: MAX_WORK };
        search.count_at_once();
        Ok(search)
    }

    /// Goes on for some milliseconds. True: it is done.
    pub fn step(&mut self, chain: &ChainStore) -> Result<bool, SearchError> {
        let begun = Instant::now();
        while self.low <= self.high {
            if self.agree(chain)? {
                self.look(chain)?;
                self.leave();
            }
            if self.work > self.max_work && self.low <= self.high {
                return Err(self.too_wide());
            }
            if begun.elapsed() >= STEP {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// How many there are. Once it is done.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Those of the page, in their order. Once it is done.
    pub fn found(&self) -> &[TxLocation] {
        &self.found
    }

    /// The next height.
    fn at(&self) -> Height {
        match self.direction {
            Direction::Ascending => self.low,
            Direction::Descending => self.high,
        }
    }

    /// Goes on to this height.
    fn go_to(&mut self, height: Height) {
        match self.direction {
            Direction::Ascending => self.low = height,
            Direction::Descending => self.high = height,
        }
    }

    /// Goes on behind the next height.
    fn leave(&mut self) {
        match self.direction {
            Direction::Ascending => self.low = self.low.next(),
            Direction::Descending if self.high.0 == 0 => self.low = self.high.next(),
            Direction::Descending => self.high = Height(self.high.0 - 1),
        }
    }

    /// Brings every list to the next height, or goes on to where one of them is. True: all have the next height.
    fn agree(&mut self, chain: &ChainStore) -> Result<bool, SearchError> {
        let before = self.at();
        let mut lists = std::mem::take(&mut self.lists);
        for list in &mut lists {
            let next = list.next(chain, self.low, self.high, &mut self.work)?;
            match next {
                Some(height) => self.go_to(height),
                // Nothing is left.
                None => self.low = self.high.next(),
            }
            if self.low > self.high {
                break;
            }
        }
        self.lists = lists;
        self.work += 1;
        Ok(self.low <= self.high && self.at() == before)
    }

    /// Looks at a height that all lists have.
    fn look(&mut self, chain: &ChainStore) -> Result<(), SearchError> {
        let height = self.at();
        if !self.plan.admits(height) {
            return Ok(());
        }
        let places = match self.plan.subject {
            Subject::Blocks => Places::All(1),
            Subject::Txs => {
                self.lists.iter().fold(self.plan.place.clone(), |common, list| common.and(list.places()))
            }
        };
        let places = match (places, self.plan.is_decided()) {
            (places @ (Places::All(_) | Places::These(_)), true) => places,
            (places, _) => {
                let (places, work) = self.plan.test(chain, height, places)?;
                self.work += work;
                places
            }
        };
        match places {
            Places::Some => {}
            Places::All(count) => self.hit(height, count, |nth| nth),
            Places::These(places) => {
                let count = u32::try_from(places.len()).unwrap_or(u32::MAX);
                self.work += u64::from(count / 16);
                self.hit(height, count, |nth| places[nth as usize]);
            }
        }
        Ok(())
    }

    /// Counts what was found at a height, and keeps what is on the page.
    fn hit(&mut self, height: Height, count: u32, place: impl Fn(u32) -> u32) {
        let first = self.total;
        self.total += u64::from(count);
        for rank in self.page.start.max(first)..self.page.end.min(self.total) {
            // Below `count`, which is one of 32 bits.
            let nth = (rank - first) as u32;
            let nth = if self.direction == Direction::Ascending { nth } else { count - 1 - nth };
            self.found.push(TxLocation { height, index: place(nth) });
        }
    }

    /// Of blocks that only their heights decide about none has to be looked at.
    fn count_at_once(&mut self) {
        let plain = self.plan.subject == Subject::Blocks && self.lists.is_empty() && self.plan.is_decided();
        if !plain || !self.plan.heights.is_empty() || self.low > self.high {
            return;
        }
        self.total = self.high.0 - self.low.0 + 1;
        for rank in self.page.start..self.page.end.min(self.total) {
            let height = match self.direction {
                Direction::Ascending => self.low.0 + rank,
                Direction::Descending => self.high.0 - rank,
            };
            self.found.push(TxLocation { height: Height(height), index: 0 });
        }
        self.low = self.high.next();
    }

    fn too_wide(&self) -> SearchError {
        let (begin, end) = match self.direction {
            Direction::Ascending => self.whole,
            Direction::Descending => (self.whole.1, self.whole.0),
        };
        // The next height is not done.
        let at = self.at();
        let (low, high) = match self.direction {
            Direction::Ascending => (begin, Height(at.0.saturating_sub(1).max(begin.0))),
            Direction::Descending => (at.next().min(begin), begin),
        };
        SearchError::TooWide { begin, at, end, low, high, key: self.plan.height_key() }
    }
}

impl Places {
    /// Those that both name.
    fn and(self, other: &Places) -> Places {
        match (self, other) {
            (Places::Some, other) => other.clone(),
            (own, Places::Some) => own,
            (Places::All(own), Places::All(other)) => Places::All(own.min(*other)),
            (Places::These(own), Places::All(_)) => Places::These(own),
            (Places::All(_), Places::These(other)) => Places::These(other.clone()),
            (Places::These(mut own), Places::These(other)) => {
                own.retain(|place| other.binary_search(place).is_ok());
                Places::These(own)
            }
        }
    }
}

impl Plan {
    fn height_key(&self) -> &'static str {
        match self.subject {
            Subject::Txs => crate::query::TX_HEIGHT,
            Subject::Blocks => BLOCK_HEIGHT,
        }
    }
}
