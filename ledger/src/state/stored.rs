//! A record in memory, as it lies in the log: shared, not copied, by those who read it.

use std::sync::Arc;

use super::{frame::Entry, log::Place, records::Record};

/// The bytes of a record that is not a removal.
#[derive(Clone, Debug)]
pub(super) struct Stored(Arc<[u8]>);

const READABLE: &str = "it was decoded when it was made";

impl Stored {
    /// The record that `bytes` are, if they are one.
    pub(super) fn new(bytes: &[u8]) -> Option<Self> {
        let entry = Entry::decode(bytes)?;
        (entry.value.is_some() && entry.len() == bytes.len()).then(|| Self(bytes.into()))
    }

    /// A record that lies in no log, with a key and value of allowed lengths.
    pub(super) fn of(key: &[u8], value: &[u8]) -> Self {
        let mut bytes = Vec::new();
        Entry { key, value: Some(value), former: Place::NONE }.encode(&mut bytes);
        Self(bytes.into())
    }

    fn entry(&self) -> Entry<'_> {
        Entry::decode(&self.0).expect(READABLE)
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
