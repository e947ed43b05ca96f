//! What can be asked of a state, whoever holds it.

use std::collections::BTreeMap;

use super::arena::NodeId;
use crate::AppError;

/// A record: its key and its value.
pub type Record = (Vec<u8>, Vec<u8>);

/// What a block changes: the new value of each key, or `None` where the record is removed.
pub type Changes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// Where a height has a record, for whoever changes that height later.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    /// The height.
    pub(super) version: u64,
    pub(super) leaf: NodeId,
}

/// The new value of a key, or `None` where the record is removed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Change<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) value: Option<&'a [u8]>,
    /// Where the record is now, if that is known: of another height than the newest it does not count.
    pub(crate) found: Option<Found>,
}

/// Records that can be read: the committed state, an older kept one, a block under execution, a witness.
///
/// A query written against this trait runs on a node's state and, at its client, on the witness of its answer.
pub trait Records {
    /// The value of `key`, if there is such a record.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, AppError>;

    /// At most `limit` records with `from <= key < to`, ascending. An empty `to` means the end.
    fn range(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Record>, AppError>;

    /// At most `limit` older values of `key`, newest first, the current one left out, as far back as they are kept. The
    /// chain ends where the record was made; there are none of a record that is not there.
    ///
    /// The root does not vouch for these: a record whose history is to be believed names its former value by hash, and
    /// whoever asks compares.
    fn versions(&self, key: &[u8], limit: usize) -> Result<Vec<Vec<u8>>, AppError>;
}
