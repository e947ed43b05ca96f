//! The log's end in memory: what the newest commits wrote, so that records in use are read from no file.
//!
//! The bytes are those that the commit wrote; a record read here is a part of them and no copy.

use std::{collections::VecDeque, sync::Arc};

use super::{log::Place, stored::Stored};

/// With some ten thousand accounts in use nearly all their records are within this.
const MAX_BYTES: usize = 16 << 20;
/// Short commits are remembered no longer than this many of them.
const MAX_COMMITS: usize = 1 << 12;

struct Commit {
    file: u32,
    /// Where in the file it begins.
    start: u64,
    bytes: Arc<[u8]>,
}

impl Commit {
    fn is_before(&self, place: Place) -> bool {
        (self.file, self.start) <= (place.file, place.offset.into())
    }
}

/// The newest commits, oldest first.
#[derive(Default)]
pub(super) struct Tail {
    commits: VecDeque<Commit>,
    bytes: usize,
}

impl Tail {
    /// Takes in what was written behind all before it.
    pub(super) fn push(&mut self, file: u32, start: u64, bytes: Arc<[u8]>) {
        self.bytes += bytes.len();
        self.commits.push_back(Commit { file, start, bytes });
        while self.bytes > MAX_BYTES || self.commits.len() > MAX_COMMITS {
            let oldest = self.commits.pop_front();
            self.bytes -= oldest.map_or(0, |oldest| oldest.bytes.len());
        }
    }

    /// The record at `place`, if that is within.
    pub(super) fn get(&self, place: Place) -> Option<Stored> {
        let (bytes, offset) = self.find(place)?;
        Stored::within(bytes, offset, place.len)
    }

    /// The first byte of the record at `place`, if that is within.
    pub(super) fn first_byte(&self, place: Place) -> Option<u8> {
        let (bytes, offset) = self.find(place)?;
        bytes.get(offset).copied()
    }

    fn find(&self, place: Place) -> Option<(&Arc<[u8]>, usize)> {
        let behind = self.commits.partition_point(|commit| commit.is_before(place));
        let commit = self.commits.get(behind.checked_sub(1)?)?;
        // The last commit before the place may be one of an earlier file, and begin further on in that.
        let offset =
            u64::from(place.offset).checked_sub(commit.start).filter(|_| commit.file == place.file)?;
        Some((&commit.bytes, usize::try_from(offset).ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::frame::Entry;

    fn entry(key: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        Entry { key, value: Some(b"value"), former: Place::NONE }.encode(&mut bytes);
        bytes
    }

    #[test]
    fn records_are_found_where_they_lie_and_nowhere_else() {
        let mut tail = Tail::default();
        let len = entry(b"a").len() as u32;
        tail.push(1, 100, [entry(b"a"), entry(b"b")].concat().into());
        tail.push(1, 100 + 2 * u64::from(len), entry(b"c").into());
        tail.push(2, 50, entry(b"d").into());
        let at = |file, offset| tail.get(Place { file, offset, len }).map(|found| found.key().to_vec());
        for (n, key) in (0..).zip([b"a", b"b", b"c"]) {
            assert_eq!(at(1, 100 + n * len), Some(key.to_vec()));
        }
        assert_eq!(at(2, 50), Some(b"d".to_vec()));
        for (file, offset) in
            [(1, 0), (1, 99), (1, 101), (1, 100 + 3 * len), (2, 0), (2, 49), (2, 51), (3, 0), (0, 0)]
        {
            assert_eq!(at(file, offset), None, "{file} {offset}");
        }
    }

    #[test]
    fn it_stays_short_whatever_is_written() {
        let mut tail = Tail::default();
        for n in 0..10_000 {
            tail.push(1, n, vec![0].into());
        }
        assert_eq!((tail.bytes, tail.commits.len()), (MAX_COMMITS, MAX_COMMITS));
        tail.push(2, 0, vec![0; MAX_BYTES].into());
        assert_eq!((tail.bytes, tail.commits.len()), (MAX_BYTES, 1));
        tail.push(2, MAX_BYTES as u64, vec![0; MAX_BYTES + 1].into());
        assert_eq!((tail.bytes, tail.commits.len()), (0, 0));
    }
}
