//! The index: which blocks hold transactions, or are blocks, with an attribute of a value.
//!
//! An entry says of one term (a key, or a key with a value) and one height where it occurs. Entries of a term are in the order of
//! heights, so that a search takes those of several terms side by side, from any height on and in either direction. Terms stand under
//! 20 bytes of their SHA-256: values may be long.
//!
//! Entries are written with the results of their block, as a sorted [run](run) of their own; runs are [merged](merge) little by little, so
//! that a term is looked for in few of them: a tree that is updated in place writes a page for every entry. Runs go when all their blocks
//! have gone. Where transactions are found by their hashes is part of it, and is indexed always. Senders are kept
//! beside, for the tests of searches. Between which heights the index has no gap is kept, too: where it was off for a while a search
//! must not be silently partial.

use std::sync::Arc;

mod filter;
mod merge;
mod run;
mod runs;
mod terms;
#[cfg(test)]
mod tests;

use althing_consensus::Height;
use althing_crypto::{Encoding, TxHash};
use borsh::{BorshDeserialize, BorshSerialize};

use self::run::{Heights, Run, key};
pub(super) use self::runs::Runs;
use self::terms::Said;
pub(crate) use self::terms::{Subject, Term};
use super::{ChainStore, StoredResults, TxLocation, decode, height_key};
use crate::storage::{Batch, StoreError, Table};

/// Key of the span of the index in [`Table::Meta`].
const SPAN: &[u8] = b"index";

/// What keys begin with in [`Table::Index`]: the senders of a block's transactions, by height;
const SENDERS: u8 = 3;
/// what is known of a run, by its heights;
const RUN: u8 = 4;
/// a chunk of a run, by its heights and the chunk's number;
const CHUNK: u8 = 5;
/// chunks to be deleted.
const GOING: u8 = 6;

/// Whether results are indexed as they are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Indexing {
    /// Not at all.
    Off,
    /// All of them.
    On,
}

/// Where a block has a transaction.
#[derive(BorshSerialize, BorshDeserialize)]
struct Occurrence(u32);

impl Encoding for Occurrence {
    const NAME: &'static str = "place of a transaction";
    const VERSION: u8 = 1;
    const MAX_BYTES: usize = 5;
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

/// As [`Senders`], and with the same encoding, before it is stored.
#[derive(BorshSerialize)]
struct Sent<'a>(Vec<(&'a str, Vec<u32>)>);

impl<'a> Sent<'a> {
    fn new(senders: &'a [Option<String>]) -> Self {
        let sent = |(place, sender): (u32, &'a Option<String>)| Some((sender.as_deref()?, place));
        let mut all: Vec<(&str, u32)> = (0..).zip(senders).filter_map(sent).collect();
        all.sort_unstable();
        let of_one =
            |same: &[(&'a str, u32)]| (same[0].0, same.iter().map(|(_, place)| *place).collect::<Vec<_>>());
        Self(all.chunk_by(|one, other| one.0 == other.0).map(of_one).collect())
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![Senders::VERSION];
        self.serialize(&mut bytes).expect("memory takes it");
        bytes
    }
}

impl Senders {
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
        self.indexing
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
        let store = &*self.store;
        let bounds = (&key(term, low), &key(term, high));
        self.runs.ask(store, |runs| {
            let begin = runs.partition_point(|run| run.heights.to < low);
            let end = runs.partition_point(|run| run.heights.from <= high).max(begin);
            let mut found = Vec::new();
            for nth in begin..end {
                let run = &runs[if reverse { begin + end - 1 - nth } else { nth }];
                let more = run.each(store, bounds, reverse, &mut |entry| {
                    if found.len() < limit {
                        found.push((entry.height()?, decode(Table::Index, entry.value())?));
                    }
                    Ok(found.len() < limit)
                })?;
                match more {
                    None => return Ok(None),
                    Some(false) => break,
                    Some(true) => {}
                }
            }
            Ok(Some(found))
        })
    }

    /// Where each of these transactions is found: in the block where it succeeded, or else in the first that holds it. However many hold
    /// it, of each run two entries are read at most.
    pub(super) fn find_txs(&self, txs: &[TxHash]) -> Result<Vec<Option<TxLocation>>, StoreError> {
        let mut oldest = None;
        let find = |tx| self.runs.ask(&*self.store, |runs| self.find_tx(runs, &mut oldest, tx));
        txs.iter().map(find).collect()
    }

    /// Where this one is found; `None` if a run has gone meanwhile. `oldest`: as it is known of the others.
    fn find_tx(
        &self,
        runs: &[Arc<Run>],
        oldest: &mut Option<Height>,
        tx: &TxHash,
    ) -> Result<Option<Option<TxLocation>>, StoreError> {
        let filtered = key(&Term::hash(tx, true), Height(0));
        let runs: Vec<_> = runs.iter().filter(|run| run.summary.filter.may_have(&filtered)).collect();
        if runs.is_empty() {
            return Ok(Some(None));
        }
        let oldest = match *oldest {
            Some(oldest) => oldest,
            None => *oldest.insert(self.oldest()?.unwrap_or(Height(1))),
        };
        for succeeded in [true, false] {
            let term = Term::hash(tx, succeeded);
            // A run stays for as long as one of its blocks does.
            let bounds = (&key(&term, oldest), &key(&term, Height(u64::MAX)));
            for run in &runs {
                let mut found = None;
                let more = run.each(&*self.store, bounds, false, &mut |entry| {
                    let Occurrence(index) = decode(Table::Index, entry.value())?;
                    found = Some(TxLocation { height: entry.height()?, index });
                    Ok(false)
                })?;
                if more.is_none() || found.is_some() {
                    return Ok(more.map(|_| found));
                }
            }
        }
        Ok(Some(None))
    }

    /// Who sent the transactions of an indexed block.
    pub(crate) fn senders(&self, height: Height) -> Result<Senders, StoreError> {
        Ok(self.read(Table::Index, &senders_key(height))?.unwrap_or_default())
    }

    /// Writes the batch, with the entries of these results.
    pub(super) fn write_indexed(
        &self,
        mut batch: Batch,
        txs: &[TxHash],
        senders: &[Option<String>],
        results: &StoredResults,
    ) -> Result<(), StoreError> {
        let height = results.execution.height;
        let mut said = Said::hashes(txs, results);
        if self.indexing == Indexing::On {
            let before = self.index_span()?.filter(|span| span.to.next() == height);
            let span = Span { from: before.map_or(height, |before| before.from), to: height };
            batch.put(Table::Meta, SPAN, span.encode());
            let senders = Sent::new(senders);
            if !senders.0.is_empty() {
                batch.put(Table::Index, senders_key(height), senders.encode());
            }
            said.add(&senders, results);
        }
        let entries = said.into_entries(height);
        let store = &*self.store;
        self.runs.write(store, batch, |runs, batch| runs.add(store, batch, height, &entries))
    }

    /// Writes the batch, by which all blocks below this height go, without their entries.
    pub(super) fn write_pruned(&self, batch: Batch, end: Height) -> Result<(), StoreError> {
        self.runs.write(&*self.store, batch, |runs, batch| {
            runs.forget_below(batch, end);
            Ok(())
        })
    }
}

pub(super) fn senders_key(height: Height) -> Vec<u8> {
    [&[SENDERS][..], &height_key(height)].concat()
}

fn run_key(heights: Heights) -> Vec<u8> {
    [&[RUN][..], &heights.bytes()].concat()
}
