//! What a node keeps on disk, under two promises.
//!
//! *Safety state* is one small file ([`SafetyStore`]): what this validator has signed, written twice and synced before a
//! signature leaves. It depends on no database.
//!
//! *Chain data* lies in two places. Blocks, certificates, results and indexes are in tables of ordered keys behind the
//! trait [`Store`]. This module alone knows which database that is: [`redb`](RedbStore) by default,
//! [`sled`](SledStore) for those who want it, [memory](MemoryStore) for simulation and tests. The application's state is
//! in files of its own, [`DirectoryFiles`]. Before the database
//! stands a log ([`WriteAhead`]). [`DataDirectory`] opens all under one lock and one format version.

use std::{ops::Bound, sync::Arc};

mod chain_store;
mod directory;
mod error;
#[cfg(test)]
mod hooked;
mod memory;
mod redb;
mod safety_store;
mod sled;
mod slot_file;
mod state_files;
mod write_ahead;

pub(crate) use self::chain_store::{Places, Subject, Term};
pub(crate) use self::directory::sync_directory;
#[cfg(test)]
pub(crate) use self::hooked::Hooked;
pub use self::{
    chain_store::{CarriedNotice, ChainStore, Indexing, Opening, StoredResults, TxLocation},
    directory::{BackendKind, DataDirectory},
    error::StoreError,
    memory::MemoryStore,
    redb::RedbStore,
    safety_store::{MAX_RECORD_BYTES, SafetyStore, SafetyStoreError},
    sled::SledStore,
    slot_file::SlotFile,
    state_files::DirectoryFiles,
    write_ahead::WriteAhead,
};

/// A key with its value.
pub type Entry = (Vec<u8>, Vec<u8>);

/// The tables of a store. Their names and numbers are on disk: never reuse one for another purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Table {
    /// Single facts about the chain, such as the executed height.
    Meta = 0,
    /// Blocks with their payload, by block hash.
    Blocks = 1,
    /// Hashes of the committed blocks, by height.
    BlockIndex = 2,
    /// Commit certificates, by the height of the newest block that each covers.
    Certificates = 3,
    /// Results of execution, by height.
    Results = 4,
    /// Terms with the heights of blocks: what searches look up, and where a transaction is found by its hash.
    Index = 5,
    /// How far the [log](WriteAhead) before the database has reached it.
    Log = 6,
}

impl Table {
    /// Every table.
    pub const ALL: [Table; 7] = [
        Table::Meta,
        Table::Blocks,
        Table::BlockIndex,
        Table::Certificates,
        Table::Results,
        Table::Index,
        Table::Log,
    ];

    const fn name(self) -> &'static str {
        match self {
            Table::Meta => "meta",
            Table::Blocks => "blocks",
            Table::BlockIndex => "block_index",
            Table::Certificates => "certificates",
            Table::Results => "results",
            Table::Index => "index",
            Table::Log => "log",
        }
    }
}

/// Changes that become visible and durable together or not at all. Of two changes to one key the later one counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    changes: Vec<Change>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Change {
    table: Table,
    key: Vec<u8>,
    /// `None` deletes the key. Shared, as a value of a megabyte may be wanted in two places.
    value: Option<Arc<Vec<u8>>>,
}

impl Batch {
    /// A batch without changes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets `key` to `value`, whether or not it was there.
    pub fn put(&mut self, table: Table, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) {
        self.changes.push(Change { table, key: key.into(), value: Some(Arc::new(value.into())) });
    }

    /// Removes `key`, if it is there.
    pub fn delete(&mut self, table: Table, key: impl Into<Vec<u8>>) {
        self.changes.push(Change { table, key: key.into(), value: None });
    }

    /// The changes in their order: table, key, and the value, or none if the key is deleted.
    pub fn changes(&self) -> impl Iterator<Item = (Table, &[u8], Option<&[u8]>)> {
        self.changes
            .iter()
            .map(|change| (change.table, &change.key[..], change.value.as_ref().map(|value| &value[..])))
    }

    /// The number of changes.
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
}

/// Tables of ordered byte strings on disk. All methods block on the disk: call them where blocking is allowed. Readers run
/// beside a writer and see all of a batch or nothing of it; they may see it before it is durable.
///
/// After an error of [`Store::write`] nobody knows what the disk holds (a failed sync may have dropped the data that it
/// was asked to keep), so the store refuses all further writes and the node has to stop.
pub trait Store: Send + Sync {
    /// The value of `key`, if it is there.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// At most `limit` entries with `from <= key < to`, ascending, or from the highest down if `reverse`. An empty `to`
    /// means the end of the table. The caller bounds memory by `limit`.
    fn range(
        &self,
        table: Table,
        from: &[u8],
        to: &[u8],
        limit: usize,
        reverse: bool,
    ) -> Result<Vec<Entry>, StoreError>;

    /// Performs the whole batch or nothing of it; durable when it returns `Ok`.
    fn write(&self, batch: Batch) -> Result<(), StoreError>;

    /// Whether a power cut during [`Store::write`] may leave a part of the batch, against what that promises.
    fn tears(&self) -> bool {
        false
    }
}

type Bounds<'a> = (Bound<&'a [u8]>, Bound<&'a [u8]>);

/// The bounds that [`Store::range`] means, or `None` if no key lies between them.
fn bounds<'a>(from: &'a [u8], to: &'a [u8]) -> Option<Bounds<'a>> {
    match to {
        [] => Some((Bound::Included(from), Bound::Unbounded)),
        _ if from < to => Some((Bound::Included(from), Bound::Excluded(to))),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
