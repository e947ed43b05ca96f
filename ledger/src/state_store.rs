//! What an application knows of storage: read a key, write a batch.

use std::{
    collections::BTreeMap,
    sync::{PoisonError, RwLock},
};

/// One change of a batch: a key and its new value, or `None` to remove it.
pub type Write = (Vec<u8>, Option<Vec<u8>>);

/// A failure of the storage below, in its own words.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct StoreError(Box<dyn std::error::Error + Send + Sync>);

impl StoreError {
    /// Wraps an error or a sentence.
    pub fn new(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(cause.into())
    }
}

/// The durable key-value space of one application. Nobody else writes to it.
///
/// Reads may run beside a write. Keys are at most 128 bytes; values are small (a tree node, an account), at most a
/// few KiB. A batch can be large: a genesis with a million accounts is one batch.
pub trait StateStore: Send + Sync + 'static {
    /// The value under `key` as the last finished [`StateStore::write`] left it.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// Applies all of `batch` or nothing: atomic, and durable (survives a power cut) once this returns `Ok`. After an
    /// error or a crash within, the store holds all of it or nothing of it.
    ///
    /// No key comes twice in a batch. Removing an absent key is no error.
    fn write(&self, batch: Vec<Write>) -> Result<(), StoreError>;
}

/// A [`StateStore`] in memory, for tests and simulations: it lasts as long as the value does.
#[derive(Debug, Default)]
pub struct MemoryStore {
    entries: RwLock<BTreeMap<Vec<u8>, Vec<u8>>>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many keys it holds.
    pub fn len(&self) -> usize {
        self.entries.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether it holds no key.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl StateStore for MemoryStore {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.entries.read().unwrap_or_else(PoisonError::into_inner).get(key).cloned())
    }

    fn write(&self, batch: Vec<Write>) -> Result<(), StoreError> {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        for (key, value) in batch {
            match value {
                Some(value) => entries.insert(key, value),
                None => entries.remove(&key),
            };
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_sets_and_removes() {
        let store = MemoryStore::new();
        store.write(vec![(b"a".to_vec(), Some(vec![1])), (b"b".to_vec(), Some(vec![2]))]).unwrap();
        store
            .write(vec![(b"a".to_vec(), None), (b"b".to_vec(), Some(vec![3])), (b"c".to_vec(), None)])
            .unwrap();
        assert_eq!(store.get(b"a").unwrap(), None);
        assert_eq!(store.get(b"b").unwrap(), Some(vec![3]));
        assert_eq!(store.len(), 1);
    }
}
