//! The bytes of the log: a commit is one or more frames, a frame is a header and records.
//!
//! ```text
//! header    magic and format (8 bytes), what stands in `Header`, SHA-256 of all this
//! record    value length (u32 LE; 2^32 - 1: removed), key length (u8), where the former version lies, key, value
//! ```
//! Frames are small, so that whoever reads the log needs little memory; a commit counts when its last frame is there.

use althing_crypto::sha256;
use borsh::{BorshDeserialize, BorshSerialize};

use super::{
    key::{Digest, MAX_KEY},
    log::Place,
};
use crate::AppError;

/// The longest value, in bytes.
pub const MAX_VALUE: usize = 1 << 20;

const MAGIC: &[u8; 8] = b"ALTSTAT\x01";
/// The length of a header.
pub(super) const HEADER_BYTES: usize = 8 + 4 + 1 + 8 + 8 + 4 + 8 + 32 + 32 + 32;
/// The length of a record besides its key and value.
pub(super) const RECORD_BYTES: usize = 4 + 1 + 12;
/// The length of a value that stands for none.
const REMOVED: u32 = u32::MAX;
/// A frame of this length gets no further record.
const FULL_FRAME_BYTES: usize = 256 << 10;

/// What stands before the records of a frame.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct Header {
    /// The length of the records.
    pub(super) body_len: u32,
    /// Whether this is the commit's last frame.
    pub(super) last: bool,
    /// Counts commits, from 1.
    pub(super) sequence: u64,
    /// The height that the commit brings the state to.
    pub(super) version: u64,
    /// The first file of the log that is still needed.
    pub(super) first_file: u32,
    /// The oldest height that was kept: those files hold it, and all after it, in full.
    pub(super) oldest: u64,
    /// The root after the commit; zeros but in the last frame.
    pub(super) root: Digest,
    /// SHA-256 of the records.
    pub(super) body_hash: Digest,
}

impl Header {
    fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        self.serialize(&mut bytes).expect("memory takes it");
        bytes.extend_from_slice(sha256(&bytes).as_bytes());
        bytes
    }

    /// The header that begins `bytes`, if one does.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (bytes, checksum) = bytes.get(..HEADER_BYTES)?.split_at(HEADER_BYTES - 32);
        let fields = bytes.strip_prefix(MAGIC)?;
        if sha256(bytes).as_bytes() != checksum {
            return None;
        }
        Self::try_from_slice(fields).ok()
    }

    /// Whether a valid header stands anywhere in `bytes` that begins a commit behind `sequence`.
    pub(super) fn any_behind(sequence: u64, bytes: &[u8]) -> bool {
        let mut starts = bytes.windows(MAGIC.len()).enumerate().filter(|(_, part)| *part == MAGIC);
        starts.any(|(at, _)| Self::decode(&bytes[at..]).is_some_and(|header| header.sequence > sequence))
    }
}

/// A record as it lies in the log.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<'a> {
    pub(super) key: &'a [u8],
    /// `None`: it was removed.
    pub(super) value: Option<&'a [u8]>,
    /// Where the version before this one lies; [`Place::NONE`] if there is none.
    pub(super) former: Place,
}

impl<'a> Entry<'a> {
    /// The length of its encoding.
    pub(super) fn len(&self) -> usize {
        RECORD_BYTES + self.key.len() + self.value.map_or(0, <[u8]>::len)
    }

    /// The record that begins `bytes`, if one does.
    pub(super) fn decode(bytes: &'a [u8]) -> Option<Self> {
        let (head, rest) = bytes.split_at_checked(RECORD_BYTES)?;
        let word = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let (key, rest) = rest.split_at_checked(head[4].into())?;
        let value = match word(0) {
            REMOVED => None,
            len => Some(rest.get(..len as usize)?),
        };
        let former = Place { file: word(5), offset: word(9), len: word(13) };
        (key.len() <= MAX_KEY).then_some(Self { key, value, former })
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.value.map_or(REMOVED, |value| value.len() as u32).to_le_bytes());
        out.push(self.key.len() as u8);
        for word in [self.former.file, self.former.offset, self.former.len] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        out.extend_from_slice(self.key);
        out.extend_from_slice(self.value.unwrap_or_default());
    }
}

/// The records of a frame, each with its offset; `None` in the place of one that cannot be read.
pub(super) fn entries(body: &[u8]) -> impl Iterator<Item = Option<(usize, Entry<'_>)>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        if at == body.len() {
            return None;
        }
        let entry = Entry::decode(&body[at..]);
        let start = at;
        at = entry.map_or(body.len(), |entry| at + entry.len());
        Some(entry.map(|entry| (start, entry)))
    })
}

/// The frames of one commit, as they grow.
pub(super) struct Frames {
    header: Header,
    /// Where in the log they will lie.
    file: u32,
    start: u64,
    bytes: Vec<u8>,
    /// Where in `bytes` the records of the open frame begin.
    body: usize,
}

impl Frames {
    /// No records yet, for a commit with this header, of which lengths, root and checksums are filled in, to be written
    /// to `file` at `start`.
    pub(super) fn new(header: Header, file: u32, start: u64) -> Self {
        Self { header, file, start, bytes: vec![0; HEADER_BYTES], body: HEADER_BYTES }
    }

    /// Adds a record; returns where it will lie.
    pub(super) fn push(&mut self, entry: &Entry<'_>) -> Result<Place, AppError> {
        if self.bytes.len() - self.body >= FULL_FRAME_BYTES {
            self.close(false);
            self.body = self.bytes.len() + HEADER_BYTES;
            self.bytes.resize(self.body, 0);
        }
        let offset = u32::try_from(self.start + self.bytes.len() as u64)
            .map_err(|_| AppError::Failed("one commit changes more than 4 GiB of records".to_owned()))?;
        entry.encode(&mut self.bytes);
        Ok(Place { file: self.file, offset, len: entry.len() as u32 })
    }

    /// All frames, the last one naming `root`.
    pub(super) fn finish(mut self, root: Digest) -> Vec<u8> {
        self.header.root = root;
        self.close(true);
        self.bytes
    }

    fn close(&mut self, last: bool) {
        let body = &self.bytes[self.body..];
        self.header.body_len = body.len() as u32;
        self.header.body_hash = *sha256(body).as_bytes();
        self.header.last = last;
        self.bytes[self.body - HEADER_BYTES..self.body].copy_from_slice(&self.header.encode());
    }
}
