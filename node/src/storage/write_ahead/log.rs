//! The bytes of the log: writes one behind the other in numbered files, each file begun when what stands in those before goes to the
//! database.
//!
//! ```text
//! number     u64 LE, one more than that of the write before
//! length     u32 LE, of the changes
//! checksum   SHA-256 of number, length and changes
//! changes    Borsh: of each its table, its key, and its value or none
//! ```
//! A write is synced before the next one begins. So what a crash left half done stands at the very end; a write that is damaged and has a
//! whole one behind it was lost otherwise, and the log is not read.

use std::{io, path::Path, path::PathBuf, sync::Arc};

use althing_crypto::sha256_concat;
use althing_ledger::state::StateFiles;
use borsh::BorshDeserialize;

use crate::storage::{Batch, Change, StoreError, Table};

const HEAD: usize = 8 + 4 + 32;

/// The end of the log, where writes go.
pub(super) struct Log {
    files: Arc<dyn StateFiles>,
    path: PathBuf,
    /// Where the next write goes.
    file: u32,
    /// The number of the newest write.
    sequence: u64,
    /// Nobody knows what the disk holds.
    failed: bool,
}

/// Files whose writes have reached the database.
pub(super) struct Older {
    files: Arc<dyn StateFiles>,
    path: PathBuf,
    numbers: Vec<u32>,
}

impl Older {
    /// Removes them. A crash may bring one back: its writes are passed over then.
    pub(super) fn remove(self) -> Result<(), StoreError> {
        let remove =
            |number: &u32| self.files.remove(*number).map_err(StoreError::io("remove a file of", &self.path));
        self.numbers.iter().try_for_each(remove)
    }
}

impl Log {
    /// Reads what stands in these files behind the write of number `newest`, in order, and goes on in a file of its own.
    pub(super) fn open(
        files: Arc<dyn StateFiles>,
        path: &Path,
        newest: u64,
        mut found: impl FnMut(u64, Batch) -> Result<(), StoreError>,
    ) -> Result<Self, StoreError> {
        let mut sequence = newest;
        let mut numbers = files.list().map_err(StoreError::io("list", path))?;
        numbers.sort_unstable();
        for &number in &numbers {
            let mut reader = Reader { files: &*files, path, number, at: 0, len: 0 };
            reader.len = files.len(number).map_err(StoreError::io("read", path))?;
            while let Some((next, batch)) = reader.next()? {
                if next <= newest {
                    continue;
                }
                if next != sequence + 1 {
                    return Err(StoreError::Corrupt {
                        path: path.to_owned(),
                        what: format!("write {next} follows write {sequence}: what was between them is lost"),
                    });
                }
                sequence = next;
                found(sequence, batch)?;
            }
        }
        let file = numbers.last().map_or(1, |last| last.saturating_add(1));
        Ok(Self { files, path: path.to_owned(), file, sequence, failed: false })
    }

    /// The number of the newest write.
    pub(super) fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Makes a write durable.
    pub(super) fn append(&mut self, batch: &Batch) -> Result<(), StoreError> {
        if self.failed {
            let source = io::Error::other("an earlier write to it failed");
            return Err(StoreError::Io { doing: "write to", path: self.path.clone(), source });
        }
        self.failed = true;
        let bytes = encode(self.sequence + 1, batch);
        self.files
            .append(self.file, &bytes)
            .and_then(|()| self.files.sync(self.file))
            .map_err(StoreError::io("write to", &self.path))?;
        self.sequence += 1;
        self.failed = false;
        Ok(())
    }

    /// What is written next goes into a file of its own; those before can be removed once the database has what they hold.
    pub(super) fn begin_file(&mut self) -> Older {
        self.file += 1;
        Older { files: self.files.clone(), path: self.path.clone(), numbers: vec![self.file - 1] }
    }

