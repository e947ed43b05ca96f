//! What entries are about.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use althing_consensus::Height;
use althing_crypto::{TxHash, sha256_concat};

use super::run::{Entries, Key, key};
use super::{Occurrence, Places, Sent};
use crate::query::{TX_SENDER, indexed_parts};
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Term([u8; Self::BYTES]);

impl Ord for Term {
    /// That of the bytes, two words at a time: a block's terms are sorted, some thousands.
    fn cmp(&self, other: &Self) -> Ordering {
        let words = |Self(bytes): &Self| (word(bytes), bytes.last_chunk().copied().map(u64::from_be_bytes));
        words(self).cmp(&words(other))
    }
}

impl PartialOrd for Term {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Term {
    /// Its kind, and 20 bytes of a hash.
    pub(super) const BYTES: usize = 21;

    /// Blocks that have transactions.
    pub(crate) fn any_tx() -> Self {
        Self::new(COUNT, &[0; 20])
    }

    /// A value under this key.
    pub(crate) fn has(subject: Subject, key: &str) -> Self {
        Self::of_parts(subject, [key, "", ""], None)
    }

    /// This value under this key.
    pub(crate) fn is(subject: Subject, key: &str, value: &str) -> Self {
        Self::of_parts(subject, [key, "", ""], Some(value))
    }

    /// This transaction, where it succeeded or where it failed.
    pub(super) fn hash(tx: &TxHash, succeeded: bool) -> Self {
        Self::new(if succeeded { SUCCEEDED } else { FAILED }, tx.as_bytes())
    }

    /// The key is what the parts are together; behind it stand 0, or 1 and a value.
    fn of_parts(subject: Subject, key: [&str; 3], value: Option<&str>) -> Self {
        let tag = if subject == Subject::Txs { TXS } else { BLOCKS };
        let len = key.iter().map(|part| part.len() as u64).sum::<u64>().to_be_bytes();
        let [kind, point, name] = key.map(str::as_bytes);
        let (said, value) = value.map_or((0, ""), |value| (1, value));
        let hash = sha256_concat(&[&len, kind, point, name, &[said], value.as_bytes()]);
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

    /// Whether an entry of this key is one of a transaction's hash.
    pub(super) fn names_hash(key: &Key) -> bool {
        matches!(key[0], FAILED | SUCCEEDED)
    }
}

/// Stands for no place: the entry only says that there is one.
const NO_PLACE: u32 = u32::MAX;

/// Which terms a block is to be found by, each with the place of a transaction.
#[derive(Default)]
pub(super) struct Said(Vec<(Term, u32)>);

/// What a block's results say under one key, and the term for it: the next transaction often says the same.
struct Before<'a> {
    key: (&'a str, &'a str),
    value: &'a str,
    term: Term,
}

impl Said {
    /// That a block has these transactions.
    pub(super) fn hashes(txs: &[TxHash], results: &StoredResults) -> Self {
        let succeeded = |place: usize| results.tx_results.get(place).is_some_and(|result| result.code == 0);
        let said = (0u32..).zip(txs).map(|(n, tx)| (Term::hash(tx, succeeded(n as usize)), n));
        Self(said.collect())
    }

    /// What is said in results, and who sent their transactions.
    pub(super) fn add(&mut self, senders: &Sent<'_>, results: &StoredResults) {
        let Self(said) = self;
        let (mut keys, mut before) = (BTreeSet::new(), Vec::<Before<'_>>::new());
        for (place, result) in (0u32..).zip(&results.tx_results) {
            for (nth, (kind, name, value)) in indexed_parts(&result.events).enumerate() {
                let key = (kind, name);
                let same_key = before.get(nth).is_some_and(|before| before.key == key);
                let term = match before.get(nth) {
                    Some(before) if same_key && before.value == value => before.term,
                    _ => Term::of_parts(Subject::Txs, [kind, ".", name], Some(value)),
                };
                said.push((term, place));
                if !same_key {
                    keys.insert(key);
                }
                let now = Before { key, value, term };
                match before.get_mut(nth) {
                    Some(before) => *before = now,
                    None => before.push(now),
                }
            }
        }
        let txs = results.tx_results.len();
        let before = said.len();
        for (sender, places) in &senders.0 {
            let term = Term::is(Subject::Txs, TX_SENDER, sender);
            let places = places.iter().filter(|place| (**place as usize) < txs);
            said.extend(places.map(|place| (term, *place)));
        }
        let sent = said.len() > before;
        let key = |(kind, name)| Term::of_parts(Subject::Txs, [kind, ".", name], None);
        said.extend(keys.into_iter().map(|parts| (key(parts), NO_PLACE)));
        if sent {
            said.push((Term::has(Subject::Txs, TX_SENDER), NO_PLACE));
        }
        for (kind, name, value) in indexed_parts(&results.events) {
            let key = [kind, ".", name];
            said.push((Term::of_parts(Subject::Blocks, key, None), NO_PLACE));
            said.push((Term::of_parts(Subject::Blocks, key, Some(value)), NO_PLACE));
        }
        if txs > 0 {
            said.push((Term::any_tx(), u32::try_from(txs).unwrap_or(u32::MAX)));
        }
    }

    /// The entries of it all at this height, in the order of their keys.
    pub(super) fn into_entries(self, height: Height) -> Entries {
        let Self(mut said) = self;
        said.sort_unstable();
        // One transaction may say the same twice.
        said.dedup();
        let mut entries = Entries::new(said.len());
        let mut places = Vec::new();
        for same in said.chunk_by(|one, other| one.0 == other.0) {
            let (term, first) = same[0];
            let key = key(&term, height);
            match term.0[0] {
                FAILED | SUCCEEDED => {
                    same.iter().for_each(|(_, place)| entries.push(&key, &Occurrence(*place)));
                }
                COUNT => entries.push(&key, &Places::All(first)),
                _ if first == NO_PLACE => entries.push(&key, &Places::Some),
                _ => {
                    places.extend(same.iter().map(|(_, place)| *place));
                    let these = Places::These(places);
                    entries.push(&key, &these);
                    let Places::These(spare) = these else { unreachable!("it was made just now") };
                    places = spare;
                    places.clear();
                }
            }
        }
        entries
    }
}

/// The first sixteen bytes as one number.
fn word(bytes: &[u8; Term::BYTES]) -> u128 {
    u128::from_be_bytes(*bytes.first_chunk().expect("a term is longer"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_terms_is_that_of_their_bytes() {
        let mut terms = vec![Term([7; Term::BYTES])];
        for at in 0..Term::BYTES {
            for byte in [0, 6, 8, 255] {
                let mut term = terms[0];
                term.0[at] = byte;
                terms.push(term);
            }
        }
        for (one, other) in terms.iter().flat_map(|one| terms.iter().map(move |other| (one, other))) {
            assert_eq!(one.cmp(other), one.0.cmp(&other.0));
        }
    }
}
