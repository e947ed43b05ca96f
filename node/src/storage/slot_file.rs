//! The three operations that the safety file needs of a disk, so that a simulator can fail between any two of them.

use std::{fs::File, io, os::unix::fs::FileExt};

/// A file that is read and written at offsets. Nothing written is durable before the next [`SlotFile::sync`] succeeds,
/// and a crash before it may keep any part of what was written, or garble it.
pub trait SlotFile: Send {
    /// Fills `out` from `offset`; `UnexpectedEof` if the file ends before.
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()>;

    /// Writes all of `bytes` at `offset`.
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Returns once everything written so far would survive a power cut.
    fn sync(&mut self) -> io::Result<()>;
}

impl SlotFile for File {
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.read_exact_at(out, offset)
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}
