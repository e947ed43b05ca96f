//! A store in memory, for simulation and tests: durable as long as the value lives.

use super::{Batch, Change, Entry, Store, StoreError, Table, bounds};
use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

type Tables = BTreeMap<Table, BTreeMap<Vec<u8>, Vec<u8>>>;

/// A [`Store`] that forgets everything when dropped.
#[derive(Debug, Default)]
pub struct MemoryStore {
    tables: RwLock<Tables>,
}

impl MemoryStore {
    /// A store without entries.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Store for MemoryStore {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let tables = self.tables.read().unwrap_or_else(PoisonError::into_inner);
        Ok(tables.get(&table).and_then(|entries| entries.get(key)).cloned())
    }

    fn range(
        &self,
        table: Table,
        from: &[u8],
        to: &[u8],
        limit: usize,
        reverse: bool,
    ) -> Result<Vec<Entry>, StoreError> {
        let tables = self.tables.read().unwrap_or_else(PoisonError::into_inner);
        let (Some(entries), Some(bounds)) = (tables.get(&table), bounds(from, to)) else {
            return Ok(Vec::new());
        };
        let found = entries.range::<[u8], _>(bounds).map(|(key, value)| (key.clone(), value.clone()));
        Ok(if reverse { found.rev().take(limit).collect() } else { found.take(limit).collect() })
    }

    fn write(&self, batch: Batch) -> Result<(), StoreError> {
        let mut tables = self.tables.write().unwrap_or_else(PoisonError::into_inner);
        for Change { table, key, value } in batch.changes {
            let entries = tables.entry(table).or_default();
            match value {
                Some(value) => entries.insert(key, Arc::unwrap_or_clone(value)),
                None => entries.remove(&key),
            };
        }
        Ok(())
    }
}
