//! The files of an application's state on a simulated disk: what was appended and not synced may be lost with the power, and so may a
//! file that was just made, or the removal of one.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use althing_ledger::state::StateFiles;

use super::faults::Faults;
use super::file::SimFile;
use crate::sim::random::Random;

/// Short, so that files fill, are gone through and are removed within a run.
const FILE_BYTES: u64 = 8 << 10;

#[derive(Default)]
struct Directory {
    files: BTreeMap<u32, Entry>,
    /// Removed since the last sync.
    removed: BTreeMap<u32, Entry>,
    /// Counts crashes: a handle from before one is dead.
    crashes: u64,
}

#[derive(Clone)]
struct Entry {
    file: SimFile,
    /// Whether the name would survive.
    durable: bool,
}

/// A directory of such files. Clones are the same directory.
#[derive(Clone)]
pub(super) struct StateDirectory {
    faults: Faults,
    directory: Arc<Mutex<Directory>>,
    crashes: u64,
}

/// A copy of all files.
pub(super) type StateImage = BTreeMap<u32, Vec<u8>>;

impl StateDirectory {
    pub(super) fn new(faults: &Faults) -> Self {
        Self { faults: faults.clone(), directory: Arc::default(), crashes: 0 }
    }

    fn directory(&self) -> MutexGuard<'_, Directory> {
        self.directory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As a node that starts now opens it.
    pub(super) fn reopened(&self) -> Self {
        Self { crashes: self.directory().crashes, ..self.clone() }
    }

    /// The node ends, by itself or with its power.
    pub(super) fn crash(&self, mut power: Option<&mut Random>) {
        let mut directory = self.directory();
        directory.crashes += 1;
        let removed = std::mem::take(&mut directory.removed);
        if let Some(random) = power.as_deref_mut() {
            directory.files.retain(|_, entry| entry.durable || random.percent(50));
            directory.files.extend(removed.into_iter().filter(|_| random.percent(50)));
        }
        for entry in directory.files.values_mut() {
            entry.file.crash(power.as_deref_mut());
            entry.durable = true;
        }
    }

    /// Everything that is durable, for a backup.
    pub(super) fn image(&self) -> StateImage {
        self.directory().files.iter().map(|(&file, entry)| (file, entry.file.image())).collect()
    }

    /// Sets everything back. The node is down.
    pub(super) fn restore(&self, image: &StateImage) {
        let mut directory = self.directory();
        directory.removed.clear();
        let made = |(&file, bytes): (&u32, &Vec<u8>)| {
            let entry = Entry { file: SimFile::new(&self.faults), durable: true };
            entry.file.restore(bytes);
            (file, entry)
        };
        directory.files = image.iter().map(made).collect();
    }

    /// Flips a bit of one byte in some file, if there is one.
    pub(super) fn rot(&self, random: &mut Random) {
        let directory = self.directory();
        if !directory.files.is_empty() {
            let which = random.index(directory.files.len());
            let rotten = directory.files.values().nth(which);
            rotten.into_iter().for_each(|entry| entry.file.rot(0..usize::MAX, random));
        }
    }

    fn alive(&self) -> io::Result<MutexGuard<'_, Directory>> {
        let directory = self.directory();
        if directory.crashes == self.crashes {
            Ok(directory)
        } else {
            Err(io::Error::other("the node has ended"))
        }
    }

    fn file(&self, file: u32) -> io::Result<SimFile> {
        let directory = self.alive()?;
        let entry = directory.files.get(&file).ok_or(io::ErrorKind::NotFound)?;
        Ok(entry.file.reopened())
    }
}

impl StateFiles for StateDirectory {
    fn file_bytes(&self) -> u64 {
        FILE_BYTES
    }

    fn list(&self) -> io::Result<Vec<u32>> {
        Ok(self.alive()?.files.keys().copied().collect())
    }

    fn len(&self, file: u32) -> io::Result<u64> {
        self.file(file)?.length()
    }

    fn read(&self, file: u32, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file(file)?.read_part(offset, out)
    }

    fn append(&self, file: u32, bytes: &[u8]) -> io::Result<()> {
        if !self.alive()?.files.contains_key(&file) {
            self.faults.operate(|| {
                let entry = Entry { file: SimFile::new(&self.faults), durable: false };
                self.directory().files.insert(file, entry);
            })?;
        }
        let file = self.file(file)?;
        file.write_part(file.length()?, bytes)
    }

    fn sync(&self, file: u32) -> io::Result<()> {
        self.file(file)?.sync_all()?;
        let mut directory = self.alive()?;
        directory.removed.clear();
        directory.files.values_mut().for_each(|entry| entry.durable = true);
        Ok(())
    }

    fn truncate(&self, file: u32, len: u64) -> io::Result<()> {
        self.file(file)?.cut(len)
    }

    fn remove(&self, file: u32) -> io::Result<()> {
        drop(self.file(file)?);
        self.faults.operate(|| {
            let mut directory = self.directory();
            let removed = directory.files.remove(&file);
            directory.removed.extend(removed.map(|entry| (file, entry)));
        })
    }
}
