//! The application's own keys in a store of the node.

use super::{Batch, Store, Table};
use althing_ledger::{StateStore, StoreError, Write};
use std::sync::Arc;

/// What an application of ours is given to keep its state in: one table of a [`Store`].
#[derive(Clone)]
pub struct AppState(Arc<dyn Store>);

impl AppState {
    /// The state in `store`, to which nobody else writes [`Table::State`].
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self(store)
    }
}

impl StateStore for AppState {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.0.get(Table::State, key).map_err(StoreError::new)
    }

    fn write(&self, batch: Vec<Write>) -> Result<(), StoreError> {
        let mut changes = Batch::new();
        for (key, value) in batch {
            match value {
                Some(value) => changes.put(Table::State, key, value),
                None => changes.delete(Table::State, key),
            }
        }
        self.0.write(changes).map_err(StoreError::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::MemoryStore;

    #[test]
    fn an_application_sees_its_table_alone() {
        let store = Arc::new(MemoryStore::new());
        let mut other = Batch::new();
        other.put(Table::Meta, "key", "the node's");
        store.write(other).unwrap();

        let state = AppState::new(store.clone());
        assert_eq!(state.get(b"key").unwrap(), None);
        state.write(vec![(b"key".to_vec(), Some(vec![1])), (b"gone".to_vec(), Some(vec![2]))]).unwrap();
        state.write(vec![(b"gone".to_vec(), None), (b"never there".to_vec(), None)]).unwrap();
        assert_eq!(state.get(b"key").unwrap(), Some(vec![1]));
        assert_eq!(state.get(b"gone").unwrap(), None);
        assert_eq!(store.get(Table::State, b"key").unwrap(), Some(vec![1]));
        assert_eq!(store.get(Table::Meta, b"key").unwrap(), Some(b"the node's".to_vec()));
    }
}
