//! A node's disk: memory that survives the node, and that can end it at a chosen write.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use althing_node::storage::{Batch, Entry, MemoryStore, SlotFile, Store, StoreError, Table};

/// At which side of a write a node ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// The write is lost.
    Before,
    /// The write is durable, but nobody is told.
    After,
}

/// Counts persist points, and ends the node at one of them.
#[derive(Debug, Default)]
struct Fuse {
    passed: u64,
    burns: Option<(u64, When)>,
    burnt: bool,
}

/// Everything that a node keeps.
#[derive(Clone, Default)]
pub struct Disk {
    fuse: Arc<Mutex<Fuse>>,
    chain: Arc<MemoryStore>,
    state: Arc<MemoryStore>,
    safety: Arc<Mutex<Vec<u8>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Disk {
    /// Ends the node at the `n`th persist point from now, the first being 0.
    pub fn burn_at(&self, n: u64, when: When) {
        let mut fuse = lock(&self.fuse);
        fuse.burns = Some((fuse.passed + n, when));
    }

    /// Persist points passed.
    pub fn passed(&self) -> u64 {
        lock(&self.fuse).passed
    }

    /// Whether a write has ended the node; the disk works again after this.
    pub(super) fn take_burnt(&self) -> bool {
        std::mem::take(&mut lock(&self.fuse).burnt)
    }

    pub(super) fn chain(&self) -> Arc<dyn Store> {
        Arc::new(Fused { store: Arc::clone(&self.chain), fuse: Arc::clone(&self.fuse) })
    }

    pub(super) fn state(&self) -> Arc<dyn Store> {
        Arc::new(Fused { store: Arc::clone(&self.state), fuse: Arc::clone(&self.fuse) })
    }

    pub(super) fn safety(&self) -> Box<dyn SlotFile> {
        Box::new(SafetyFile { bytes: Arc::clone(&self.safety), fuse: Arc::clone(&self.fuse) })
    }

    /// Whether the safety file has been made.
    pub(super) fn has_safety(&self) -> bool {
        !lock(&self.safety).is_empty()
    }
}

impl Fuse {
    /// Performs a write, unless the node ends before it; fails if the node ends at it.
    fn write(fuse: &Mutex<Self>, write: impl FnOnce()) -> io::Result<()> {
        let mut fuse = lock(fuse);
        let here = fuse.burns.filter(|(at, _)| *at == fuse.passed).map(|(_, when)| when);
        fuse.passed += 1;
        if here.is_some() {
            fuse.burnt = true;
            fuse.burns = None;
        }
        if fuse.burnt && here != Some(When::After) {
            return Err(io::Error::other("the node has ended"));
        }
        write();
        if here.is_some() { Err(io::Error::other("the node has ended")) } else { Ok(()) }
    }
}

struct Fused {
    store: Arc<MemoryStore>,
    fuse: Arc<Mutex<Fuse>>,
}

impl Store for Fused {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.store.get(table, key)
    }

    fn range(
        &self,
        table: Table,
        from: &[u8],
        to: &[u8],
        limit: usize,
        reverse: bool,
    ) -> Result<Vec<Entry>, StoreError> {
        self.store.range(table, from, to, limit, reverse)
    }

    fn write(&self, batch: Batch) -> Result<(), StoreError> {
        Fuse::write(&self.fuse, || self.store.write(batch).expect("memory takes every write"))
            .map_err(|source| StoreError::Io { doing: "write to", path: PathBuf::from("disk"), source })
    }
}

struct SafetyFile {
    bytes: Arc<Mutex<Vec<u8>>>,
    fuse: Arc<Mutex<Fuse>>,
}

impl SlotFile for SafetyFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let bytes = lock(&self.bytes);
        let start = usize::try_from(offset).expect("a small file");
        let part = bytes.get(start..start + buffer.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        buffer.copy_from_slice(part);
        Ok(())
    }

    fn write_at(&mut self, offset: u64, part: &[u8]) -> io::Result<()> {
        Fuse::write(&self.fuse, || {
            let mut bytes = lock(&self.bytes);
            let start = usize::try_from(offset).expect("a small file");
            let end = (start + part.len()).max(bytes.len());
            bytes.resize(end, 0);
            bytes[start..start + part.len()].copy_from_slice(part);
        })
    }

    fn sync(&mut self) -> io::Result<()> {
        Fuse::write(&self.fuse, || {})
    }
}
