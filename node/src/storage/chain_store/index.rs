//! The index: which blocks hold transactions, or are blocks, with an attribute of a value.
//!
//! An entry says of one term (a key, or a key with a value) and one height where it occurs. Entries of a term are in the order of
//! heights, so that a search takes those of several terms side by side, from any height on and in either direction. Terms stand under
//! 20 bytes of their SHA-256: values may be long.
//!
//! Entries are written with the results of their block, and go with it. What is needed to find them again then is in the results,
//! but for the senders, which are kept beside them. Between which heights the index has no gap is kept, too: where it was off for a
//! while a search must not be silently partial.

use std::collections::BTreeMap;

use althing_consensus::Height;
use althing_crypto::{Encoding, sha256_concat};
use borsh::{BorshDeserialize, BorshSerialize};

use super::{ChainStore, StoredResults, decode, height_key, height_of};
use crate::query::{TX_SENDER, indexed_attributes};
use crate::storage::{Batch, StoreError, Table};

/// Key of the span of the index in [`Table::Meta`].
const SPAN: &[u8] = b"index";
/// What the keys of entries that count a block's transactions begin with, in [`Table::Index`].
const COUNT: u8 = 0;
/// Those of entries of a term of transactions.
const TXS: u8 = 1;
/// Those of entries of a term of blocks.
const BLOCKS: u8 = 2;
/// Those of the senders of a block's transactions.
const SENDERS: u8 = 3;

/// Whether results are indexed as they are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Indexing {
    /// Not at all.
    Off,
    /// All of them.
    On,
}

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// Transactions, by what their results say.
    Txs,
    /// Blocks, by the events of the block as a whole.
    Blocks,
}

/// Where the entries of a term begin.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Term(Vec<u8>);

impl Term {
    /// Blocks that have transactions.
    pub(crate) fn any_tx() -> Self {
        Self(vec![COUNT])
    }

    /// A value under this key.
    pub(crate) fn has(subject: Subject, key: &str) -> Self {
        Self::of(subject, key, &[0])
    }

    /// This value under this key.
    pub(crate) fn is(subject: Subject, key: &str, value: &str) -> Self {
        Self::of(subject, key, &[&[1], value.as_bytes()].concat())
    }

    fn of(subject: Subject, key: &str, value: &[u8]) -> Self {
        let tag = if subject == Subject::Txs { TXS } else { BLOCKS };
        let hash = sha256_concat(&[&(key.len() as u64).to_be_bytes(), key.as_bytes(), value]);
        Self([&[tag], &hash.as_bytes()[..20]].concat())
    }

    fn at(&self, height: Height) -> Vec<u8> {
        [&self.0[..], &height_key(height)].concat()
    }
}

/// Which of a block's transactions an entry is about, by their places in the block.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) enum Places {
    /// Some of them; or it is the block itself.
    Some,
    /// So many, which are all.
    All(u32),
    /// These, ascending.
    These(Vec<u32>),
}

impl Encoding for Places {
    const NAME: &'static str = "index entry";
    const VERSION: u8 = 1;
    const MAX_BYTES: usize = 64 << 20;
}

/// Between which heights, both included, there is an entry for all that there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Span {
    pub(crate) from: Height,
    pub(crate) to: Height,
}

impl Encoding for Span {
    const NAME: &'static str = "span of the index";
    const VERSION: u8 = 1;
    const MAX_BYTES: usize = 17;
}

/// Who sent a block's transactions: each sender with the places of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Senders(Vec<(String, Vec<u32>)>);

impl Encoding for Senders {
    const NAME: &'static str = "senders of a block";
    const VERSION: u8 = 1;
    const MAX_BYTES: usize = 256 << 20;
}

impl Senders {
    fn new(senders: &[Option<String>]) -> Self {
        let mut places = BTreeMap::<&String, Vec<u32>>::new();
        for (place, sender) in (0u32..).zip(senders) {
            if let Some(sender) = sender {
                places.entry(sender).or_default().push(place);
            }
        }
        Self(places.into_iter().map(|(sender, places)| (sender.clone(), places)).collect())
    }

