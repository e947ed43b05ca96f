//! Files on a disk that ends its user at a chosen operation and forgets what was not synced.

use std::{
    collections::BTreeMap,
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::state::{MemoryFiles, StateFiles};

/// What a power cut leaves of what was appended to a file and not synced.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fate {
    Lost,
    Kept,
    /// So many hundredths of it.
    Torn(usize),
    /// All its length, but with zeros for every other 64 bytes.
    Holes,
}

pub(super) const FATES: [Fate; 6] =
    [Fate::Lost, Fate::Kept, Fate::Torn(10), Fate::Torn(50), Fate::Torn(99), Fate::Holes];

#[derive(Default)]
pub(super) struct Disk {
    files: MemoryFiles,
    /// Lengths at the last sync.
    durable: Mutex<BTreeMap<u32, usize>>,
    passed: Mutex<u64>,
    ends_at: Option<u64>,
    /// Whether no file can be removed.
    pub(super) clings: AtomicBool,
}

impl Disk {
    /// The files as a power cut leaves them, on a disk that works until operation `ends_at`.
    pub(super) fn after_power_cut(&self, fate: Fate, ends_at: Option<u64>) -> Arc<Disk> {
        let disk = Disk { ends_at, ..Disk::default() };
        for file in self.files.list().unwrap() {
            let synced = self.durable.lock().unwrap().get(&file).copied().unwrap_or(0);
            let mut bytes = vec![0; self.files.len(file).unwrap() as usize];
            self.files.read(file, 0, &mut bytes).unwrap();
            let fresh = bytes.len() - synced;
            match fate {
                Fate::Lost if synced == 0 => continue,
                Fate::Lost => bytes.truncate(synced),
                Fate::Kept => {}
                Fate::Torn(part) => bytes.truncate(synced + fresh * part / 100),
                Fate::Holes => bytes[synced..].chunks_mut(64).step_by(2).for_each(|hole| hole.fill(0)),
            }
            disk.durable.lock().unwrap().insert(file, bytes.len());
            disk.files.append(file, &bytes).unwrap();
        }
        Arc::new(disk)
    }

    pub(super) fn passed(&self) -> u64 {
        *self.passed.lock().unwrap()
    }

    fn operate(&self) -> io::Result<()> {
        let mut passed = self.passed.lock().unwrap();
        *passed += 1;
        match self.ends_at {
            Some(end) if *passed > end => Err(io::Error::other("the power is off")),
            _ => Ok(()),
        }
    }

    fn synced(&self, file: u32) {
        let len = self.files.len(file).unwrap() as usize;
        self.durable.lock().unwrap().insert(file, len);
    }
}

impl StateFiles for Disk {
    fn list(&self) -> io::Result<Vec<u32>> {
        self.files.list()
    }

    fn len(&self, file: u32) -> io::Result<u64> {
        self.files.len(file)
    }

    fn read(&self, file: u32, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.files.read(file, offset, out)
    }

    fn append(&self, file: u32, bytes: &[u8]) -> io::Result<()> {
        // Cut off before, or within: what is written then was not acknowledged.
        self.operate()?;
        self.files.append(file, &bytes[..bytes.len() / 2])?;
        self.operate()?;
        self.files.append(file, &bytes[bytes.len() / 2..])
    }

    fn sync(&self, file: u32) -> io::Result<()> {
        self.operate()?;
        self.synced(file);
        self.operate()
    }

    fn truncate(&self, file: u32, len: u64) -> io::Result<()> {
        self.operate()?;
        self.files.truncate(file, len)?;
        self.synced(file);
        self.operate()
    }

    fn remove(&self, file: u32) -> io::Result<()> {
        if self.clings.load(Ordering::Relaxed) {
            return Err(io::Error::other("it cannot be removed"));
        }
        self.operate()?;
        self.files.remove(file)?;
        self.durable.lock().unwrap().remove(&file);
        self.operate()
    }
}
