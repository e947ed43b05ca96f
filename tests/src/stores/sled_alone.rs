//! sled 0.34 with nothing but its own `flush`: what the node's adapter would be without its sync of sled's files.

use std::fs;
use std::path::{Path, PathBuf};

use althing_node::storage::{Batch, Entry, Store, StoreError, Table};

use super::fjall::tagged;

/// As the node's adapter has it.
const CACHE_BYTES: u64 = 16 * 1024 * 1024;

/// A [`Store`] in one directory of sled, for one thread.
pub struct SledAlone {
    database: sled::Db,
    path: PathBuf,
}

impl SledAlone {
    /// Makes a new database in the directory `path`, which must not exist.
    pub fn create(path: &Path) -> Result<Self, StoreError> {
        fs::create_dir(path).map_err(|source| StoreError::Io {
            doing: "create",
            path: path.to_owned(),
            source,
        })?;
        Self::open_with(path)
    }

    /// Opens the database in `path`, which must exist.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let log = path.join("db");
        fs::metadata(&log).map_err(|source| StoreError::Io { doing: "open", path: log, source })?;
        Self::open_with(path)
    }

    fn open_with(path: &Path) -> Result<Self, StoreError> {
        let config = sled::Config::new().path(path).cache_capacity(CACHE_BYTES).flush_every_ms(None);
        let database = config.open().map_err(|e| failure(path, &e))?;
        Ok(Self { database, path: path.to_owned() })
    }
}

impl Store for SledAlone {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let value = self.database.get(tagged(table, key)).map_err(|e| failure(&self.path, &e))?;
        Ok(value.map(|value| value.to_vec()))
    }

    fn range(
        &self,
        table: Table,
        from: &[u8],
        to: &[u8],
        limit: usize,
        reverse: bool,
    ) -> Result<Vec<Entry>, StoreError> {
        if !to.is_empty() && from >= to {
            return Ok(Vec::new());
        }
        let end = if to.is_empty() { vec![table as u8 + 1] } else { tagged(table, to) };
        let found = self.database.range(tagged(table, from)..end).map(|entry| {
            let (key, value) = entry.map_err(|e| failure(&self.path, &e))?;
            Ok((key[1..].to_vec(), value.to_vec()))
        });
        if reverse { found.rev().take(limit).collect() } else { found.take(limit).collect() }
    }

    fn write(&self, batch: Batch) -> Result<(), StoreError> {
        let mut changes = sled::Batch::default();
        for (table, key, value) in batch.changes() {
            match value {
                Some(value) => changes.insert(tagged(table, key), value),
                None => changes.remove(tagged(table, key)),
            }
        }
        self.database.apply_batch(changes).map_err(|e| failure(&self.path, &e))?;
        self.database.flush().map_err(|e| failure(&self.path, &e))?;
        Ok(())
    }
}

fn failure(path: &Path, error: &sled::Error) -> StoreError {
    StoreError::Corrupt { path: path.to_owned(), what: error.to_string() }
}
