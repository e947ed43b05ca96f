//! A store for tests, which does what they want when it is read or written.

use std::sync::Arc;

use super::{Batch, Entry, Store, StoreError, Table};

/// A [`Store`] before another one.
pub(crate) struct Hooked {
    /// Where reads go.
    pub(crate) kept: Arc<dyn Store>,
    /// Called before a key of this table is looked up,
    pub(crate) get: Box<dyn Fn(Table) + Send + Sync>,
    /// and before a range is.
    pub(crate) range: Box<dyn Fn() + Send + Sync>,
    /// Brings a batch to what is kept.
    #[allow(clippy::type_complexity)]
    pub(crate) write: Box<dyn Fn(&dyn Store, Batch) -> Result<(), StoreError> + Send + Sync>,
    /// What [`Store::tears`] says.
    pub(crate) tears: bool,
}

impl Hooked {
    /// One that changes nothing.
    pub(crate) fn over(kept: Arc<dyn Store>) -> Self {
        Self {
            kept,
            get: Box::new(|_| ()),
            range: Box::new(|| ()),
            write: Box::new(|kept, batch| kept.write(batch)),
            tears: false,
        }
    }
}

impl Store for Hooked {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        (self.get)(table);
        self.kept.get(table, key)
    }

    fn range(
        &self,
        table: Table,
        from: &[u8],
        to: &[u8],
        limit: usize,
        reverse: bool,
    ) -> Result<Vec<Entry>, StoreError> {
        (self.range)();
        self.kept.range(table, from, to, limit, reverse)
    }

    fn write(&self, batch: Batch) -> Result<(), StoreError> {
        (self.write)(&*self.kept, batch)
    }

    fn tears(&self) -> bool {
        self.tears
    }
}
