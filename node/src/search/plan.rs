//! From a query to what is done about it: bounds of the height, terms of the index, and what is left to test.

use althing_consensus::Height;
use althing_crypto::{Hash, TxHash};
use althing_ledger::TxResult;

use crate::query::{BLOCK_HEIGHT, Condition, Query, TX_HASH, TX_HEIGHT, TX_SENDER, Test, indexed_attributes};
use crate::storage::{ChainStore, Places, StoreError, Subject, Term};

/// What each transaction whose results are tested counts, and each block in which that is done.
const WORK_PER_TX: u64 = 1;
const WORK_PER_BLOCK: u64 = 10;

#[derive(Debug)]
pub(super) struct Plan {
    pub(super) subject: Subject,
    /// Only from here
    pub(super) low: Height,
    /// to here, both included.
    pub(super) high: Height,
    /// What every block must have an entry for.
    pub(super) terms: Vec<Term>,
    /// The only place that can be meant, if there is one.
    pub(super) place: Places,
    /// Conditions on the height that are no bounds.
    pub(super) heights: Vec<Condition>,
    /// Conditions that entries do not decide.
    open: Vec<Condition>,
}

impl Plan {
    fn new(subject: Subject) -> Self {
        let (low, high) = (Height(0), Height(u64::MAX));
        let (terms, heights, open) = (Vec::new(), Vec::new(), Vec::new());
        Self { subject, low, high, terms, place: Places::Some, heights, open }
    }

    pub(super) fn txs(chain: &ChainStore, query: &Query) -> Result<Self, StoreError> {
        let mut plan = Self::new(Subject::Txs);
        for condition in query.conditions() {
            match (condition.key.as_str(), &condition.test) {
                (TX_HEIGHT, _) => plan.height(condition),
                (TX_HASH, Test::Exists) => {}
                (TX_HASH, Test::Is(hash)) => plan.only(chain, hash)?,
                (TX_HASH, _) => plan.open.push(condition.clone()),
                _ => plan.attribute(condition),
            }
        }
        if plan.terms.is_empty() && plan.place == Places::Some {
            plan.terms.push(Term::any_tx());
        }
        Ok(plan)
    }

    pub(super) fn blocks(query: &Query) -> Self {
        let mut plan = Self::new(Subject::Blocks);
        for condition in query.conditions() {
            if condition.key == BLOCK_HEIGHT { plan.height(condition) } else { plan.attribute(condition) }
        }
        plan
    }

    fn height(&mut self, condition: &Condition) {
        match condition.test.whole_numbers() {
            Some((low, high)) => self.bound(Height(low), Height(high)),
            None => self.heights.push(condition.clone()),
        }
    }

    fn bound(&mut self, low: Height, high: Height) {
        (self.low, self.high) = (self.low.max(low), self.high.min(high));
    }

    /// The transaction of this hash, in the block where it is found, and no other.
    fn only(&mut self, chain: &ChainStore, hash: &str) -> Result<(), StoreError> {
        let location = match hash.parse::<Hash>() {
            Ok(hash) => chain.tx_location(&TxHash(hash))?,
            Err(_) => None,
        };
        match location {
            Some(location) if self.place.has(location.index) => {
                self.bound(location.height, location.height);
                self.place = Places::These(vec![location.index]);
            }
            _ => self.bound(Height(1), Height(0)),
        }
        Ok(())
    }

    fn attribute(&mut self, condition: &Condition) {
        let Condition { key, test } = condition;
        let term = match test {
            Test::Is(value) => Term::is(self.subject, key, value),
            _ => Term::has(self.subject, key),
        };
        // Each is read once, however many conditions there are on a key.
        if !self.terms.contains(&term) {
            self.terms.push(term);
        }
        // Of a block its entry says that it has the key; of transactions, not which.
        let decided =
            matches!(test, Test::Is(_)) || (self.subject == Subject::Blocks && *test == Test::Exists);
        if !decided {
            self.open.push(condition.clone());
        }
    }

    /// Whether entries alone decide.
    pub(super) fn is_decided(&self) -> bool {
        self.open.is_empty()
    }

    /// Whether a block of this height can be meant.
    pub(super) fn admits(&self, height: Height) -> bool {
        self.heights.iter().all(|condition| condition.test.admits(&height.to_string()))
    }

    /// Of these places those at which the open conditions hold, and the work that it was to see that. None where the block has gone.
    pub(super) fn test(
        &self,
        chain: &ChainStore,
        height: Height,
        places: Places,
    ) -> Result<(Places, u64), StoreError> {
        let none = Places::These(Vec::new());
        let Some(results) = chain.results(height)? else { return Ok((none, WORK_PER_BLOCK)) };
        if self.subject == Subject::Blocks {
            let events: Vec<_> = indexed_attributes(&results.events).collect();
            let holds = self.open.iter().all(|condition| condition.holds(&events));
            let work = WORK_PER_BLOCK + WORK_PER_TX * results.tx_results.len() as u64;
            return Ok((if holds { places } else { none }, work));
        }
        let work = WORK_PER_BLOCK + WORK_PER_TX * results.tx_results.len() as u64;
        let names = |key: &str| self.open.iter().any(|condition| condition.key == key);
        let hashes = match names(TX_HASH) {
            true => chain.block(height)?.map(|body| body.block.txs).unwrap_or_default(),
            false => Vec::new(),
        };
        let senders = if names(TX_SENDER) { chain.senders(height)? } else { Default::default() };
        let senders = senders.by_place(results.tx_results.len());
        let holds = |place: usize, result: &TxResult| {
            let mut events: Vec<(String, String)> =
                indexed_attributes(&result.events).map(|(key, value)| (key, value.to_owned())).collect();
            let hash = hashes.get(place).map(|hash| hex::encode_upper(hash.as_bytes()));
            events.extend(hash.map(|hash| (TX_HASH.to_owned(), hash)));
            let sender = senders.get(place).copied().flatten();
            events.extend(sender.map(|sender| (TX_SENDER.to_owned(), sender.to_owned())));
            self.open.iter().all(|condition| condition.holds(&events))
        };
        let found = (0u32..)
            .zip(&results.tx_results)
            .filter(|(place, result)| places.has(*place) && holds(*place as usize, result));
        Ok((Places::These(found.map(|(place, _)| place).collect()), work))
    }
}

impl Places {
    /// Whether this one may be meant.
    fn has(&self, place: u32) -> bool {
        match self {
            Places::Some => true,
            Places::All(count) => place < *count,
            Places::These(places) => places.binary_search(&place).is_ok(),
        }
    }
}
