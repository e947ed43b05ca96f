//! The safety file: one record, kept twice, that says what this validator has signed.
//!
//! ```text
//! offset 0                 header: magic (15 bytes), format version (1 byte), zeros to 4096
//! offset 4096              slot A
//! offset 4096 + 64 KiB    slot B
//!
//! slot: sequence number u64 LE | record length u32 LE | SHA-256 of both and the record | record
//! ```
//! A write puts the record into slot A and syncs, then into slot B and syncs. So whatever one crash tears or one bad
//! sector rots, a slot with the newest acknowledged record (or the one being written) is intact. The file has its full
//! size from the beginning: a sync has no metadata to write.
//!
//! Losing this record means that the validator may sign two different votes in one view. Therefore a file is only made
//! by [`SafetyStore::create`], for a new home; [`SafetyStore::open`] never makes one and never starts over.

mod error;

pub use error::SafetyStoreError;

use super::{directory::sync_directory, slot_file::SlotFile};
use althing_crypto::{mutant, sha256_concat};
use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io,
    path::{Path, PathBuf},
};

const MAGIC: &[u8; 15] = b"ALTHING SAFETY\n";
const VERSION: u8 = 1;
const HEADER_BYTES: usize = 4096;
const SLOT_BYTES: usize = 64 * 1024;
const SLOT_HEADER_BYTES: usize = 8 + 4 + 32;
const SLOT_OFFSETS: [u64; 2] = [HEADER_BYTES as u64, (HEADER_BYTES + SLOT_BYTES) as u64];
const FILE_BYTES: usize = HEADER_BYTES + 2 * SLOT_BYTES;

/// The longest record that a slot holds, in bytes.
pub const MAX_RECORD_BYTES: usize = SLOT_BYTES - SLOT_HEADER_BYTES;

/// The only owner of an open safety file.
pub struct SafetyStore {
    file: Box<dyn SlotFile>,
    path: PathBuf,
    sequence: u64,
    /// Set while a write is under way, and for good when one failed.
    unsettled: bool,
}

struct Slot {
    sequence: u64,
    record: Vec<u8>,
}

impl SafetyStore {
    /// Makes the file of a new validator, durably and all at once; refuses to touch one that exists.
    pub fn create(path: &Path) -> Result<(), SafetyStoreError> {
        let mut unfinished = path.as_os_str().to_owned();
        unfinished.push(".new");
        let unfinished = PathBuf::from(unfinished);
        let io = |doing| io_error(doing, path);

        let mut file = File::create(&unfinished).map_err(io("create"))?;
        Self::format(&mut file).and_then(|()| file.sync_all()).map_err(io("write to"))?;
        // A hard link, unlike a rename, never replaces what is there.
        let linked = fs::hard_link(&unfinished, path);
        fs::remove_file(&unfinished).map_err(io("create"))?;
        match linked {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                Err(SafetyStoreError::Exists { path: path.to_owned() })
            }
            Err(e) => Err(io("create")(e)),
            Ok(()) => sync_directory(path.parent().unwrap_or(Path::new("."))).map_err(io("create")),
        }
    }

    /// Opens the file of this validator, which must exist, and returns the newest record (`None` before the first
    /// [`SafetyStore::write`]). When it returns, both slots hold that record durably. No other process can open the
    /// file as long as the value lives.
    pub fn open(path: &Path) -> Result<(SafetyStore, Option<Vec<u8>>), SafetyStoreError> {
        let file = OpenOptions::new().read(true).write(true).open(path).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => SafetyStoreError::Missing { path: path.to_owned() },
            _ => io_error("open", path)(e),
        })?;
        file.try_lock().map_err(|e| match e {
            TryLockError::WouldBlock => SafetyStoreError::InUse { path: path.to_owned() },
            TryLockError::Error(e) => io_error("lock", path)(e),
        })?;
        Self::open_on(Box::new(file), path)
    }

    /// Writes a header and two slots without a record. For a file of one's own; homes use [`SafetyStore::create`].
    pub fn format(file: &mut dyn SlotFile) -> io::Result<()> {
        let mut bytes = vec![0; FILE_BYTES];
        bytes[..MAGIC.len()].copy_from_slice(MAGIC);
        bytes[MAGIC.len()] = VERSION;
        let empty = encode(0, &[]);
        for offset in SLOT_OFFSETS {
            bytes[offset as usize..][..empty.len()].copy_from_slice(&empty);
        }
        file.write_at(0, &bytes)?;
        file.sync()
    }

    /// As [`SafetyStore::open`], on a file of one's own; `name` stands for the path in errors.
    pub fn open_on(
        file: Box<dyn SlotFile>,
        name: &Path,
    ) -> Result<(SafetyStore, Option<Vec<u8>>), SafetyStoreError> {
        check_header(&*file, name)?;
        let (newest, at) = newest_slot(&*file, name)?;
        let mut store =
            SafetyStore { file, path: name.to_owned(), sequence: newest.sequence, unsettled: false };
        store.settle(&newest, at).map_err(io_error("repair", name))?;
        Ok((store, (newest.sequence > 0).then_some(newest.record)))
    }

    /// Makes `record` the newest one; when it returns `Ok`, the record survives a crash of the machine and the loss of
    /// either slot. After a failure the file must be opened anew: only that finds out which record it holds.
    pub fn write(&mut self, record: &[u8]) -> Result<(), SafetyStoreError> {
        if record.len() > MAX_RECORD_BYTES {
            return Err(SafetyStoreError::TooLarge { path: self.path.clone(), len: record.len() });
        }
        if self.unsettled {
            return Err(SafetyStoreError::Unsettled { path: self.path.clone() });
        }
        self.unsettled = true;
        let sequence = self.sequence.checked_add(1).expect("a node does not live to write 2^64 records");
        let slot = encode(sequence, record);
        let slots = if mutant!("one_slot_written") { &SLOT_OFFSETS[..1] } else { &SLOT_OFFSETS };
        for &offset in slots {
            self.put(offset, &slot).map_err(io_error("write to", &self.path))?;
        }
        self.sequence = sequence;
        self.unsettled = false;
        Ok(())
    }

    /// Makes both slots durable copies of `newest`, read from slot `at`. What was read may so far be in the page cache
    /// only (a process killed before its sync, or a sync that failed), so it is synced before the other slot is
    /// touched, and itself written again once the other one is safe.
    fn settle(&mut self, newest: &Slot, at: usize) -> io::Result<()> {
        if mutant!("slots_not_repaired") {
            return Ok(());
        }
        self.file.sync()?;
        let slot = encode(newest.sequence, &newest.record);
        self.put(SLOT_OFFSETS[1 - at], &slot)?;
        self.put(SLOT_OFFSETS[at], &slot)
    }

    fn put(&mut self, offset: u64, slot: &[u8]) -> io::Result<()> {
        self.file.write_at(offset, slot)?;
        if mutant!("signed_before_the_sync") {
            return Ok(());
        }
        self.file.sync()
    }
}

