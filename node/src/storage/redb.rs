//! The default database: redb, a copy-on-write B-tree in one file.
//!
//! A write is one transaction, synced before it returns. The roots of the tree are checksummed, and a commit is two-phase
//! with the allocator's state saved beside it ("quick repair"): what clients submit cannot forge a half-written commit,
//! and a node that was killed reopens at once, however long its chain.
//!
//! redb checks its checksums when it repairs, not when it reads: a rotten sector would come back as data. So every value
//! is stored behind a checksum of its own, the first 8 bytes of SHA-256 of key and value, and checked when it is read.

use super::{Batch, Change, Entry, Store, StoreError, Table, bounds, error::contain};
use althing_crypto::sha256_concat;
use redb::{
    Builder, Database, DatabaseError, ReadOnlyTable, ReadableDatabase, StorageBackend, StorageError,
    TableDefinition, WriteTransaction,
};
use std::{
    io,
    path::{Path, PathBuf},
};

/// A validator may use little memory, and reads few blocks more than once.
const CACHE_BYTES: usize = 24 * 1024 * 1024;

const CHECKSUM_BYTES: usize = 8;

type Definition = TableDefinition<'static, &'static [u8], &'static [u8]>;

/// A [`Store`] in one redb file.
#[derive(Debug)]
pub struct RedbStore {
    /// None only while it is dropped.
    database: Option<Database>,
    path: PathBuf,
}

impl RedbStore {
    /// Makes a new database at `path`, which must not exist.
    pub fn create(path: &Path) -> Result<Self, StoreError> {
        let file = std::fs::OpenOptions::new().read(true).write(true).create_new(true).open(path);
        let file = file.map_err(StoreError::io("create", path))?;
        Self::open_with(path, |builder| builder.create_file(file))
    }

    /// Opens the database at `path`, which must exist.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_with(path, |builder| builder.open(path))
    }

    /// Opens a database on storage of one's own, or makes one if that is empty. `name` stands for the path in errors.
    pub fn on_backend(backend: impl StorageBackend, name: &Path) -> Result<Self, StoreError> {
        Self::open_with(name, |builder| builder.create_with_backend(backend))
    }

    fn open_with(
        path: &Path,
        open: impl FnOnce(&Builder) -> Result<Database, DatabaseError>,
    ) -> Result<Self, StoreError> {
        let mut builder = Builder::new();
        builder.set_cache_size(CACHE_BYTES);
        let database = contain(path, || open(&builder).map_err(|e| failure("open", path, e)))?;
        let store = RedbStore { database: Some(database), path: path.to_owned() };
        store.create_tables()?;
        Ok(store)
    }

    fn database(&self) -> &Database {
        self.database.as_ref().expect("a store is used before it is dropped")
    }

    /// Makes all tables exist, so that reading never meets a missing one, and shows that the disk can be written.
    fn create_tables(&self) -> Result<(), StoreError> {
        self.transact(|transaction| {
            for table in Table::ALL {
                transaction.open_table(definition(table))?;
            }
            Ok(())
        })
    }

    fn transact(
        &self,
        change: impl FnOnce(&WriteTransaction) -> Result<(), redb::Error>,
    ) -> Result<(), StoreError> {
        let commit = || -> Result<(), redb::Error> {
            let mut transaction = self.database().begin_write()?;
            transaction.set_quick_repair(true);
            change(&transaction)?;
            transaction.commit()?;
            Ok(())
        };
        contain(&self.path, || commit().map_err(|e| failure("write to", &self.path, e)))
    }

    fn read<T>(
        &self,
        table: Table,
        read: impl FnOnce(ReadOnlyTable<&'static [u8], &'static [u8]>) -> Result<T, StorageError>,
    ) -> Result<T, StoreError> {
        let open = || -> Result<_, redb::Error> {
            Ok(read(self.database().begin_read()?.open_table(definition(table))?)?)
        };
        contain(&self.path, || open().map_err(|e| failure("read", &self.path, e)))
    }
}

impl Drop for RedbStore {
    /// A database that has panicked panics again when it is closed, which would end the process without a word of what was wrong.
    fn drop(&mut self) {
        let database = self.database.take();
        let closed = contain(&self.path, || {
            drop(database);
            Ok(())
        });
        // Whatever was acknowledged is durable without a close in good order.
        drop(closed);
    }
}

impl Store for RedbStore {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.read(table, |entries| entries.get(key)?.map(|stored| checked(key, stored.value())).transpose())
    }

    fn range(
        &self,
        table: Table,
        from: &[u8],
        to: &[u8],
        limit: usize,
        reverse: bool,
    ) -> Result<Vec<Entry>, StoreError> {
        let Some(bounds) = bounds(from, to) else {
            return Ok(Vec::new());
        };
        self.read(table, |entries| {
            let found = entries.range::<&[u8]>(bounds)?.map(|entry| {
                let (key, stored) = entry?;
                let value = checked(key.value(), stored.value())?;
                Ok((key.value().to_vec(), value))
            });
            if reverse { found.rev().take(limit).collect() } else { found.take(limit).collect() }
        })
    }

    fn write(&self, batch: Batch) -> Result<(), StoreError> {
        self.transact(|transaction| {
            for changes in batch.changes.chunk_by(|a, b| a.table == b.table) {
                let mut entries = transaction.open_table(definition(changes[0].table))?;
                for Change { key, value, .. } in changes {
                    match value {
                        Some(value) => {
                            let mut place =
                                entries.insert_reserve(key.as_slice(), CHECKSUM_BYTES + value.len())?;
                            let (checksum, rest) = place.as_mut().split_at_mut(CHECKSUM_BYTES);
                            checksum.copy_from_slice(&checksum_of(key, value));
                            rest.copy_from_slice(value);
                        }
                        None => drop(entries.remove(key.as_slice())?),
                    }
                }
            }
            Ok(())
        })
    }
}

fn checksum_of(key: &[u8], value: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut checksum = [0; CHECKSUM_BYTES];
    checksum.copy_from_slice(&sha256_concat(&[key, value]).as_bytes()[..CHECKSUM_BYTES]);
    checksum
}

/// The value that was stored under `key`, if nothing has changed it since.
fn checked(key: &[u8], stored: &[u8]) -> Result<Vec<u8>, StorageError> {
    match stored.split_at_checked(CHECKSUM_BYTES) {
        Some((checksum, value)) if checksum == checksum_of(key, value) => Ok(value.to_vec()),
        _ => Err(StorageError::Corrupted(format!("the value of key {key:02x?} does not match its checksum"))),
    }
}

const fn definition(table: Table) -> Definition {
    TableDefinition::new(table.name())
}

fn failure(doing: &'static str, path: &Path, error: impl Into<redb::Error>) -> StoreError {
    let path = path.to_owned();
    match error.into() {
        redb::Error::Io(e)
            if matches!(e.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof) =>
        {
            StoreError::Corrupt { path, what: e.to_string() }
        }
        redb::Error::Io(source) => StoreError::Io { doing, path, source },
        redb::Error::DatabaseAlreadyOpen => StoreError::InUse { path, pid: None },
        redb::Error::PreviousIo => {
            StoreError::Io { doing, path, source: io::Error::other("an earlier operation on it failed") }
        }
        damaged => StoreError::Corrupt { path, what: damaged.to_string() },
    }
}
