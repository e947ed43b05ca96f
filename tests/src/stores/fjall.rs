//! fjall 3, a log-structured tree: each batch is appended to a journal and synced, and threads of its own make sorted tables of it, so a key
//! costs a tenth of what it costs in a B-tree whose pages are copied.
//!
//! Blocks of its tables and batches of its journal carry checksums, checked when they are read. A journal is read up to the first batch that
//! is not whole: that is where a power cut ended it, but rot looks the same, and what followed is then missing without an error.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use althing_node::storage::{Batch, Entry, Store, StoreError, Table};
use fjall::{Database, Keyspace, KeyspaceCreateOptions, KvSeparationOptions, PersistMode};

/// As much as the node gives redb.
const CACHE_BYTES: u64 = 24 * 1024 * 1024;
/// What is written and not in a sorted table yet; some of these are in memory at once. The smallest that its documents recommend.
const MEMTABLE_BYTES: u64 = 8 * 1024 * 1024;

/// A [`Store`] in one directory of fjall. All tables share one keyspace, as it has no empty keys: a key begins with its table's number.
pub struct FjallStore {
    database: Database,
    entries: Keyspace,
    path: PathBuf,
}

impl FjallStore {
    /// Makes a new database in the directory `path`, which must not exist.
    pub fn create(path: &Path) -> Result<Self, StoreError> {
        let refused = |source| StoreError::Io { doing: "create", path: path.to_owned(), source };
        fs::create_dir(path).map_err(refused)?;
        Self::open_with(path)
    }

    /// Opens the database in `path`, which must exist.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        // fjall would make an empty database of a missing one.
        let refused = |source| StoreError::Io { doing: "open", path: path.to_owned(), source };
        fs::metadata(path.join("version")).map_err(refused)?;
        Self::open_with(path)
    }

    fn open_with(path: &Path) -> Result<Self, StoreError> {
        let open = || {
            let database = Database::builder(path).cache_size(CACHE_BYTES).open()?;
            let entries = database.keyspace("entries", || {
                // Blocks and results are large: they are not to be copied with each compaction.
                KeyspaceCreateOptions::default()
                    .max_memtable_size(MEMTABLE_BYTES)
                    .with_kv_separation(Some(KvSeparationOptions::default()))
            })?;
            database.persist(PersistMode::SyncAll)?;
            Ok((database, entries))
        };
        let (database, entries) = open().map_err(failure("open", path))?;
        Ok(FjallStore { database, entries, path: path.to_owned() })
    }
}

impl Store for FjallStore {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let value = self.entries.get(tagged(table, key)).map_err(failure("read", &self.path))?;
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
        let found = self.entries.range(tagged(table, from)..end).map(|entry| {
            let (key, value) = entry.into_inner().map_err(failure("read", &self.path))?;
            Ok((key[1..].to_vec(), value.to_vec()))
        });
        if reverse { found.rev().take(limit).collect() } else { found.take(limit).collect() }
    }

    fn write(&self, batch: Batch) -> Result<(), StoreError> {
        // All changes of a batch have one number: of two to the same key fjall does not know which was later.
        let last: BTreeMap<_, _> =
            batch.changes().map(|(table, key, value)| (tagged(table, key), value)).collect();
        let mut changes = self.database.batch().durability(Some(PersistMode::SyncAll));
        for (key, value) in last {
            match value {
                Some(value) => changes.insert(&self.entries, key, value),
                None => changes.remove(&self.entries, key),
            }
        }
        // After a failure fjall itself takes no more writes.
        changes.commit().map_err(failure("write to", &self.path))
    }
}

pub(super) fn tagged(table: Table, key: &[u8]) -> Vec<u8> {
    [&[table as u8], key].concat()
}

fn failure(doing: &'static str, path: &Path) -> impl FnOnce(fjall::Error) -> StoreError {
    let path = path.to_owned();
    move |error| match error {
        fjall::Error::Io(source) => StoreError::Io { doing, path, source },
        fjall::Error::Locked => StoreError::InUse { path, pid: None },
        fjall::Error::Poisoned => {
            StoreError::Io { doing, path, source: io::Error::other("an earlier operation on it failed") }
        }
        damaged => StoreError::Corrupt { path, what: damaged.to_string() },
    }
}