    /// The sender of each transaction of a block of so many.
    pub(crate) fn by_place(&self, txs: usize) -> Vec<Option<&str>> {
        let mut senders = vec![None; txs];
        for (sender, places) in &self.0 {
            for place in places {
                if let Some(slot) = senders.get_mut(*place as usize) {
                    *slot = Some(sender.as_str());
                }
            }
        }
        senders
    }
}

impl ChainStore {
    /// Whether results are indexed as they are stored.
    pub fn indexing(&self) -> Indexing {
        self.1
    }

    /// The span in which the index is without a gap, if anything was ever indexed.
    pub(crate) fn index_span(&self) -> Result<Option<Span>, StoreError> {
        self.read(Table::Meta, SPAN)
    }

    /// The first entries of a term from `low` to `high`, both included; the last ones first if `reverse`.
    pub(crate) fn entries(
        &self,
        term: &Term,
        low: Height,
        high: Height,
        limit: usize,
        reverse: bool,
    ) -> Result<Vec<(Height, Places)>, StoreError> {
        let found = self.0.range(Table::Index, &term.at(low), &term.at(high.next()), limit, reverse)?;
        let read = |(key, value): &(Vec<u8>, Vec<u8>)| {
            Ok((height_of(&key[term.0.len()..])?, decode(Table::Index, value)?))
        };
        found.iter().map(read).collect()
    }

    /// Who sent the transactions of an indexed block.
    pub(crate) fn senders(&self, height: Height) -> Result<Senders, StoreError> {
        Ok(self.read(Table::Index, &senders_key(height))?.unwrap_or_default())
    }

    /// To be written with the results.
    pub(super) fn index(
        &self,
        batch: &mut Batch,
        senders: &[Option<String>],
        results: &StoredResults,
    ) -> Result<(), StoreError> {
        let height = results.execution.height;
        let before = self.index_span()?.filter(|span| span.to.next() == height);
        let span = Span { from: before.map_or(height, |before| before.from), to: height };
        batch.put(Table::Meta, SPAN, span.encode());
        let senders = Senders::new(senders);
        if senders != Senders::default() {
            batch.put(Table::Index, senders_key(height), senders.encode());
        }
        for (term, places) in terms(&senders, results) {
            batch.put(Table::Index, term.at(height), places.encode());
        }
        Ok(())
    }

    /// To be written when a block goes.
    pub(super) fn forget_entries(&self, batch: &mut Batch, height: Height) -> Result<(), StoreError> {
        // Whatever has never been on has left nothing; where it was off for a while nothing is deleted.
        if self.index_span()?.is_none() {
            return Ok(());
        }
        let Some(results) = self.results(height)? else { return Ok(()) };
        for term in terms(&self.senders(height)?, &results).into_keys() {
            batch.delete(Table::Index, term.at(height));
        }
        batch.delete(Table::Index, senders_key(height));
        Ok(())
    }
}

fn senders_key(height: Height) -> Vec<u8> {
    [&[SENDERS][..], &height_key(height)].concat()
}

/// Every term of a block, in the order of their keys, which is the cheapest one to write.
fn terms(senders: &Senders, results: &StoredResults) -> BTreeMap<Term, Places> {
    let mut terms = BTreeMap::new();
    let mut add = |key: &str, value: &str, place: u32| {
        terms.entry(Term::has(Subject::Txs, key)).or_insert(Places::Some);
        match terms.entry(Term::is(Subject::Txs, key, value)).or_insert_with(|| Places::These(Vec::new())) {
            // One transaction may say the same twice.
            Places::These(places) if places.last() != Some(&place) => places.push(place),
            _ => {}
        }
    };
    let by_place = senders.by_place(results.tx_results.len());
    for ((place, result), sender) in (0u32..).zip(&results.tx_results).zip(by_place) {
        indexed_attributes(&result.events).for_each(|(key, value)| add(&key, value, place));
        if let Some(sender) = sender {
            add(TX_SENDER, sender, place);
        }
    }
    if !results.tx_results.is_empty() {
        let count = u32::try_from(results.tx_results.len()).unwrap_or(u32::MAX);
        terms.insert(Term::any_tx(), Places::All(count));
    }
    for (key, value) in indexed_attributes(&results.events) {
        terms.insert(Term::has(Subject::Blocks, &key), Places::Some);
        terms.insert(Term::is(Subject::Blocks, &key, value), Places::Some);
    }
    terms
}
