//! A record in memory, as it lies in the log: shared, not copied, by those who read it.

use std::sync::Arc;

use super::{frame::Entry, log::Place, records::Record};

/// The bytes of a record that is not a removal, maybe among those of others.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    bytes: Arc<[u8]>,
    start: u32,
    end: u32,
}

const READABLE: &str = "it was decoded when it was made";

impl Stored {
    /// The record that `bytes` are, if they are one.
    pub(super) fn new(bytes: &[u8]) -> Option<Self> {
        is_record(bytes).then(|| Self::whole(bytes.into()))
    }

    /// The record that `len` bytes from `start` on are, if they are one.
    pub(super) fn within(bytes: &Arc<[u8]>, start: usize, len: u32) -> Option<Self> {
        let end = start.checked_add(len as usize)?;
        let (start, end) = (u32::try_from(start).ok()?, u32::try_from(end).ok()?);
        is_record(bytes.get(start as usize..end as usize)?).then(|| Self { bytes: bytes.clone(), start, end })
    }

    fn whole(bytes: Arc<[u8]>) -> Self {
        let end = bytes.len() as u32;
        Self { bytes, start: 0, end }
    }

    /// A record that lies in no log, with a key and value of allowed lengths.
    pub(super) fn of(key: &[u8], value: &[u8]) -> Self {
        let mut bytes = Vec::new();
        Entry { key, value: Some(value), former: Place::NONE }.encode(&mut bytes);
        Self::whole(bytes.into())
    }

    fn entry(&self) -> Entry<'_> {
        Entry::decode(&self.bytes[self.start as usize..self.end as usize]).expect(READABLE)
    }

    pub(super) fn key(&self) -> &[u8] {
        self.entry().key
    }

    pub(super) fn value(&self) -> &[u8] {
        self.entry().value.expect(READABLE)
    }

    /// Where the version before this one lies.
    pub(super) fn former(&self) -> Place {
        self.entry().former
    }

    pub(super) fn to_record(&self) -> Record {
        (self.key().to_vec(), self.value().to_vec())
    }
}

fn is_record(bytes: &[u8]) -> bool {
    Entry::decode(bytes).is_some_and(|entry| entry.value.is_some() && entry.len() == bytes.len())
}
