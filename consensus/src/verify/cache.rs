//! Which certificates were checked before.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use althing_crypto::Hash;

/// The newest so many hashes, first in, first out. Shared by the threads that verify.
#[derive(Debug)]
pub(super) struct Cache {
    capacity: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    known: BTreeSet<Hash>,
    order: VecDeque<Hash>,
}

impl Cache {
    /// A cache of at most so many hashes.
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity, state: Mutex::default() }
    }

    /// Whether it was inserted, and not since pushed out.
    pub(super) fn contains(&self, hash: &Hash) -> bool {
        self.lock().known.contains(hash)
    }

    /// Inserts it; pushes out the oldest if there is no room.
    pub(super) fn insert(&self, hash: Hash) {
        let mut state = self.lock();
        if !state.known.insert(hash) {
            return;
        }
        state.order.push_back(hash);
        if state.order.len() > self.capacity
            && let Some(oldest) = state.order.pop_front()
        {
            state.known.remove(&oldest);
        }
        assert_eq!(state.known.len(), state.order.len(), "the cache's order lists what it knows");
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held but the assertion above, which stops the node.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use althing_crypto::sha256;

    use super::*;

    #[test]
    fn the_oldest_goes_first_and_a_repeat_takes_no_room() {
        let cache = Cache::new(2);
        let [a, b, c] = [b"a", b"b", b"c"].map(|name| sha256(name));
        cache.insert(a);
        cache.insert(a);
        cache.insert(b);
        assert!(cache.contains(&a) && cache.contains(&b) && !cache.contains(&c));
        cache.insert(c);
        assert!(!cache.contains(&a) && cache.contains(&b) && cache.contains(&c));
    }
}
