//! The other database: sled 0.34. It is here because people ask for it, and it is not recommended.
//!
//! Its `flush` asks the kernel to write the log's pages out (`sync_file_range`) but never to make the device keep them: of
//! five simulated power cuts under load, three lost data that had been acknowledged, one of them the whole database
//! without a word. This adapter therefore syncs sled's files itself after every flush. That closes the gap that we
//! measured; it does not make the recovery code behind it as well tried as redb's: where its log is damaged, sled may
//! open without an error and without what followed. And a batch is not always whole after a power cut: a large value lies in
//! a file of its own, and if the cut comes after the log and before that file, sled opens without the value and with the
//! rest of the batch (2 of 40 cuts; the batch was not acknowledged). It also takes many times the memory it is told to.

use super::{
    Batch, Change, Entry, Store, StoreError, Table, bounds, directory::sync_directory, error::contain,
};
use std::{
    fs::{self, File},
    io,
    ops::Bound,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError, RwLock},
};

/// sled may use a multiple of it.
const CACHE_BYTES: u64 = 16 * 1024 * 1024;

/// A [`Store`] in one directory of sled. All tables share one tree (a batch is atomic in one tree only): a key begins
/// with its table's number.
pub struct SledStore {
    database: sled::Db,
    path: PathBuf,
    /// Held for writing while a batch is applied, so that a range never shows half of it.
    applying: RwLock<()>,
    durability: Mutex<Durability>,
}

/// What the last writes have left to be known.
#[derive(Default)]
struct Durability {
    failed: bool,
    /// sled puts large values into files of their own, named by growing numbers; those up to this one are synced.
    synced_blob: Option<u64>,
}

impl SledStore {
    /// Makes a new database in the directory `path`, which must not exist.
    pub fn create(path: &Path) -> Result<Self, StoreError> {
        fs::create_dir(path).map_err(StoreError::io("create", path))?;
        let store = Self::open_with(path)?;
        store.write(Batch::new())?;
        Ok(store)
    }

    /// Opens the database in `path`, which must exist.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        // sled would make an empty database of a missing one.
        let log = path.join("db");
        fs::metadata(&log).map_err(StoreError::io("open", log))?;
        Self::open_with(path)
    }

    fn open_with(path: &Path) -> Result<Self, StoreError> {
        // Every write flushes: a flusher of sled's own would only wake up for nothing.
        let config = sled::Config::new().path(path).cache_capacity(CACHE_BYTES).flush_every_ms(None);
        let database = contain(path, || config.open().map_err(failure("open", path)))?;
        Ok(SledStore {
            database,
            path: path.to_owned(),
            applying: RwLock::default(),
            durability: Mutex::default(),
        })
    }

    /// Makes what sled has written survive a power cut. Large values first: the log points to them.
    fn sync_files(&self, synced_blob: &mut Option<u64>) -> io::Result<()> {
        let blobs = self.path.join("blobs");
        let mut newest = *synced_blob;
        for blob in fs::read_dir(&blobs)? {
            let blob = blob?;
            let number = blob.file_name().to_str().and_then(|name| name.parse::<u64>().ok());
            if number > *synced_blob {
                match File::open(blob.path()) {
                    Ok(file) => file.sync_all()?,
                    // A value that sled has replaced and removed meanwhile.
                    Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                    Err(e) => return Err(e),
                }
                newest = newest.max(number);
            }
        }
        if newest > *synced_blob {
            sync_directory(&blobs)?;
            *synced_blob = newest;
        }
        File::open(self.path.join("db"))?.sync_data()?;
        sync_directory(&self.path)
    }
}

impl Store for SledStore {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        contain(&self.path, || {
            let value = self.database.get(tagged(table, key)).map_err(failure("read", &self.path))?;
            Ok(value.map(|value| value.to_vec()))
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
        let Some((from, to)) = bounds(from, to) else {
            return Ok(Vec::new());
        };
        let to = match to {
            Bound::Unbounded => Bound::Excluded(vec![table as u8 + 1]),
            bounded => bounded.map(|key| tagged(table, key)),
        };
        let _unchanged = self.applying.read().unwrap_or_else(PoisonError::into_inner);
        contain(&self.path, || {
            let found = self.database.range((from.map(|key| tagged(table, key)), to)).map(|entry| {
                let (key, value) = entry.map_err(failure("read", &self.path))?;
                Ok((key[1..].to_vec(), value.to_vec()))
            });
            if reverse { found.rev().take(limit).collect() } else { found.take(limit).collect() }
        })
    }

    fn write(&self, batch: Batch) -> Result<(), StoreError> {
        let mut changes = sled::Batch::default();
        for Change { table, key, value } in batch.changes {
            match value {
                Some(value) => changes.insert(tagged(table, &key), &value[..]),
                None => changes.remove(tagged(table, &key)),
            }
        }
        let mut durability = self.durability.lock().unwrap_or_else(PoisonError::into_inner);
        if durability.failed {
            let source = io::Error::other("an earlier write to it failed");
            return Err(StoreError::Io { doing: "write to", path: self.path.clone(), source });
        }
        durability.failed = true;
        contain(&self.path, || {
            let applying = self.applying.write().unwrap_or_else(PoisonError::into_inner);
            self.database.apply_batch(changes).map_err(failure("write to", &self.path))?;
            drop(applying);
            self.database.flush().map_err(failure("write to", &self.path))?;
            self.sync_files(&mut durability.synced_blob).map_err(StoreError::io("sync", &self.path))
        })?;
        durability.failed = false;
        Ok(())
    }

    /// Its large values, which lie in files apart.
    fn tears(&self) -> bool {
        true
    }
}

fn tagged(table: Table, key: &[u8]) -> Vec<u8> {
    let mut tagged = Vec::with_capacity(1 + key.len());
    tagged.push(table as u8);
    tagged.extend(key);
    tagged
}

fn failure(doing: &'static str, path: &Path) -> impl FnOnce(sled::Error) -> StoreError {
    let path = path.to_owned();
    move |error| match error {
        sled::Error::Io(e)
            if matches!(e.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof) =>
        {
            StoreError::Corrupt { path, what: e.to_string() }
        }
        // sled says so in words only.
        sled::Error::Io(e) if e.to_string().contains("could not acquire lock") => {
            StoreError::InUse { path, pid: None }
        }
        sled::Error::Io(source) => StoreError::Io { doing, path, source },
        damaged => StoreError::Corrupt { path, what: damaged.to_string() },
    }
}
