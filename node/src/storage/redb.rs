//! The default database: redb, a copy-on-write B-tree in one file.
//!
//! A write is one transaction, synced before it returns. The roots of the tree are checksummed, and a commit is two-phase
//! with the allocator's state saved beside it ("quick repair"): what clients submit cannot forge a half-written commit,
//! and a node that was killed reopens at once, however long its chain.
//!
//! redb checks its checksums when it repairs, not when it reads: a rotten sector would come back as data. So every value
//! is stored behind a checksum of its own, the first 8 bytes of SHA-256 of key and value, and checked when it is read.
//!
//! A large value has a page of its own, and pages double in size: what is a little longer than a page takes two of them, on disk
//! and in each copy on the way there. So a value that is longer than [`PIECE_BYTES`] lies in pieces that fill their pages: the first in its
//! table, the others in a table for all, under table, key and number. A piece of full length has another behind it, if there is one.

use super::{Batch, Change, Entry, Store, StoreError, Table, bounds, error::contain};
use althing_crypto::sha256_concat;
use redb::{
    Builder, Database, DatabaseError, ReadOnlyTable, ReadTransaction, ReadableDatabase, StorageBackend,
    StorageError, TableDefinition, WriteTransaction,
};
use std::{
    io,
    path::{Path, PathBuf},
};

/// A validator may use little memory, and reads few blocks more than once.
const CACHE_BYTES: usize = 24 * 1024 * 1024;

const CHECKSUM_BYTES: usize = 8;

/// What a page of 128 KiB has room for beside the key. Pages much larger are filled less well, much smaller ones are many.
const PIECE_BYTES: usize = (128 << 10) - 256;

const PIECES: Definition = TableDefinition::new("pieces");

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
            transaction.open_table(PIECES)?;
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
        read: impl FnOnce(&Entries) -> Result<T, redb::Error>,
    ) -> Result<T, StoreError> {
        let open = || -> Result<_, redb::Error> {
            let transaction = self.database().begin_read()?;
            read(&Entries { entries: transaction.open_table(definition(table))?, table, transaction })
        };
        contain(&self.path, || open().map_err(|e| failure("read", &self.path, e)))
    }
}

/// A table as it is at one time, with the pieces of its values.
struct Entries {
    entries: ReadOnlyTable<&'static [u8], &'static [u8]>,
    table: Table,
    transaction: ReadTransaction,
}

impl Entries {
    /// The value that was stored under `key`, whose first piece is this, if nothing has changed it since.
    fn value(&self, key: &[u8], first: &[u8]) -> Result<Vec<u8>, redb::Error> {
        if first.len() != PIECE_BYTES {
            return Ok(checked(key, first)?.to_vec());
        }
        let pieces = self.transaction.open_table(PIECES)?;
        let mut stored = first.to_vec();
        for number in 1.. {
            let Some(piece) = pieces.get(piece_key(self.table, key, number).as_slice())? else { break };
            stored.extend_from_slice(piece.value());
            if piece.value().len() != PIECE_BYTES {
                break;
            }
        }
        checked(key, &stored)?;
        stored.drain(..CHECKSUM_BYTES);
        Ok(stored)
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
        self.read(table, |table| {
            table.entries.get(key)?.map(|stored| table.value(key, stored.value())).transpose()
        })
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
        self.read(table, |table| {
            let found = table.entries.range::<&[u8]>(bounds)?.map(|entry| {
                let (key, stored) = entry?;
                Ok((key.value().to_vec(), table.value(key.value(), stored.value())?))
            });
            if reverse { found.rev().take(limit).collect() } else { found.take(limit).collect() }
        })
    }

    fn write(&self, batch: Batch) -> Result<(), StoreError> {
        self.transact(|transaction| {
            for changes in batch.changes.chunk_by(|a, b| a.table == b.table) {
                let table = changes[0].table;
                let mut entries = transaction.open_table(definition(table))?;
                for Change { key, value, .. } in changes {
                    let (first, rest) = value.as_ref().map_or((None, &[][..]), |value| {
                        let (first, rest) = value.split_at(value.len().min(PIECE_BYTES - CHECKSUM_BYTES));
                        (Some([&checksum_of(key, value)[..], first].concat()), rest)
                    });
                    let before = match first {
                        Some(first) => entries.insert(key.as_slice(), first.as_slice())?,
                        None => entries.remove(key.as_slice())?,
                    };
                    let had_pieces = before.is_some_and(|before| before.value().len() == PIECE_BYTES);
                    if had_pieces || !rest.is_empty() {
                        put_pieces(transaction, (table, key), rest)?;
                    }
                }
            }
            Ok(())
        })
    }
}

/// Puts what follows the first piece of a value in the place of what is there.
fn put_pieces(
    transaction: &WriteTransaction,
    (table, key): (Table, &[u8]),
    rest: &[u8],
) -> Result<(), redb::Error> {
    let mut pieces = transaction.open_table(PIECES)?;
    let mut numbers = 1..;
    for (piece, number) in rest.chunks(PIECE_BYTES).zip(numbers.by_ref()) {
        pieces.insert(piece_key(table, key, number).as_slice(), piece)?;
    }
    for number in numbers {
        if pieces.remove(piece_key(table, key, number).as_slice())?.is_none() {
            break;
        }
    }
    Ok(())
}

/// Another for every piece: what comes before the number differs for keys of one length, the length for others.
fn piece_key(table: Table, key: &[u8], number: u32) -> Vec<u8> {
    [&[table as u8], key, &number.to_be_bytes()].concat()
}

fn checksum_of(key: &[u8], value: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut checksum = [0; CHECKSUM_BYTES];
    checksum.copy_from_slice(&sha256_concat(&[key, value]).as_bytes()[..CHECKSUM_BYTES]);
    checksum
}

/// The value in what is stored under `key`, if nothing has changed it since.
fn checked<'a>(key: &[u8], stored: &'a [u8]) -> Result<&'a [u8], StorageError> {
    match stored.split_at_checked(CHECKSUM_BYTES) {
        Some((checksum, value)) if checksum == checksum_of(key, value) => Ok(value),
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
