//! The thread that writes the journal. What comes while it syncs goes together into the next write: one sync for all of it.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::PoisonError;

use super::book::Batch;
use super::record::Record;
use super::segment::Salt;
use super::{Broken, JournalError, Shared};
use crate::storage::sync_directory;

/// A segment that has grown so long gets a successor.
pub(super) const SEGMENT_BYTES: u64 = 8 << 20;
/// The version of the format, as the names of the files end.
pub(super) const VERSION: &str = "v1";

/// The segments on disk, of which the newest one grows.
pub(super) struct Files {
    directory: PathBuf,
    file: File,
    path: PathBuf,
    number: u64,
    salt: Salt,
    bytes: u64,
    /// All segments, this one among them.
    paths: BTreeMap<u64, PathBuf>,
}

/// What a start finds: the segments, and number and length of the newest.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) paths: BTreeMap<u64, PathBuf>,
    pub(super) newest: Option<(u64, u64)>,
    /// Those that are missing between others.
    pub(super) missing: Vec<u64>,
}

/// The name of a segment.
pub(super) fn name(number: u64, salt: Salt) -> String {
    format!("{number:010}-{:016x}.{VERSION}", salt.0)
}

impl Files {
    /// Begins a segment after those found.
    pub(super) fn create(directory: PathBuf, found: Found) -> Result<Self, JournalError> {
        let number = found.newest.map_or(1, |(newest, _)| newest + 1);
        let salt = getrandom::u64().map_err(|error| JournalError::Disk {
            what: "find a name for a file",
            path: directory.clone(),
            source: io::Error::other(error),
        })?;
        let path = directory.join(name(number, Salt(salt)));
        let failed = |source| JournalError::Disk { what: "create", path: path.clone(), source };
        let file = OpenOptions::new().append(true).create_new(true).open(&path).map_err(failed)?;
        let mut paths = found.paths;
        paths.insert(number, path.clone());
        let mut files =
            Self { directory, file, path: path.clone(), number, salt: Salt(salt), bytes: 0, paths };
        files.append(&[Record::Opened { before: found.newest }]).map_err(failed)?;
        files.file.sync_data().and_then(|()| sync_directory(&files.directory)).map_err(failed)?;
        Ok(files)
    }

    fn append(&mut self, records: &[Record]) -> io::Result<()> {
        let mut bytes = Vec::new();
        for record in records {
            self.salt.frame(self.bytes + bytes.len() as u64, record, &mut bytes);
        }
        self.file.write_all(&bytes)?;
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    /// Writes a batch. Durable when it returns, if the batch is to be.
    fn write(&mut self, batch: &Batch) -> Result<(), JournalError> {
        if self.bytes > SEGMENT_BYTES {
            self.file.sync_data().map_err(|source| self.failed("sync", source))?;
            let newest = Some((self.number, self.bytes));
            let found = Found { paths: std::mem::take(&mut self.paths), newest, missing: Vec::new() };
            *self = Self::create(self.directory.clone(), found)?;
        }
        self.append(&batch.records).map_err(|source| self.failed("write to", source))?;
        if batch.sync {
            self.file.sync_data().map_err(|source| self.failed("sync", source))?;
        }
        Ok(())
    }

    fn remove(&mut self, number: u64) -> Result<(), JournalError> {
        let Some(path) = self.paths.remove(&number) else { return Ok(()) };
        // Before another one goes: a start must not find an older one without the ends that stood in this one.
        let removed = std::fs::remove_file(&path).and_then(|()| sync_directory(&self.directory));
        removed.map_err(|source| JournalError::Disk { what: "remove", path, source })
    }

    fn failed(&self, what: &'static str, source: io::Error) -> JournalError {
        JournalError::Disk { what, path: self.path.clone(), source }
    }
}

/// Writes until the journal is closed, or cannot be written.
pub(super) fn run(shared: &Shared, mut files: Files) {
    if let Err(error) = write_all(shared, &mut files) {
        tracing::error!(%error, "nothing more is acknowledged to clients until this node is started anew");
    }
    // Nothing that comes now becomes durable.
    _ = shared.durable.send_replace(Err(Broken));
}

fn write_all(shared: &Shared, files: &mut Files) -> Result<(), JournalError> {
    loop {
        let batch = {
            let mut state = shared.lock();
            loop {
                if let Some(batch) = state.book.take_batch() {
                    break batch;
                }
                if state.stopping {
                    return Ok(());
                }
                state = shared.work.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        };
        files.write(&batch)?;
        let unneeded = {
            let mut state = shared.lock();
            state.book.written(&batch, files.number, files.bytes);
            _ = shared.durable.send_replace(Ok(batch.number));
            state.book.clean(files.number)
        };
        // What was needed of it stands in later ones: if it has moved just now, this batch was synced.
        if let Some(number) = unneeded {
            files.remove(number)?;
        }
    }
}
