//! A run: the entries of the blocks of some heights, sorted by term and height, in chunks of some KiB.
//!
//! What is written of it at once is never changed. A run of one block is written with that block's results; [merging](super::merge)
//! makes longer runs of shorter ones.

use std::sync::Arc;

use althing_consensus::Height;
use althing_crypto::Encoding;
use borsh::{BorshDeserialize, BorshSerialize};

use super::super::{corrupt, decode, height_of};
use super::filter::Filter;
use super::{Term, run_key};
use crate::storage::{Batch, Store, StoreError, Table};

/// A chunk ends with the entry that makes it so long. Whoever looks for one entry reads a chunk, and has its checksum checked.
const CHUNK_BYTES: usize = 16 << 10;
/// The first byte of a chunk.
const CHUNK_VERSION: u8 = 1;
/// Bytes of a term and a height.
const KEY_BYTES: usize = Term::BYTES + 8;
/// Bytes of an entry before its value: key and length.
const HEAD_BYTES: usize = KEY_BYTES + 4;

/// Most terms are of one transaction of a block.
const TYPICAL_VALUE_BYTES: usize = 10;

/// A term and a height: what entries are sorted by.
pub(super) type Key = [u8; KEY_BYTES];
/// The beginning and the end of a key as numbers, which overlap: as ordered as keys are, and compared sooner.
pub(super) type Rank = (u128, u128);

pub(super) fn key(term: &Term, height: Height) -> Key {
    let mut key = [0; KEY_BYTES];
    key[..Term::BYTES].copy_from_slice(term.bytes());
    key[Term::BYTES..].copy_from_slice(&height.0.to_be_bytes());
    key
}

/// One entry, as it is stored: key, length of the value, value.
#[derive(Clone, Copy)]
pub(super) struct Entry<'a>(&'a [u8]);

impl<'a> Entry<'a> {
    /// The entry at the beginning of these bytes.
    fn first(bytes: &'a [u8]) -> Option<Self> {
        let len: &[u8; 4] = bytes.get(KEY_BYTES..)?.first_chunk()?;
        bytes.get(..HEAD_BYTES.checked_add(u32::from_be_bytes(*len) as usize)?).map(Self)
    }

    pub(super) fn key(&self) -> &'a Key {
        self.0.first_chunk().expect("an entry has a key")
    }

    pub(super) fn height(&self) -> Result<Height, StoreError> {
        height_of(&self.key()[Term::BYTES..])
    }

    pub(super) fn value(&self) -> &'a [u8] {
        &self.0[HEAD_BYTES..]
    }

    /// Bytes of all of it.
    pub(super) fn len(&self) -> u64 {
        self.0.len() as u64
    }

    /// In the order of keys.
    pub(super) fn rank(&self) -> Rank {
        let key = self.key();
        let half = |bytes: Option<&[u8; 16]>| u128::from_be_bytes(*bytes.expect("a key is longer"));
        (half(key.first_chunk()), half(key.last_chunk()))
    }
}

/// Entries of one block, as they are stored, in the order of their keys.
pub(super) struct Entries {
    bytes: Vec<u8>,
    /// Those of transactions' hashes.
    pub(super) hashes: u64,
}

impl Entries {
    /// None yet, and room for so many.
    pub(super) fn new(count: usize) -> Self {
        Self { bytes: Vec::with_capacity(count * (HEAD_BYTES + TYPICAL_VALUE_BYTES)), hashes: 0 }
    }

    /// Adds one. Its key is at least the last one's.
    pub(super) fn push<T: Encoding>(&mut self, key: &Key, value: &T) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(&[0, 0, 0, 0, T::VERSION]);
        value.serialize(&mut self.bytes).expect("memory takes it");
        let len = self.bytes.len() - start - HEAD_BYTES;
        let len = u32::try_from(len).expect("the places in a block are far below 4 GiB");
        self.bytes[start + KEY_BYTES..start + HEAD_BYTES].copy_from_slice(&len.to_be_bytes());
        self.hashes += u64::from(Term::names_hash(key));
    }

    /// Bytes of all.
    pub(super) fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Entry<'_>> {
        all_of(&self.bytes)
    }
}

