//! Which hashes of transactions a run may hold: so that to ask for one that nobody has seen reads nothing, as a node does for
//! every transaction that it takes.

use borsh::{BorshDeserialize, BorshSerialize};

use super::Term;
use super::run::Key;

/// Bits for each hash, on average.
const BITS: u64 = 24;
/// Words of 64 bits in a block, which is a line of a processor's cache, and bits that a hash sets in its block: to ask costs one access to
/// memory, and one in some 5,000 of those that are not there passes (Putze, Sanders and Singler, "Cache-, hash- and space-efficient
/// Bloom filters", 2007).
const WORDS: usize = 8;
const PROBES: u32 = 7;

/// A Bloom filter in blocks. Hashes are evenly spread already, so their own bytes say where their bits are.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct Filter(Vec<u64>);

impl Filter {
    /// One for so many hashes.
    pub(super) fn of(hashes: u64) -> Self {
        Self(vec![0; usize::try_from(words(hashes)).expect("a filter fits into memory")])
    }

    /// Whether it can be one for so many.
    pub(super) fn fits(&self, hashes: u64) -> bool {
        self.0.len().is_multiple_of(WORDS) && words(hashes) <= self.0.len() as u64
    }

    pub(super) fn add(&mut self, key: &Key) {
        let block = self.block(key);
        for bit in bits(key) {
            // A filter of no hashes, as a damaged store may have it for a run that holds some.
            let Some(word) = self.0.get_mut(block + bit / 64) else { return };
            *word |= 1 << (bit % 64);
        }
    }

    /// False: it was not added.
    pub(super) fn may_have(&self, key: &Key) -> bool {
        let block = &self.0[self.block(key)..];
        !block.is_empty() && bits(key).all(|bit| block[bit / 64] & (1 << (bit % 64)) != 0)
    }

    /// Where the block of this hash begins: which one is its first bytes, as a fraction of one.
    fn block(&self, key: &Key) -> usize {
        let blocks = (self.0.len() / WORDS) as u128;
        // Below the number of words, which fits.
        ((u128::from(word(key, 1)) * blocks) >> 64) as usize * WORDS
    }
}

fn words(hashes: u64) -> u64 {
    hashes.saturating_mul(BITS).div_ceil(64).next_multiple_of(WORDS as u64)
}

/// Eight bytes of a key. Its first one is the tag.
fn word(key: &Key, at: usize) -> u64 {
    u64::from_be_bytes(*key[at..].first_chunk().expect("a key is longer"))
}

/// Which bits of its block a hash sets: nine bits of its last bytes say each.
fn bits(key: &Key) -> impl Iterator<Item = usize> + use<> {
    let word = word(key, Term::BYTES - 8);
    // Below 512.
    (0..PROBES).map(move |nth| (word >> (9 * nth) & 511) as usize)
}

#[cfg(test)]
mod tests {
    use althing_consensus::Height;
    use althing_crypto::TxHash;

    use super::*;
    use crate::storage::chain_store::index::run::key;

    #[test]
    fn it_has_all_that_were_added_and_few_others() {
        let of = |n: u32| key(&Term::hash(&TxHash::of(&n.to_be_bytes()), true), Height(1));
        let mut filter = Filter::of(10_000);
        (0..10_000).for_each(|n| filter.add(&of(n)));
        assert!((0..10_000).all(|n| filter.may_have(&of(n))));
        let others = (10_000..110_000).filter(|n| filter.may_have(&of(*n))).count();
        assert!(others < 40, "{others} of 100,000");
        assert!(!Filter::of(0).may_have(&of(0)));
    }
}
