//! What a state knows of storage: numbered files that grow at their end.

use std::{
    collections::BTreeMap,
    io,
    sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

/// The files of one state, named by numbers from 1. Nobody else touches them.
///
/// Reads may run beside a write; writes come one at a time. After a power cut a file holds what it held at its last
/// [`sync`](StateFiles::sync); of what was appended since, any part may be there, lost or torn, and so may the removal
/// of a file. After an error of `append` or `sync` the state does not write again until it is opened anew.
pub trait StateFiles: Send + Sync + 'static {
    /// How long a file should become: the next commit after that begins a new one. About twice as many bytes as the live
    /// records have are kept, and four such files.
    fn file_bytes(&self) -> u64 {
        32 << 20
    }

    /// The numbers of the files that are there, in any order.
    fn list(&self) -> io::Result<Vec<u32>>;

    /// The length of a file in bytes.
    fn len(&self, file: u32) -> io::Result<u64>;

    /// Fills `out` with what the file holds from `offset` on; an error of kind `UnexpectedEof` if that is less.
    fn read(&self, file: u32, offset: u64, out: &mut [u8]) -> io::Result<()>;

    /// Writes `bytes` at the end of a file, which is made if it is not there.
    fn append(&self, file: u32, bytes: &[u8]) -> io::Result<()>;

    /// Makes all that was appended durable, and that the file is there at this length.
    fn sync(&self, file: u32) -> io::Result<()>;

    /// Cuts a file to `len` bytes, durably.
    fn truncate(&self, file: u32, len: u64) -> io::Result<()>;

    /// Removes a file. If that fails, it is tried again later.
    fn remove(&self, file: u32) -> io::Result<()>;
}

/// Files in memory, for tests and simulations: they last as long as the value does.
#[derive(Debug, Default)]
pub struct MemoryFiles {
    files: RwLock<BTreeMap<u32, Vec<u8>>>,
}

impl MemoryFiles {
    /// No files yet.
    pub fn new() -> Self {
        Self::default()
    }

    fn files(&self) -> RwLockReadGuard<'_, BTreeMap<u32, Vec<u8>>> {
        self.files.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn files_mut(&self) -> RwLockWriteGuard<'_, BTreeMap<u32, Vec<u8>>> {
        self.files.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StateFiles for MemoryFiles {
    fn list(&self) -> io::Result<Vec<u32>> {
        Ok(self.files().keys().copied().collect())
    }

    fn len(&self, file: u32) -> io::Result<u64> {
        Ok(self.files().get(&file).ok_or(io::ErrorKind::NotFound)?.len() as u64)
    }

    fn read(&self, file: u32, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let files = self.files();
        let file = files.get(&file).ok_or(io::ErrorKind::NotFound)?;
        let part = usize::try_from(offset)
            .ok()
            .and_then(|start| file.get(start..start.checked_add(out.len())?))
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(part);
        Ok(())
    }

    fn append(&self, file: u32, bytes: &[u8]) -> io::Result<()> {
        self.files_mut().entry(file).or_default().extend_from_slice(bytes);
        Ok(())
    }

    fn sync(&self, file: u32) -> io::Result<()> {
        self.len(file).map(drop)
    }

    fn truncate(&self, file: u32, len: u64) -> io::Result<()> {
        let mut files = self.files_mut();
        let file = files.get_mut(&file).ok_or(io::ErrorKind::NotFound)?;
        file.truncate(usize::try_from(len).unwrap_or(usize::MAX));
        Ok(())
    }

    fn remove(&self, file: u32) -> io::Result<()> {
        self.files_mut().remove(&file).map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}