/// The entries that these bytes begin with.
fn all_of(bytes: &[u8]) -> impl Iterator<Item = Entry<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let entry = Entry::first(bytes.get(at..)?)?;
        at += entry.0.len();
        Some(entry)
    })
}

/// The heights of a run, both included, by which it is known: those of two runs never overlap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Heights {
    pub(super) from: Height,
    pub(super) to: Height,
}

/// What is known of a run without its chunks.
#[derive(Clone, Debug, BorshSerialize, BorshDeserialize)]
pub(super) struct Summary {
    /// How often it was merged.
    pub(super) level: u8,
    /// Bytes of its entries.
    pub(super) bytes: u64,
    /// Its entries of transactions' hashes.
    pub(super) hashes: u64,
    /// Which hashes those may be.
    pub(super) filter: Filter,
    /// The key of each chunk's first entry.
    firsts: Vec<Key>,
}

impl Encoding for Summary {
    const NAME: &'static str = "run of the index";
    const VERSION: u8 = 1;
    const MAX_BYTES: usize = 2 << 30;
}

/// A whole run.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) heights: Heights,
    pub(super) summary: Summary,
}

impl Run {
    pub(super) fn chunks(&self) -> usize {
        self.summary.firsts.len()
    }

    /// A chunk; `None` if the run has been merged or pruned away meanwhile.
    pub(super) fn chunk(&self, store: &dyn Store, number: usize) -> Result<Option<Chunk>, StoreError> {
        store.get(Table::Index, &chunk_key(self.heights, number))?.map(Chunk::read).transpose()
    }

    /// Gives its entries from `low` to `high`, both included, to `take`, the last ones first if `reverse`, until that says `false`.
    /// `None` if the run has gone meanwhile, `Some(false)` if `take` had enough.
    pub(super) fn each(
        &self,
        store: &dyn Store,
        (low, high): (&Key, &Key),
        reverse: bool,
        take: &mut dyn FnMut(Entry<'_>) -> Result<bool, StoreError>,
    ) -> Result<Option<bool>, StoreError> {
        let firsts = &self.summary.firsts;
        // Those before the last chunk that begins at `low` or below end below it. One of the same term may go on from the chunk before.
        let begin = firsts.partition_point(|first| first <= low).saturating_sub(1);
        let end = firsts.partition_point(|first| first <= high);
        for nth in begin..end {
            let number = if reverse { begin + end - 1 - nth } else { nth };
            let Some(chunk) = self.chunk(store, number)? else { return Ok(None) };
            let mut found: Vec<_> = chunk
                .entries()
                .skip_while(|entry| entry.key() < low)
                .take_while(|entry| entry.key() <= high)
                .collect();
            if reverse {
                found.reverse();
            }
            for entry in found {
                if !take(entry)? {
                    return Ok(Some(false));
                }
            }
        }
        Ok(Some(true))
    }
}

/// A chunk whose entries are whole.
pub(super) struct Chunk(Vec<u8>);

impl Chunk {
    /// One without entries.
    pub(super) const EMPTY: Self = Self(Vec::new());

    fn read(bytes: Vec<u8>) -> Result<Self, StoreError> {
        let chunk = Self(bytes);
        let mut at = 1;
        while let Some(entry) = chunk.entry(at) {
            at += entry.0.len();
        }
        match chunk.0.first() {
            Some(&CHUNK_VERSION) if at == chunk.0.len() => Ok(chunk),
            _ => Err(corrupt("a chunk of the index is malformed")),
        }
    }

    /// The entry at this place, counted in bytes.
    fn entry(&self, at: usize) -> Option<Entry<'_>> {
        Entry::first(self.0.get(at..)?)
    }

    fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        all_of(self.0.get(1..).unwrap_or_default())
    }
}

/// Goes through a run from its beginning.
pub(super) struct Cursor {
    run: Arc<Run>,
    next_chunk: usize,
    chunk: Chunk,
    at: usize,
}

impl Cursor {
    pub(super) fn new(run: Arc<Run>) -> Self {
        Self { run, next_chunk: 0, chunk: Chunk::EMPTY, at: 1 }
    }