    /// All files before that of the next write.
    pub(super) fn older(&self) -> Result<Older, StoreError> {
        let mut numbers = self.files.list().map_err(StoreError::io("list", &self.path))?;
        // The oldest first: what is left after a crash in between has no gap.
        numbers.sort_unstable();
        Ok(Older { files: self.files.clone(), path: self.path.clone(), numbers })
    }
}

fn encode(sequence: u64, batch: &Batch) -> Vec<u8> {
    let changes: Vec<_> = batch.changes().map(|(table, key, value)| (table as u8, key, value)).collect();
    let mut bytes = vec![0; HEAD];
    borsh::to_writer(&mut bytes, &changes).expect("memory takes it");
    let len = u32::try_from(bytes.len() - HEAD).expect("the values of a batch are bounded far below 4 GiB");
    bytes[..8].copy_from_slice(&sequence.to_le_bytes());
    bytes[8..12].copy_from_slice(&len.to_le_bytes());
    let checksum = sha256_concat(&[&bytes[..12], &bytes[HEAD..]]);
    bytes[12..HEAD].copy_from_slice(checksum.as_bytes());
    bytes
}

/// A write as it stands in a file: its number and its changes, encoded.
type Frame = (u64, Vec<u8>);
/// Table, key, and value or none.
type Written = (u8, Vec<u8>, Option<Vec<u8>>);

/// Goes through one file.
struct Reader<'a> {
    files: &'a dyn StateFiles,
    path: &'a Path,
    number: u32,
    at: u64,
    len: u64,
}

impl Reader<'_> {
    /// The next write; none where none is whole.
    fn next(&mut self) -> Result<Option<(u64, Batch)>, StoreError> {
        let Some((frame, end)) = self.frame(self.at)? else { return Ok(None) };
        let Some((sequence, changes)) = frame else {
            // Where its length is right, the one behind it can be found.
            if matches!(self.frame(end)?, Some((Some(_), _))) {
                return Err(self.damaged("a write in its middle is damaged"));
            }
            return Ok(None);
        };
        let changes = Vec::<Written>::try_from_slice(&changes)
            .map_err(|error| self.damaged(&format!("write {sequence} cannot be read: {error}")))?;
        let mut batch = Batch::new();
        for (table, key, value) in changes {
            let table = Table::ALL.get(usize::from(table)).copied().ok_or_else(|| {
                self.damaged(&format!("write {sequence} is to table {table}, which there is not"))
            })?;
            batch.changes.push(Change { table, key, value: value.map(Arc::new) });
        }
        self.at = end;
        Ok(Some((sequence, batch)))
    }

    /// What stands here, if there is room for it: number and changes, if it is whole, and where it ends.
    fn frame(&self, at: u64) -> Result<Option<(Option<Frame>, u64)>, StoreError> {
        let Some(body) = at.checked_add(HEAD as u64).filter(|body| *body <= self.len) else {
            return Ok(None);
        };
        let mut head = [0; HEAD];
        self.read(at, &mut head)?;
        let (number, rest) = head.split_first_chunk::<8>().expect("the head is longer");
        let (len, checksum) = rest.split_first_chunk::<4>().expect("the head is longer");
        let len = u32::from_le_bytes(*len);
        let Some(end) = body.checked_add(len.into()).filter(|end| *end <= self.len) else { return Ok(None) };
        let mut changes = vec![0; len as usize];
        self.read(body, &mut changes)?;
        let whole = sha256_concat(&[&head[..12], &changes]).as_bytes() == checksum;
        Ok(Some((whole.then_some((u64::from_le_bytes(*number), changes)), end)))
    }

    fn read(&self, at: u64, out: &mut [u8]) -> Result<(), StoreError> {
        self.files.read(self.number, at, out).map_err(StoreError::io("read", self.path))
    }

    fn damaged(&self, what: &str) -> StoreError {
        StoreError::Corrupt {
            path: self.path.to_owned(),
            what: format!("file {} of the log: {what}", self.number),
        }
    }
}
