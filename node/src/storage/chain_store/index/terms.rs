//! What entries are about.

use std::collections::BTreeSet;

use althing_crypto::{TxHash, sha256_concat};

use super::run::Key;
use super::{Places, Senders};
use crate::query::{TX_SENDER, indexed_attributes};
use crate::storage::StoredResults;

/// What a term that counts a block's transactions begins with.
const COUNT: u8 = 0;
/// One of transactions.
const TXS: u8 = 1;
/// One of blocks.
const BLOCKS: u8 = 2;
/// The hash of a transaction where it failed,
const FAILED: u8 = 3;
/// and where it succeeded: so that this is found without going through all blocks where it failed.
const SUCCEEDED: u8 = 4;

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// Transactions, by what their results say.
    Txs,
    /// Blocks, by the events of the block as a whole.
    Blocks,
}

/// What entries are about. Terms of one kind are in no order that means anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Term([u8; Self::BYTES]);

impl Term {
    /// Its kind, and 20 bytes of a hash.
    pub(super) const BYTES: usize = 21;

    /// Blocks that have transactions.
    pub(crate) fn any_tx() -> Self {
        Self::new(COUNT, &[0; 20])
    }

    /// A value under this key.
    pub(crate) fn has(subject: Subject, key: &str) -> Self {
        Self::of(subject, key, &[&[0]])
    }

    /// This value under this key.
    pub(crate) fn is(subject: Subject, key: &str, value: &str) -> Self {
        Self::of(subject, key, &[&[1], value.as_bytes()])
    }

    /// This transaction, where it succeeded or where it failed.
    pub(super) fn hash(tx: &TxHash, succeeded: bool) -> Self {
        Self::new(if succeeded { SUCCEEDED } else { FAILED }, tx.as_bytes())
    }

    fn of(subject: Subject, key: &str, value: &[&[u8]]) -> Self {
        let tag = if subject == Subject::Txs { TXS } else { BLOCKS };
        let len = (key.len() as u64).to_be_bytes();
        let hash = sha256_concat(&[&[&len[..], key.as_bytes()], value].concat());
        Self::new(tag, hash.as_bytes())
    }

    /// The first 20 bytes of the hash count.
    fn new(tag: u8, hash: &[u8]) -> Self {
        let mut term = [tag; Self::BYTES];
        term[1..].copy_from_slice(&hash[..Self::BYTES - 1]);
        Self(term)
    }

    pub(super) fn bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }

    pub(super) fn is_hash(&self) -> bool {
        matches!(self.0[0], FAILED | SUCCEEDED)
    }

    /// Whether an entry of this key is one of a transaction's hash.
    pub(super) fn names_hash(key: &Key) -> bool {
        matches!(key[0], FAILED | SUCCEEDED)
    }
}

/// Every term of a block.
pub(super) fn terms(senders: &Senders, results: &StoredResults) -> Vec<(Term, Places)> {
    let (mut keys, mut said) = (BTreeSet::new(), Vec::new());
    let by_place = senders.by_place(results.tx_results.len());
    for ((place, result), sender) in (0u32..).zip(&results.tx_results).zip(by_place) {
        for (key, value) in indexed_attributes(&result.events) {
            said.push((Term::is(Subject::Txs, &key, value), place));
            keys.insert(key);
        }
        if let Some(sender) = sender {
            said.push((Term::is(Subject::Txs, TX_SENDER, sender), place));
            keys.insert(TX_SENDER.to_owned());
        }
    }
    said.sort_unstable();
    // One transaction may say the same twice.
    said.dedup();
    let of_one =
        |same: &[(Term, u32)]| (same[0].0, Places::These(same.iter().map(|(_, place)| *place).collect()));
    let mut terms: Vec<_> = said.chunk_by(|one, other| one.0 == other.0).map(of_one).collect();
    terms.extend(keys.iter().map(|key| (Term::has(Subject::Txs, key), Places::Some)));
    if !results.tx_results.is_empty() {
        let count = u32::try_from(results.tx_results.len()).unwrap_or(u32::MAX);
        terms.push((Term::any_tx(), Places::All(count)));
    }
    let mut of_block = BTreeSet::new();
    for (key, value) in indexed_attributes(&results.events) {
        of_block.insert(Term::has(Subject::Blocks, &key));
        of_block.insert(Term::is(Subject::Blocks, &key, value));
    }
    terms.extend(of_block.into_iter().map(|term| (term, Places::Some)));
    terms
}
