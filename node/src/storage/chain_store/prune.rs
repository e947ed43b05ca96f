//! Old blocks go, where the application and the operator let them.

use althing_consensus::Height;
use althing_crypto::Encoding;

use super::index::senders_key;
use super::{ChainStore, Fact, accounts::votes_key, corrupt, height_key, height_of};
use crate::storage::{Batch, StoreError, Table};

/// Key of the reported height in [`Table::Meta`].
const REPORTED: &[u8] = b"reported";

impl ChainStore {
    /// The lowest height above 0 whose block is here.
    pub fn oldest(&self) -> Result<Option<Height>, StoreError> {
        let oldest = self.store.range(Table::BlockIndex, &height_key(Height(1)), &[], 1, false)?;
        oldest.first().map(|(key, _)| height_of(key)).transpose()
    }

    /// The height at which the application stood when this node last met it: what survived its restart. 0 before that.
    pub fn reported(&self) -> Result<Height, StoreError> {
        Ok(self.read(Table::Meta, REPORTED)?.map_or(Height(0), |Fact(height)| height))
    }

    /// Remembers where the application stands.
    pub fn put_reported(&self, height: Height) -> Result<(), StoreError> {
        if self.reported()? == height {
            return Ok(());
        }
        let mut batch = Batch::new();
        batch.put(Table::Meta, REPORTED, Fact(height).encode());
        self.store.write(batch)
    }

    /// Removes the oldest blocks, at most `max` and all below `end`, with their certificates, results, transactions' places and index entries. Block 0
    /// stays: all is checked from there.
    pub fn prune(&self, end: Height, max: usize) -> Result<(), StoreError> {
        let entries =
            self.store.range(Table::BlockIndex, &height_key(Height(1)), &height_key(end), max, false)?;
        if entries.is_empty() {
            return Ok(());
        }
        let mut batch = Batch::new();
        let mut left = Height(1);
        for (key, _) in entries {
            let height = height_of(&key)?;
            let hash =
                self.hash_at(height)?.ok_or_else(|| corrupt(format!("height {height} has no block")))?;
            batch.delete(Table::Blocks, *hash.as_bytes());
            batch.delete(Table::Index, senders_key(height));
            self.forget_justifications(&mut batch, height, None)?;
            batch.delete(Table::Meta, votes_key(height));
            for table in [Table::BlockIndex, Table::Certificates, Table::Results] {
                batch.delete(table, key.clone());
            }
            left = height.next();
        }
        self.write_pruned(batch, left)
    }
}
