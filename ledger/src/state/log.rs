//! The log of records: reading one record, and one frame.

use std::sync::Arc;

use althing_crypto::sha256;

use super::{
    files::StateFiles,
    frame::{Entry, HEADER_BYTES, Header},
    key::{Digest, leaf_hash},
    recent::Recent,
    stored::Stored,
    tail::Tail,
};
use crate::{AppError, StoreError};

/// Records up to this length need no buffer on the heap to be read.
const SHORT_BYTES: usize = 256;

/// Where a record lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// The number of the file.
    pub(super) file: u32,
    /// The record's first byte in it.
    pub(super) offset: u32,
    /// The length of the record, less than 2^31.
    pub(super) len: u32,
}

impl Place {
    /// Nowhere: files are numbered from 1.
    pub(super) const NONE: Place = Place { file: 0, offset: 0, len: 0 };
}

/// A frame and where it lies.
#[derive(Clone, Debug)]
pub(super) struct FrameAt {
    pub(super) file: u32,
    /// Of its header.
    pub(super) offset: u64,
    pub(super) header: Header,
}

impl FrameAt {
    /// Where the next one begins.
    pub(super) fn end(&self) -> u64 {
        self.offset + HEADER_BYTES as u64 + u64::from(self.header.body_len)
    }

    /// Where the record at `offset` of the body lies.
    pub(super) fn place(&self, offset: usize, entry: &Entry<'_>) -> Place {
        let offset = self.offset as usize + HEADER_BYTES + offset;
        Place { file: self.file, offset: offset as u32, len: entry.len() as u32 }
    }

    /// That something is wrong with this frame.
    pub(super) fn damaged(&self, reason: &str) -> AppError {
        damaged(self.file, self.offset, reason)
    }
}

/// The files of the log.
pub(super) struct Log {
    pub(super) files: Arc<dyn StateFiles>,
    recent: Recent,
}

impl Log {
    /// The log in `files`.
    pub(super) fn new(files: Arc<dyn StateFiles>) -> Self {
        Self { files, recent: Recent::default() }
    }

    /// The record of a leaf with this hash; `tail` is the log's end.
    pub(super) fn record(&self, tail: &Tail, place: Place, hash: &Digest) -> Result<Stored, AppError> {
        if let Some(record) = tail.get(place).or_else(|| self.recent.get(place)) {
            return Ok(record);
        }
        let record = self.stored(place)?.filter(|found| leaf_hash(found.key(), found.value()) == *hash);
        let record = record.ok_or_else(|| {
            damaged(place.file, place.offset.into(), "the record is not the one written there")
        })?;
        self.recent.put(place, &record);
        Ok(record)
    }

    /// The version of `key` that lies at `place`.
    pub(super) fn version(&self, key: &[u8], place: Place) -> Result<Stored, AppError> {
        let version = self.stored(place)?.filter(|found| found.key() == key);
        version.ok_or_else(|| {
            damaged(place.file, place.offset.into(), "it is not a version of the record asked for")
        })
    }

    fn stored(&self, place: Place) -> Result<Option<Stored>, AppError> {
        let mut short = [0; SHORT_BYTES];
        let Some(bytes) = short.get_mut(..place.len as usize) else {
            return Ok(Stored::new(&self.read(place.file, place.offset.into(), place.len as usize)?));
        };
        self.files.read(place.file, place.offset.into(), bytes).map_err(failed)?;
        Ok(Stored::new(bytes))
    }

    /// The frame whose header is at `offset`; `None` if no whole frame begins there.
    pub(super) fn frame(&self, file: u32, offset: u64, file_len: u64) -> Result<Option<FrameAt>, AppError> {
        if offset + HEADER_BYTES as u64 > file_len {
            return Ok(None);
        }
        let header = Header::decode(&self.read(file, offset, HEADER_BYTES)?);
        let frame = header.map(|header| FrameAt { file, offset, header });
        Ok(frame.filter(|frame| frame.end() <= file_len))
    }

    /// The records of a frame; `None` if they are not those that its header names.
    pub(super) fn body(&self, frame: &FrameAt) -> Result<Option<Vec<u8>>, AppError> {
        let start = frame.offset + HEADER_BYTES as u64;
        let body = self.read(frame.file, start, frame.header.body_len as usize)?;
        Ok((*sha256(&body).as_bytes() == frame.header.body_hash).then_some(body))
    }

    /// The records of a frame that was whole once.
    pub(super) fn sound_body(&self, frame: &FrameAt) -> Result<Vec<u8>, AppError> {
        self.body(frame)?.ok_or_else(|| frame.damaged("its records do not have the checksum in its header"))
    }

    fn read(&self, file: u32, offset: u64, len: usize) -> Result<Vec<u8>, AppError> {
        let mut bytes = vec![0; len];
        self.files.read(file, offset, &mut bytes).map_err(failed)?;
        Ok(bytes)
    }

    /// What a file holds from `offset` on.
    pub(super) fn rest(&self, file: u32, offset: u64, file_len: u64) -> Result<Vec<u8>, AppError> {
        self.read(file, offset, (file_len - offset) as usize)
    }
}

/// That the files could not be read or written.
pub(super) fn failed(error: std::io::Error) -> AppError {
    AppError::Store(StoreError::new(error))
}

/// That the log holds something that was not written there.
pub(super) fn damaged(file: u32, offset: u64, reason: &str) -> AppError {
    AppError::Corrupt { at: format!("state file {file}, byte {offset}"), reason: reason.to_owned() }
}
