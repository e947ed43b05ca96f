//! Tables in memory that survive their node: every write is whole and durable when it returns. For runs in which the database itself
//! is not what is tried.

use std::path::PathBuf;
use std::sync::Arc;

use althing_node::storage::{Batch, Entry, MemoryStore, Store, StoreError, Table};

use super::faults::Faults;

/// Tables on a disk that can end the node.
pub(super) struct Tables {
    pub(super) store: Arc<MemoryStore>,
    pub(super) faults: Faults,
}

impl Store for Tables {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.store.get(table, key)
    }

    fn range(
        &self,
        table: Table,
        from: &[u8],
        to: &[u8],
        limit: usize,
        reverse: bool,
    ) -> Result<Vec<Entry>, StoreError> {
        self.store.range(table, from, to, limit, reverse)
    }

    fn write(&self, batch: Batch) -> Result<(), StoreError> {
        self.faults.operate(|| self.store.write(batch)).map_err(|source| StoreError::Io {
            doing: "write to",
            path: PathBuf::from("disk"),
            source,
        })?
    }
}

/// A copy of all entries.
pub(super) fn copy(store: &MemoryStore) -> Result<MemoryStore, StoreError> {
    let mut batch = Batch::new();
    for table in Table::ALL {
        for (key, value) in store.range(table, &[], &[], usize::MAX, false)? {
            batch.put(table, key, value);
        }
    }
    let copy = MemoryStore::new();
    copy.write(batch)?;
    Ok(copy)
}