    /// Has the next entry at hand, if there is one; returns its rank.
    pub(super) fn fill(&mut self, store: &dyn Store) -> Result<Option<Rank>, StoreError> {
        loop {
            if let Some(entry) = self.peek() {
                return Ok(Some(entry.rank()));
            }
            if self.next_chunk == self.run.chunks() {
                return Ok(None);
            }
            let Heights { from, to } = self.run.heights;
            let missing =
                || corrupt(format!("the index of blocks {from} to {to} lacks chunk {}", self.next_chunk));
            self.chunk = self.run.chunk(store, self.next_chunk)?.ok_or_else(missing)?;
            (self.next_chunk, self.at) = (self.next_chunk + 1, 1);
        }
    }

    /// The next entry at hand.
    pub(super) fn peek(&self) -> Option<Entry<'_>> {
        self.chunk.entry(self.at)
    }

    /// Goes on behind it.
    pub(super) fn pass(&mut self) {
        self.at += self.peek().map_or(0, |entry| entry.0.len());
    }
}

/// Makes a run of sorted entries.
pub(super) struct Writer {
    heights: Heights,
    summary: Summary,
    chunk: Vec<u8>,
    /// Bytes that a chunk is likely to have.
    room: usize,
}

impl Writer {
    /// Of entries of so many bytes, of which so many will be of transactions' hashes at most.
    pub(super) fn new(heights: Heights, level: u8, bytes: u64, hashes: u64) -> Self {
        let summary = Summary { level, bytes: 0, hashes: 0, filter: Filter::of(hashes), firsts: Vec::new() };
        let room = usize::try_from(bytes).unwrap_or(CHUNK_BYTES).min(CHUNK_BYTES) + HEAD_BYTES;
        Self { heights, summary, chunk: Vec::new(), room }
    }

    pub(super) fn heights(&self) -> Heights {
        self.heights
    }

    /// Adds an entry. Its key is at least the last one's.
    pub(super) fn put(&mut self, batch: &mut Batch, entry: Entry<'_>) {
        let key = entry.key();
        if self.chunk.is_empty() {
            self.summary.firsts.push(*key);
            self.chunk.reserve(self.room);
            self.chunk.push(CHUNK_VERSION);
        }
        self.chunk.extend_from_slice(entry.0);
        self.summary.bytes += entry.len();
        if Term::names_hash(key) {
            self.summary.hashes += 1;
            self.summary.filter.add(key);
        }
        if self.chunk.len() >= CHUNK_BYTES {
            self.flush(batch);
        }
    }

    fn flush(&mut self, batch: &mut Batch) {
        if !self.chunk.is_empty() {
            let number = self.summary.firsts.len() - 1;
            batch.put(Table::Index, chunk_key(self.heights, number), std::mem::take(&mut self.chunk));
        }
    }

    /// The run, once all are in.
    pub(super) fn end(mut self, batch: &mut Batch) -> Run {
        self.flush(batch);
        batch.put(Table::Index, run_key(self.heights), self.summary.encode());
        Run { heights: self.heights, summary: self.summary }
    }
}

/// How many chunks a run of so many bytes has at most.
pub(super) fn most_chunks(bytes: u64) -> u32 {
    u32::try_from(bytes / CHUNK_BYTES as u64 + 2).unwrap_or(u32::MAX)
}

pub(super) fn chunk_key(heights: Heights, number: usize) -> Vec<u8> {
    let number = u32::try_from(number).expect("a run has fewer chunks than 2^32");
    [&[super::CHUNK][..], &heights.bytes(), &number.to_be_bytes()].concat()
}

impl Heights {
    pub(super) fn bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.from.0.to_be_bytes());
        bytes[8..].copy_from_slice(&self.to.0.to_be_bytes());
        bytes
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Self, StoreError> {
        let (from, to) =
            bytes.split_at_checked(8).ok_or_else(|| corrupt("heights of a run are too short"))?;
        Ok(Self { from: height_of(from)?, to: height_of(to)? })
    }
}

/// The run whose summary is stored so.
pub(super) fn stored(key: &[u8], value: &[u8]) -> Result<Run, StoreError> {
    let (heights, summary) = (Heights::read(&key[1..])?, decode::<Summary>(Table::Index, value)?);
    // A merge makes room for as many as it is told there are.
    if !summary.filter.fits(summary.hashes) || heights.from > heights.to {
        let Heights { from, to } = heights;
        return Err(corrupt(format!("the index of blocks {from} to {to} is malformed")));
    }
    Ok(Run { heights, summary })
}