fn check_header(file: &dyn SlotFile, path: &Path) -> Result<(), SafetyStoreError> {
    let damaged = |what: &str| SafetyStoreError::Damaged { path: path.to_owned(), what: what.to_owned() };
    let read = |offset: u64, out: &mut [u8]| {
        file.read_at(offset, out).map_err(|e| match e.kind() {
            io::ErrorKind::UnexpectedEof => damaged("it has been truncated"),
            _ => io_error("read", path)(e),
        })
    };
    let mut header = [0; MAGIC.len() + 1];
    read(0, &mut header)?;
    let (magic, version) = (&header[..MAGIC.len()], header[MAGIC.len()]);
    if magic != MAGIC {
        return Err(damaged("it does not begin as a safety file does"));
    }
    if version != VERSION {
        return Err(SafetyStoreError::Version { path: path.to_owned(), found: version, expected: VERSION });
    }
    read(FILE_BYTES as u64 - 1, &mut [0])
}

/// The intact slot of the highest sequence number, and which of the two it is.
fn newest_slot(file: &dyn SlotFile, path: &Path) -> Result<(Slot, usize), SafetyStoreError> {
    let damaged = |what| SafetyStoreError::Damaged { path: path.to_owned(), what };
    match SLOT_OFFSETS.map(|offset| read_slot(file, offset)) {
        [Ok(a), Ok(b)] if a.sequence == b.sequence && a.record != b.record => {
            Err(damaged(format!("its slots hold different records of one sequence number, {}", a.sequence)))
        }
        [Ok(a), Ok(b)] if b.sequence > a.sequence && !mutant!("first_slot_always_read") => Ok((b, 1)),
        [Ok(a), _] => Ok((a, 0)),
        [Err(_), Ok(b)] => Ok((b, 1)),
        [Err(a), Err(b)] => Err(damaged(format!("neither slot is intact (first: {a}; second: {b})"))),
    }
}

/// The slot at `offset`, or why it cannot be used. A sector that cannot be read counts as broken like a torn one.
fn read_slot(file: &dyn SlotFile, offset: u64) -> Result<Slot, String> {
    let mut header = [0; SLOT_HEADER_BYTES];
    file.read_at(offset, &mut header).map_err(|e| e.to_string())?;
    let (prefix, checksum) = header.split_at(12);
    let (sequence, len) = prefix.split_at(8);
    let sequence = u64::from_le_bytes(sequence.try_into().expect("8 bytes"));
    let len = u32::from_le_bytes(len.try_into().expect("4 bytes")) as usize;
    if len > MAX_RECORD_BYTES {
        return Err(format!("its length {len} is more than {MAX_RECORD_BYTES}"));
    }
    let mut record = vec![0; len];
    file.read_at(offset + SLOT_HEADER_BYTES as u64, &mut record).map_err(|e| e.to_string())?;
    if sha256_concat(&[prefix, &record]).as_bytes() != checksum {
        return Err("its checksum does not match".to_owned());
    }
    Ok(Slot { sequence, record })
}

fn encode(sequence: u64, record: &[u8]) -> Vec<u8> {
    assert!(record.len() <= MAX_RECORD_BYTES);
    let mut slot = Vec::with_capacity(SLOT_HEADER_BYTES + record.len());
    slot.extend(sequence.to_le_bytes());
    slot.extend((record.len() as u32).to_le_bytes());
    let checksum = sha256_concat(&[&slot, record]);
    slot.extend(checksum.as_bytes());
    slot.extend(record);
    slot
}

fn io_error(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SafetyStoreError {
    let path = path.to_owned();
    move |source| SafetyStoreError::Io { doing, path, source }
}

#[cfg(test)]
mod tests;
