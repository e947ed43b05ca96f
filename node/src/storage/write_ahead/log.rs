//! The bytes of the log: writes one behind the other in numbered files, each file begun when what stands in those before goes to the
//! database.
//!
//! ```text
//! salt       16 bytes, random, the same for all writes of this home
//! number     u64 LE, one more than that of the write before
//! length     u32 LE, of the changes
//! checksum   SHA-256 of salt, number, length and the SHA-256 of the changes: whoever writes hashes these before it is its turn
//! changes    Borsh: of each its table, its key, and its value or none
//! ```
//! A write is synced before the next one begins. So what a crash left half done stands at the very end; a write that is damaged and has a
//! whole one anywhere behind it that the database lacks was lost otherwise, and the log is not read. The salt is what a whole one is looked
//! for by: nobody else knows it, so no transaction can look like a write. A file that begins with anything else is another home's, or the
//! database is: neither is read then, nor removed.

use std::{io, path::Path, path::PathBuf, sync::Arc};

use althing_crypto::{Hash, sha256, sha256_concat};
use althing_ledger::state::StateFiles;
use borsh::BorshDeserialize;

use crate::storage::{Batch, Change, StoreError, Table};

/// What each write of a home begins with.
pub(super) type Salt = [u8; 16];

const HEAD: usize = 16 + 8 + 4 + 32;
/// Where the checksum begins.
const SUMMED: usize = HEAD - 32;
/// Bytes looked through at once behind a damaged write.
const LOOK: usize = 1 << 20;

/// The end of the log, where writes go.
pub(super) struct Log {
    files: Arc<dyn StateFiles>,
    path: PathBuf,
    salt: Salt,
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
        salt: Salt,
        newest: u64,
        mut found: impl FnMut(u64, Batch) -> Result<(), StoreError>,
    ) -> Result<Self, StoreError> {
        let mut sequence = newest;
        let mut numbers = files.list().map_err(StoreError::io("list", path))?;
        numbers.sort_unstable();
        for &number in &numbers {
            let mut reader = Reader { files: &*files, path, salt, newest, number, at: 0, len: 0 };
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
        Ok(Self { files, path: path.to_owned(), salt, file, sequence, failed: false })
    }

    /// The number of the newest write.
    pub(super) fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Makes a write durable.
    pub(super) fn append(&mut self, write: Encoded) -> Result<(), StoreError> {
        if self.failed {
            let source = io::Error::other("an earlier write to it failed");
            return Err(StoreError::Io { doing: "write to", path: self.path.clone(), source });
        }
        self.failed = true;
        let bytes = write.numbered(&self.salt, self.sequence + 1);
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

/// A write that has no number yet: all that takes long is done.
pub(super) struct Encoded {
    /// Room for the head, then the changes.
    bytes: Vec<u8>,
    digest: Hash,
}

impl Encoded {
    pub(super) fn new(batch: &Batch) -> Self {
        let changes: Vec<_> = batch.changes().map(|(table, key, value)| (table as u8, key, value)).collect();
        let mut bytes = vec![0; HEAD];
        borsh::to_writer(&mut bytes, &changes).expect("memory takes it");
        let digest = sha256(&bytes[HEAD..]);
        Self { bytes, digest }
    }

    fn numbered(self, salt: &Salt, sequence: u64) -> Vec<u8> {
        let Self { mut bytes, digest } = self;
        let len =
            u32::try_from(bytes.len() - HEAD).expect("the values of a batch are bounded far below 4 GiB");
        bytes[..16].copy_from_slice(salt);
        bytes[16..24].copy_from_slice(&sequence.to_le_bytes());
        bytes[24..SUMMED].copy_from_slice(&len.to_le_bytes());
        let checksum = checksum(&bytes[..SUMMED], &digest);
        bytes[SUMMED..HEAD].copy_from_slice(checksum.as_bytes());
        bytes
    }
}

fn checksum(head: &[u8], digest: &Hash) -> Hash {
    sha256_concat(&[head, digest.as_bytes()])
}

/// A write as it stands in a file: its number and its changes, encoded.
type Frame = (u64, Vec<u8>);
/// Table, key, and value or none.
type Written = (u8, Vec<u8>, Option<Vec<u8>>);

/// Goes through one file.
struct Reader<'a> {
    files: &'a dyn StateFiles,
    path: &'a Path,
    salt: Salt,
    /// The number of the newest write that the database has.
    newest: u64,
    number: u32,
    at: u64,
    len: u64,
}

impl Reader<'_> {
    /// The next write; none at the end, and where a crash cut one short.
    fn next(&mut self) -> Result<Option<(u64, Batch)>, StoreError> {
        let Some(((sequence, changes), end)) = self.frame(self.at)? else {
            if self.any_behind(self.newest)? {
                return Err(self.damaged("a write in its middle is damaged"));
            }
            if self.at == 0 && !self.begins_here()? && !self.any_behind(0)? {
                return Err(self.damaged(
                    "it was not written beside this database, or its beginning is damaged. If one of the two was put here from a copy, put the other of the same copy here",
                ));
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

    /// The write that stands here, if a whole one does, and where it ends.
    fn frame(&self, at: u64) -> Result<Option<(Frame, u64)>, StoreError> {
        let Some(body) = at.checked_add(HEAD as u64).filter(|body| *body <= self.len) else {
            return Ok(None);
        };
        let mut head = [0; HEAD];
        self.read(at, &mut head)?;
        let (salt, rest) = head.split_first_chunk::<16>().expect("the head is longer");
        let (number, rest) = rest.split_first_chunk::<8>().expect("the head is longer");
        let (len, checksum) = rest.split_first_chunk::<4>().expect("the head is longer");
        let len = u32::from_le_bytes(*len);
        let end = body.checked_add(len.into()).filter(|end| *end <= self.len);
        let Some(end) = end.filter(|_| *salt == self.salt) else { return Ok(None) };
        let mut changes = vec![0; len as usize];
        self.read(body, &mut changes)?;
        let whole = self::checksum(&head[..SUMMED], &sha256(&changes)).as_bytes() == checksum;
        Ok(whole.then_some(((u64::from_le_bytes(*number), changes), end)))
    }

    /// Whether the file begins as a crash may leave one of this home: with the salt, or so much of it as was kept, and zeros.
    fn begins_here(&self) -> Result<bool, StoreError> {
        let mut bytes = Salt::default();
        let bytes = &mut bytes[..self.len.min(16) as usize];
        self.read(0, bytes)?;
        let kept = bytes.iter().zip(&self.salt).take_while(|(byte, salt)| byte == salt).count();
        Ok(bytes[kept..].iter().all(|byte| *byte == 0))
    }

    /// Whether a whole write with a higher number begins anywhere from here on.
    fn any_behind(&self, number: u64) -> Result<bool, StoreError> {
        let mut at = self.at;
        while at < self.len {
            let size = usize::try_from(self.len - at).unwrap_or(usize::MAX).min(LOOK + self.salt.len());
            let mut bytes = vec![0; size];
            self.read(at, &mut bytes)?;
            let salted = bytes.windows(self.salt.len()).enumerate().filter(|(_, part)| *part == self.salt);
            for (offset, _) in salted {
                if self.frame(at + offset as u64)?.is_some_and(|((found, _), _)| found > number) {
                    return Ok(true);
                }
            }
            at += LOOK as u64;
        }
        Ok(false)
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
