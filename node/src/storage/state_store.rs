//! An application's files, in a table of a store of the node.

use super::{Batch, Store, StoreError, Table};
use althing_ledger::state::StateFiles;
use std::{io, sync::Arc};

/// What an application of ours is given to keep its state in: files in one table of a [`Store`]. Each part that was
/// appended is an entry, under the file's number (u32) and the part's offset in it (u64), both big-endian. As the store
/// makes every write durable, a sync has nothing left to do.
#[derive(Clone)]
pub struct AppState(Arc<dyn Store>);

const TABLE: Table = Table::State;

fn key(file: u32, offset: u64) -> Vec<u8> {
    [&file.to_be_bytes()[..], &offset.to_be_bytes()].concat()
}

/// The first key that no part of a file has.
fn end(file: u32) -> Vec<u8> {
    file.checked_add(1).map_or_else(Vec::new, |next| next.to_be_bytes().to_vec())
}

fn place(key: &[u8]) -> io::Result<(u32, u64)> {
    let parts = key.split_first_chunk().and_then(|(file, offset)| Some((*file, offset.try_into().ok()?)));
    let (file, offset) = parts.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
    Ok((u32::from_be_bytes(file), u64::from_be_bytes(offset)))
}

fn failed(error: StoreError) -> io::Error {
    io::Error::other(error)
}

impl AppState {
    /// The state in `store`, to which nobody else writes [`Table::State`].
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self(store)
    }

    /// The offset and the bytes of the last part that begins at `before` or earlier.
    fn part(&self, file: u32, before: u64) -> io::Result<(u64, Vec<u8>)> {
        // The key that follows next after another is that with a zero behind it.
        let to = [&key(file, before)[..], &[0]].concat();
        let found = self.0.range(TABLE, &key(file, 0), &to, 1, true).map_err(failed)?;
        let (key, bytes) = found.into_iter().next().ok_or(io::ErrorKind::NotFound)?;
        Ok((place(&key)?.1, bytes))
    }

    fn keys(&self, file: u32, from: u64) -> io::Result<Vec<Vec<u8>>> {
        let found = self.0.range(TABLE, &key(file, from), &end(file), usize::MAX, false).map_err(failed)?;
        Ok(found.into_iter().map(|(key, _)| key).collect())
    }
}

impl StateFiles for AppState {
    fn list(&self) -> io::Result<Vec<u32>> {
        let (mut files, mut from) = (Vec::new(), Vec::new());
        while let Some((key, _)) = self.0.range(TABLE, &from, &[], 1, false).map_err(failed)?.first() {
            let (file, _) = place(key)?;
            files.push(file);
            from = end(file);
            if from.is_empty() {
                break;
            }
        }
        Ok(files)
    }

    fn len(&self, file: u32) -> io::Result<u64> {
        let (offset, last) = self.part(file, u64::MAX)?;
        Ok(offset + last.len() as u64)
    }

    fn read(&self, file: u32, mut offset: u64, mut out: &mut [u8]) -> io::Result<()> {
        while !out.is_empty() {
            let (start, bytes) = self.part(file, offset)?;
            let rest = usize::try_from(offset - start).ok().and_then(|skip| bytes.get(skip..));
            let rest = rest.filter(|rest| !rest.is_empty()).ok_or(io::ErrorKind::UnexpectedEof)?;
            let (now, later) = out.split_at_mut(rest.len().min(out.len()));
            now.copy_from_slice(&rest[..now.len()]);
            offset += now.len() as u64;
            out = later;
        }
        Ok(())
    }

    fn append(&self, file: u32, bytes: &[u8]) -> io::Result<()> {
        let offset = match self.len(file) {
            Ok(len) => len,
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(error),
        };
        let mut batch = Batch::new();
        batch.put(TABLE, key(file, offset), bytes);
        self.0.write(batch).map_err(failed)
    }

    fn sync(&self, _file: u32) -> io::Result<()> {
        Ok(())
    }

    fn truncate(&self, file: u32, len: u64) -> io::Result<()> {
        let mut batch = Batch::new();
        if let Some(before) = len.checked_sub(1) {
            let (offset, mut bytes) = self.part(file, before)?;
            bytes.truncate(usize::try_from(len - offset).unwrap_or(usize::MAX));
            batch.put(TABLE, key(file, offset), bytes);
        } else {
            batch.put(TABLE, key(file, 0), Vec::new());
        }
        for key in self.keys(file, len.max(1))? {
            batch.delete(TABLE, key);
        }
        self.0.write(batch).map_err(failed)
    }

    fn remove(&self, file: u32) -> io::Result<()> {
        let keys = self.keys(file, 0)?;
        if keys.is_empty() {
            return Err(io::ErrorKind::NotFound.into());
        }
        let mut batch = Batch::new();
        keys.into_iter().for_each(|key| batch.delete(TABLE, key));
        self.0.write(batch).map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::MemoryStore;

    #[test]
    fn files_in_a_table_are_like_any_others() {
        let store = Arc::new(MemoryStore::new());
        let files = AppState::new(store.clone());
        let read = |file, offset, len| {
            let mut out = vec![0; len];
            files.read(file, offset, &mut out).map(|()| out).map_err(|error| error.kind())
        };
        assert_eq!(files.list().unwrap(), [0u32; 0]);
        assert_eq!(files.len(1).unwrap_err().kind(), io::ErrorKind::NotFound);
        for (file, part) in [(1, "abc"), (1, "defg"), (2, "x"), (u32::MAX, "z")] {
            files.append(file, part.as_bytes()).unwrap();
            files.sync(file).unwrap();
        }
        assert_eq!(files.list().unwrap(), [1, 2, u32::MAX]);
        assert_eq!((files.len(1).unwrap(), files.len(u32::MAX).unwrap()), (7, 1));
        assert_eq!(read(1, 0, 7).unwrap(), b"abcdefg");
        assert_eq!(read(1, 2, 3).unwrap(), b"cde");
        assert_eq!(read(1, 7, 0).unwrap(), b"");
        assert_eq!(read(1, 5, 3), Err(io::ErrorKind::UnexpectedEof));
        for (len, left) in [(7, "abcdefg"), (5, "abcde"), (3, "abc"), (1, "a"), (0, "")] {
            files.truncate(1, len).unwrap();
            assert_eq!(files.len(1).unwrap(), len);
            assert_eq!(read(1, 0, left.len()).unwrap(), left.as_bytes());
        }
        files.append(1, b"again").unwrap();
        assert_eq!(read(1, 0, 5).unwrap(), b"again");
        files.remove(2).unwrap();
        assert_eq!(files.remove(2).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(files.list().unwrap(), [1, u32::MAX]);
        let other = store.range(Table::Meta, &[], &[], 1, false).unwrap();
        assert!(other.is_empty(), "the node's own tables are left alone");
    }
}
