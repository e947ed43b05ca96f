//! The files of an application's state, in a directory of their own.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use super::directory::sync_directory;
use althing_ledger::state::StateFiles;

/// Files `00000001.log`, `00000002.log`, … in a directory to which nobody else writes.
#[derive(Debug)]
pub struct DirectoryFiles {
    directory: PathBuf,
    open: RwLock<BTreeMap<u32, Arc<File>>>,
}

impl DirectoryFiles {
    /// The files in `directory`, which is there.
    pub fn open(directory: &Path) -> io::Result<Self> {
        // A crash may have come between the making of a file and the sync of its name.
        sync_directory(directory).map_err(|e| about(directory, e))?;
        Ok(Self { directory: directory.to_owned(), open: RwLock::default() })
    }

    fn path(&self, file: u32) -> PathBuf {
        self.directory.join(format!("{file:08}.log"))
    }

    fn known(&self, file: u32) -> Option<Arc<File>> {
        self.open.read().unwrap_or_else(PoisonError::into_inner).get(&file).cloned()
    }

    fn remember(&self, file: u32, handle: File) -> Arc<File> {
        let handle = Arc::new(handle);
        self.open.write().unwrap_or_else(PoisonError::into_inner).insert(file, handle.clone());
        handle
    }

    fn file(&self, file: u32) -> io::Result<Arc<File>> {
        if let Some(known) = self.known(file) {
            return Ok(known);
        }
        let path = self.path(file);
        let handle = OpenOptions::new().read(true).append(true).open(&path).map_err(|e| about(&path, e))?;
        Ok(self.remember(file, handle))
    }

    fn create(&self, file: u32) -> io::Result<Arc<File>> {
        let path = self.path(file);
        let mut options = OpenOptions::new();
        let handle =
            options.read(true).append(true).create_new(true).open(&path).map_err(|e| about(&path, e))?;
        // Otherwise a synced file could be without a name after a power cut.
        sync_directory(&self.directory).map_err(|e| about(&self.directory, e))?;
        Ok(self.remember(file, handle))
    }
}

/// An error that says which file it is about.
fn about(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

impl StateFiles for DirectoryFiles {
    fn list(&self) -> io::Result<Vec<u32>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.directory).map_err(|e| about(&self.directory, e))? {
            let name = entry?.file_name();
            let number =
                name.to_str().and_then(|name| name.strip_suffix(".log")).and_then(|n| n.parse().ok());
            // Under another spelling of its number a file would be listed and never found.
            files.extend(number.filter(|&file| self.path(file).file_name() == Some(&name)));
        }
        Ok(files)
    }

    fn len(&self, file: u32) -> io::Result<u64> {
        Ok(self.file(file)?.metadata().map_err(|e| about(&self.path(file), e))?.len())
    }

    fn read(&self, file: u32, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file(file)?.read_exact_at(out, offset).map_err(|e| about(&self.path(file), e))
    }

    fn append(&self, file: u32, bytes: &[u8]) -> io::Result<()> {
        let handle = match self.file(file) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => self.create(file)?,
            known => known?,
        };
        (&*handle).write_all(bytes).map_err(|e| about(&self.path(file), e))
    }

    fn sync(&self, file: u32) -> io::Result<()> {
        self.file(file)?.sync_data().map_err(|e| about(&self.path(file), e))
    }

    fn truncate(&self, file: u32, len: u64) -> io::Result<()> {
        let handle = self.file(file)?;
        handle.set_len(len).and_then(|()| handle.sync_all()).map_err(|e| about(&self.path(file), e))
    }

    fn remove(&self, file: u32) -> io::Result<()> {
        self.open.write().unwrap_or_else(PoisonError::into_inner).remove(&file);
        let path = self.path(file);
        fs::remove_file(&path).and_then(|()| sync_directory(&self.directory)).map_err(|e| about(&path, e))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use althing_ledger::state::{Changes, Records, State};

    #[test]
    fn files_grow_at_their_end_and_are_found_again() {
        let directory = tempfile::tempdir().unwrap();
        let files = DirectoryFiles::open(directory.path()).unwrap();
        assert_eq!(files.list().unwrap(), [0u32; 0]);
        files.append(7, b"one ").unwrap();
        files.append(7, b"two").unwrap();
        files.append(12, b"x").unwrap();
        files.sync(7).unwrap();
        fs::write(directory.path().join("7.log"), "not ours").unwrap();
        fs::write(directory.path().join("notes"), "not ours").unwrap();

        let files = DirectoryFiles::open(directory.path()).unwrap();
        let mut list = files.list().unwrap();
        list.sort_unstable();
        assert_eq!(list, [7, 12]);
        let mut out = [0; 3];
        files.read(7, 4, &mut out).unwrap();
        assert_eq!((&out, files.len(7).unwrap()), (b"two", 7));
        assert_eq!(files.read(7, 5, &mut out).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        files.truncate(7, 2).unwrap();
        files.append(7, b"!").unwrap();
        files.read(7, 0, &mut out).unwrap();
        assert_eq!(&out, b"on!");
        files.remove(7).unwrap();
        assert_eq!(files.list().unwrap(), [12]);
        let gone = files.read(7, 0, &mut out).unwrap_err();
        assert_eq!(gone.kind(), io::ErrorKind::NotFound);
        assert!(gone.to_string().contains("00000007.log"), "{gone}");
    }

    #[test]
    fn a_state_is_there_again() {
        let directory = tempfile::tempdir().unwrap();
        let open = || State::open(Arc::new(DirectoryFiles::open(directory.path()).unwrap()), 2).unwrap();
        let state = open();
        for height in 1..5u8 {
            let changes = Changes::from([(vec![height], Some(vec![height; 9]))]);
            state.commit(state.stage(height.into(), changes).unwrap()).unwrap();
        }
        let root = state.root();
        drop(state);
        let state = open();
        assert_eq!((state.root(), state.version(), state.oldest()), (root, Some(4), Some(3)));
        assert_eq!(state.newest().get(&[2]).unwrap(), Some(vec![2; 9]));
    }
}
