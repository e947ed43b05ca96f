//! Which hashes of transactions a run may hold: so that to ask for one that nobody has seen reads nothing, as a node does for
//! every transaction that it takes.

use borsh::{BorshDeserialize, BorshSerialize};

use super::Term;
use super::run::Key;

/// Bits for each hash, and how many of them it sets: one in 1,700 of those that are not there passes (Bloom, "Space/time trade-offs in hash
/// coding", 1970).
const BITS: u64 = 16;
const PROBES: u64 = 8;

/// A Bloom filter. Hashes are evenly spread already, so their own bytes say where their bits are.
#[derive(Clone, Debug, Default, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct Filter(Vec<u64>);

impl Filter {
    /// One for so many hashes.
    pub(super) fn of(hashes: u64) -> Self {
        let words = usize::try_from((hashes * BITS).div_ceil(64)).expect("a filter fits into memory");
        Self(vec![0; words])
    }

    /// Whether it can be one for so many.
    pub(super) fn fits(&self, hashes: u64) -> bool {
        hashes <= self.0.len() as u64 * 64 / BITS
    }

    pub(super) fn add(&mut self, key: &Key) {
        for bit in self.bits(key) {
            self.0[bit / 64] |= 1 << (bit % 64);
        }
    }

    /// False: it was not added.
    pub(super) fn may_have(&self, key: &Key) -> bool {
        !self.0.is_empty() && self.bits(key).all(|bit| self.0[bit / 64] & (1 << (bit % 64)) != 0)
    }

    fn bits(&self, key: &Key) -> impl Iterator<Item = usize> + use<> {
        let word = |at: usize| u64::from_be_bytes(*key[at..].first_chunk().expect("a key is longer"));
        // Behind the tag.
        let (first, step) = (word(1), word(Term::BYTES - 8) | 1);
        let bits = self.0.len() as u64 * 64;
        // Below the number of bits, which fits.
        (0..PROBES).map(move |nth| (first.wrapping_add(nth.wrapping_mul(step)) % bits) as usize)
    }
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
        assert!(others < 200, "{others} of 100,000");
        assert!(!Filter::of(0).may_have(&of(0)));
    }
}
