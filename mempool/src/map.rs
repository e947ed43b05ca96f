//! Hash tables whose order nobody sees: what is in one can be listed only when sorted, so that the same inputs give the
//! same actions whatever the seed.

#![expect(clippy::disallowed_types, reason = "this one lists nothing in its own order")]

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher};
use std::ops::Index;

/// What a node mixes into its hash tables. As long as it is secret, nobody can choose transactions or senders that all
/// fall into one place of a table and make each lookup slow.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Seed([u64; 2]);

impl Seed {
    /// Takes all bits as they are: they should come from a source of randomness, or be constant in a simulation.
    pub const fn new(bits: u128) -> Self {
        // The multiplier is odd: no bit of a word is lost in the product.
        Seed([(bits >> 64) as u64, bits as u64 | 1])
    }
}

/// It is a secret.
impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed")
    }
}

impl BuildHasher for Seed {
    type Hasher = Mixer;

    fn build_hasher(&self) -> Mixer {
        let Seed([state, multiplier]) = *self;
        Mixer { state, multiplier }
    }
}

/// One multiplication per eight bytes, both halves of the product folded into one.
#[derive(Debug)]
pub struct Mixer {
    state: u64,
    multiplier: u64,
}

impl Hasher for Mixer {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.write_u64(u64::from_le_bytes(*word));
        }
        if !rest.is_empty() {
            let mut word = [0; 8];
            word[..rest.len()].copy_from_slice(rest);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u64(&mut self, word: u64) {
        let product = u128::from(self.state ^ word) * u128::from(self.multiplier);
        self.state = (product >> 64) as u64 ^ product as u64;
    }

    fn finish(&self) -> u64 {
        self.state
    }
}

/// A hash table under a node's seed.
#[derive(Clone)]
pub(crate) struct Map<K, V>(HashMap<K, V, Seed>);

impl<K: Eq + Hash, V> Map<K, V> {
    pub(crate) fn new(seed: Seed) -> Self {
        Map(HashMap::with_hasher(seed))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.0.get(key)
    }

    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.0.get_mut(key)
    }

    pub(crate) fn contains(&self, key: &K) -> bool {
        self.0.contains_key(key)
    }

    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        self.0.insert(key, value)
    }

    /// False if there is a value already, which stays.
    pub(crate) fn insert_new(&mut self, key: K, value: V) -> bool {
        match self.0.entry(key) {
            Entry::Occupied(_) => false,
            Entry::Vacant(place) => {
                place.insert(value);
                true
            }
        }
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        self.0.remove(key)
    }

    pub(crate) fn or_insert_with(&mut self, key: K, value: impl FnOnce() -> V) -> &mut V {
        self.0.entry(key).or_insert_with(value)
    }

    /// The largest of what `measure` makes of the values: no order shows in it.
    pub(crate) fn max_of<T: Ord>(&self, measure: impl Fn(&V) -> T) -> Option<T> {
        self.0.values().map(measure).max()
    }

    /// All of it, by key. Takes a sort: for rare occasions.
    pub(crate) fn sorted(&self) -> Vec<(&K, &V)>
    where
        K: Ord,
    {
        let mut all: Vec<_> = self.0.iter().collect();
        all.sort_unstable_by_key(|(key, _)| *key);
        all
    }
}

impl<K: Eq + Hash, V> Index<&K> for Map<K, V> {
    type Output = V;

    fn index(&self, key: &K) -> &V {
        &self.0[key]
    }
}

impl<K: Ord + Hash, V: Hash> Hash for Map<K, V> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.sorted().hash(state);
    }
}

impl<K: Ord + Hash + fmt::Debug, V: fmt::Debug> fmt::Debug for Map<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.sorted()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_moves_everything_and_shows_nowhere() {
        let (one, two) = (Seed::new(1), Seed::new(u128::MAX / 3));
        let names = [&b""[..], b"a", b"b", b"a\0", b"alice and", b"alice and bob"];
        for (n, name) in names.iter().enumerate() {
            assert_ne!(one.hash_one(name), two.hash_one(name), "{name:?}");
            assert!(names[..n].iter().all(|other| two.hash_one(other) != two.hash_one(name)), "{name:?}");
        }
        let fill = |seed| {
            let mut map = Map::new(seed);
            for n in (0..100_u64).rev() {
                map.insert(n * n, n);
            }
            map.remove(&4);
            map
        };
        let digest = |map: &Map<u64, u64>| Seed::new(7).hash_one(map);
        let (one, two) = (fill(one), fill(two));
        assert_eq!((digest(&one), format!("{one:?}")), (digest(&two), format!("{two:?}")));
        assert!(one.sorted().is_sorted() && one.len() == 99 && one.max_of(|n| *n) == Some(99));
    }

    #[test]
    fn hashes_spread_over_a_table() {
        // Words that differ in a few bits, as a grinder or a counter makes them, must not share their low or high bits.
        let seed = Seed::new(0x6d69_7865_7220_6f66_2074_6865_2070_6f6f);
        for shift in [0, 8, 32, 56] {
            let mut low = vec![0; 256];
            let mut high = vec![0; 256];
            for n in 0..(256_u64 * 64).min(u64::MAX >> shift) {
                let hash = seed.hash_one(n << shift);
                low[hash as usize % 256] += 1;
                high[(hash >> 56) as usize] += 1;
            }
            let most = low.iter().chain(&high).max();
            assert!(most < Some(&200), "{most:?} of 64 in the mean with words shifted by {shift}");
        }
    }
}
