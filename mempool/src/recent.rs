//! What is remembered of the newest transactions, bounded by count.

use std::collections::VecDeque;

use althing_crypto::TxHash;

use crate::key::Key;
use crate::map::{Map, Seed};

/// A map that forgets the hash it learnt first once it holds more than `capacity`.
#[derive(Clone, Debug, Hash)]
pub(crate) struct Recent<V> {
    capacity: usize,
    order: VecDeque<Key>,
    values: Map<Key, V>,
}

impl<V> Recent<V> {
    pub(crate) fn new(capacity: usize, seed: Seed) -> Self {
        Recent { capacity, order: VecDeque::new(), values: Map::new(seed) }
    }

    /// A hash known already gets the new value and keeps its place in the queue of those to be forgotten.
    pub(crate) fn insert(&mut self, hash: TxHash, value: V) {
        let key = Key::from(&hash);
        if self.values.insert(key, value).is_some() {
            return;
        }
        self.learnt(key);
    }

    /// A hash known already keeps its value.
    pub(crate) fn insert_new(&mut self, hash: TxHash, value: V) {
        let key = Key::from(&hash);
        if self.values.insert_new(key, value) {
            self.learnt(key);
        }
    }

    /// One more: where there is no room, the oldest goes.
    fn learnt(&mut self, key: Key) {
        self.order.push_back(key);
        if self.order.len() > self.capacity
            && let Some(oldest) = self.order.pop_front()
        {
            self.values.remove(&oldest);
        }
    }

    pub(crate) fn get(&self, hash: &TxHash) -> Option<&V> {
        self.values.get(&hash.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(n: u8) -> TxHash {
        TxHash::of(&[n])
    }

    #[test]
    fn the_oldest_is_forgotten_first() {
        let mut recent = Recent::new(2, Seed::new(1));
        recent.insert(hash(1), 1);
        recent.insert(hash(2), 2);
        recent.insert(hash(1), 10);
        assert_eq!(recent.get(&hash(1)), Some(&10));
        recent.insert(hash(3), 3);
        assert_eq!([1, 2, 3].map(|n| recent.get(&hash(n)).copied()), [None, Some(2), Some(3)]);
        assert_eq!((recent.order.len(), recent.values.len()), (2, 2));
    }

    #[test]
    fn without_capacity_nothing_is_kept() {
        let mut recent = Recent::new(0, Seed::new(1));
        recent.insert(hash(1), 1);
        assert_eq!(recent.get(&hash(1)), None);
    }
}
