//! A file with a page cache: what is not synced may be lost, kept or torn when the power goes.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use althing_consensus::SafetyRecord;
use althing_crypto::Encoding;
use althing_node::storage::SlotFile;
use redb::StorageBackend;

use super::faults::Faults;
use crate::sim::random::Random;

const SECTOR: usize = 512;

#[derive(Debug, Default)]
struct Platter {
    /// What survives.
    durable: Vec<u8>,
    /// What is read.
    cached: Vec<u8>,
    /// Ranges written since the last sync.
    dirty: Vec<(usize, usize)>,
    /// Counts crashes: a handle from before one is dead.
    crashes: u64,
}

/// A file on a simulated disk. Clones are the same file.
#[derive(Clone, Debug)]
pub(super) struct SimFile {
    faults: Faults,
    platter: Arc<Mutex<Platter>>,
    crashes: u64,
}

impl SimFile {
    pub(super) fn new(faults: &Faults) -> Self {
        Self { faults: faults.clone(), platter: Arc::default(), crashes: 0 }
    }

    /// The file as a node that starts now opens it: handles from before a crash are dead.
    pub(super) fn reopened(&self) -> Self {
        let crashes = self.platter().crashes;
        Self { crashes, ..self.clone() }
    }

    fn platter(&self) -> MutexGuard<'_, Platter> {
        self.platter.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn alive(&self) -> io::Result<MutexGuard<'_, Platter>> {
        let platter = self.platter();
        if platter.crashes == self.crashes {
            Ok(platter)
        } else {
            Err(io::Error::other("the node has ended"))
        }
    }

    /// The node ends. With the power, each sector that was not synced is kept, lost or torn.
    pub(super) fn crash(&self, power: Option<&mut Random>) {
        let mut platter = self.platter();
        platter.crashes += 1;
        let Platter { durable, cached, dirty, .. } = &mut *platter;
        let Some(random) = power else {
            durable.clone_from(cached);
            return dirty.clear();
        };
        // The length is metadata: file systems keep the newest.
        durable.resize(durable.len().max(cached.len()), 0);
        for (start, end) in dirty.drain(..) {
            let fate = random.below(4);
            let mut at = start;
            while at < end.min(cached.len()) {
                let next = ((at / SECTOR + 1) * SECTOR).min(end).min(cached.len());
                let kept = match fate {
                    0 => 0,
                    1 => next - at,
                    2 => (next - at) * usize::from(random.percent(50)),
                    _ => random.index(next - at + 1),
                };
                durable[at..at + kept].copy_from_slice(&cached[at..at + kept]);
                at = next;
            }
        }
        cached.clone_from(durable);
    }

    /// Everything that is durable, for a backup.
    pub(super) fn image(&self) -> Vec<u8> {
        self.platter().durable.clone()
    }

    /// Sets the file back, or empties it. The node is down.
    pub(super) fn restore(&self, image: &[u8]) {
        let mut platter = self.platter();
        platter.durable = image.to_vec();
        platter.cached = image.to_vec();
        platter.dirty.clear();
    }

    /// Flips a bit of one byte in a range, if it is that long.
    pub(super) fn rot(&self, range: std::ops::Range<usize>, random: &mut Random) {
        let mut platter = self.platter();
        let end = range.end.min(platter.durable.len());
        if range.start < end {
            let at = range.start + random.index(end - range.start);
            platter.durable[at] ^= 1 << random.below(8);
            platter.cached[at] = platter.durable[at];
        }
    }

    pub(super) fn length(&self) -> io::Result<u64> {
        Ok(self.alive()?.cached.len() as u64)
    }

    pub(super) fn read_part(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let platter = self.alive()?;
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        let part = platter.cached.get(start..start + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(part);
        Ok(())
    }

    pub(super) fn write_part(&self, offset: u64, part: &[u8]) -> io::Result<()> {
        drop(self.alive()?);
        self.faults.operate(|| {
            let mut platter = self.platter();
            let start = usize::try_from(offset).expect("a small file");
            let end = start + part.len();
            if platter.cached.len() < end {
                platter.cached.resize(end, 0);
            }
            platter.cached[start..end].copy_from_slice(part);
            platter.dirty.push((start, end));
        })
    }

    /// Cuts the file, durably.
    pub(super) fn cut(&self, len: u64) -> io::Result<()> {
        let len = usize::try_from(len).map_err(io::Error::other)?;
        drop(self.alive()?);
        self.faults.operate(|| {
            let mut platter = self.platter();
            let Platter { durable, cached, dirty, .. } = &mut *platter;
            cached.truncate(len);
            durable.clone_from(cached);
            dirty.clear();
        })
    }

    /// Syncs; returns the ranges that became durable.
    pub(super) fn sync_all(&self) -> io::Result<Vec<(usize, usize)>> {
        drop(self.alive()?);
        self.faults.operate(|| {
            let mut platter = self.platter();
            let Platter { durable, cached, dirty, .. } = &mut *platter;
            durable.resize(cached.len(), 0);
            for (start, end) in &*dirty {
                let end = (*end).min(cached.len());
                if *start < end {
                    durable[*start..end].copy_from_slice(&cached[*start..end]);
                }
            }
            std::mem::take(dirty)
        })
    }
}

impl StorageBackend for SimFile {
    fn len(&self) -> io::Result<u64> {
        self.length()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.read_part(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let len = usize::try_from(len).map_err(io::Error::other)?;
        drop(self.alive()?);
        self.faults.operate(|| self.platter().cached.resize(len, 0))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.sync_all().map(drop)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.write_part(offset, data)
    }
}

/// The safety file: besides, it tells which record a sync made durable.
pub(super) struct SafetyFile {
    pub(super) file: SimFile,
    pub(super) synced: Arc<Mutex<Vec<SafetyRecord>>>,
}

/// Before a slot's record: sequence number (8 bytes), length (4), checksum (32).
const SLOT_HEADER: usize = 44;

impl SlotFile for SafetyFile {
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read_part(offset, out)
    }

    fn write_at(&mut self, offset: u64, part: &[u8]) -> io::Result<()> {
        self.file.write_part(offset, part)
    }

    fn sync(&mut self) -> io::Result<()> {
        let ranges = self.file.sync_all()?;
        let platter = self.file.platter();
        let record = |(start, end): (usize, usize)| {
            SafetyRecord::decode(platter.durable.get(start + SLOT_HEADER..end)?).ok()
        };
        let mut synced = self.synced.lock().unwrap_or_else(PoisonError::into_inner);
        synced.extend(ranges.into_iter().filter_map(record));
        Ok(())
    }
}
