//! A block under execution: its changes over the committed state, and those of one transaction over the block.

use althing_crypto::Encoding;

use super::{
    Address, Parameters,
    cells::{Cell, Cells},
    record::{decode, read},
};
use crate::{
    AppError, Event, TxError,
    state::{Changes, Records, View},
};

/// Why an instruction goes no further.
pub(super) enum Stop {
    /// It does not apply: the transaction fails.
    Refused(TxError),
    /// The state cannot be read: the node stops.
    Fault(AppError),
}

impl From<TxError> for Stop {
    fn from(refusal: TxError) -> Self {
        Self::Refused(refusal)
    }
}

impl From<AppError> for Stop {
    fn from(fault: AppError) -> Self {
        Self::Fault(fault)
    }
}

/// What an instruction comes to.
pub(super) type Step<T = ()> = Result<T, Stop>;

/// The committed state with the block's changes over it. What it reads it keeps: each record is read once a block.
pub(super) struct Block<'a> {
    base: &'a dyn Records,
    pub(super) parameters: &'a Parameters,
    pub(super) height: u64,
    /// Vote keys whose proofs it has checked.
    vote_keys: u32,
    cells: Cells,
    /// Whether anybody will read the events.
    told: bool,
}

impl<'a> Block<'a> {
    pub(super) fn new(base: &'a dyn Records, parameters: &'a Parameters, height: u64) -> Self {
        Self { base, parameters, height, vote_keys: 0, cells: Cells::default(), told: true }
    }

    /// One whose events are not made, as nobody asks for them.
    pub(super) fn untold(base: &'a dyn Records, parameters: &'a Parameters, height: u64) -> Self {
        Self { told: false, ..Self::new(base, parameters, height) }
    }

    /// Reads these from `view`, which the block builds on: before all else, and in their order.
    pub(super) fn fetch(&mut self, view: &View<'_>, mut keys: Vec<Vec<u8>>) -> Result<(), AppError> {
        // By their beginnings, which lie in one place: few pairs of keys are then left to compare as a whole.
        keys.sort_by_cached_key(|key| beginning(key));
        keys.sort_unstable();
        keys.dedup();
        let values = view.get_all(&keys)?;
        self.cells.reserve(keys.len());
        for (key, value) in keys.into_iter().zip(values) {
            self.cells.set(key, value, false);
        }
        Ok(())
    }

    fn with<T>(&mut self, key: &[u8], look: impl FnOnce(Option<&[u8]>) -> T) -> Result<T, AppError> {
        if let Some(cell) = self.cells.get(key) {
            return Ok(look(cell.value.as_deref()));
        }
        let value = self.base.get(key)?;
        let seen = look(value.as_deref());
        self.cells.set(key.to_vec(), value, false);
        Ok(seen)
    }

    /// Keys of the committed state, whatever the block has done since.
    pub(super) fn committed_keys(
        &self,
        from: &[u8],
        to: &[u8],
        limit: usize,
    ) -> Result<Vec<Vec<u8>>, AppError> {
        Ok(self.base.range(from, to, limit)?.into_iter().map(|(key, _)| key).collect())
    }

    /// A draft of changes, for `sender`'s transaction of this sequence.
    pub(super) fn draft(&mut self, sender: Address, sequence: u64) -> Draft<'_, 'a> {
        Draft { block: self, sender, sequence, index: 0, changes: Vec::new(), events: Vec::new() }
    }

    /// Makes changes those of the block.
    pub(super) fn take(&mut self, changes: impl IntoIterator<Item = Change>) {
        for (key, value) in changes {
            self.cells.set(key, value, true);
        }
    }

    /// What the block has made of a record that it changed, and what that was before.
    pub(super) fn changed<T: Encoding>(&self, key: &[u8]) -> Result<Option<(Option<T>, T)>, AppError> {
        match self.cells.get(key) {
            Some(Cell { value: Some(after), changed: true, .. }) => {
                Ok(Some((read(self.base, key)?, decode(after)?)))
            }
            _ => Ok(None),
        }
    }

    /// All that the block changes.
    pub(super) fn into_changes(self) -> Changes {
        self.cells.into_changed()
    }
}

/// The first bytes of a key, in the order of keys.
fn beginning(key: &[u8]) -> u128 {
    let (mut bytes, len) = ([0; 16], key.len().min(16));
    bytes[..len].copy_from_slice(&key[..len]);
    u128::from_be_bytes(bytes)
}

/// The new value of a key, or `None` where the record is removed.
pub(super) type Change = (Vec<u8>, Option<Vec<u8>>);

/// What one transaction has done so far. It is kept as a whole or dropped as a whole.
pub(super) struct Draft<'b, 'a> {
    block: &'b mut Block<'a>,
    /// Who acts.
    pub(super) sender: Address,
    /// The sequence of the transaction.
    pub(super) sequence: u64,
    /// Which of its instructions is being executed.
    pub(super) index: u8,
    /// Each key once. They are few, so that looking through them is faster than a map.
    changes: Vec<Change>,
    events: Vec<Event>,
}

impl<'a> Draft<'_, 'a> {
    /// Height of the block.
    pub(super) fn height(&self) -> u64 {
        self.block.height
    }

    pub(super) fn parameters(&self) -> &'a Parameters {
        self.block.parameters
    }

    fn with<T>(&mut self, key: &[u8], look: impl FnOnce(Option<&[u8]>) -> T) -> Result<T, AppError> {
        match self.changes.iter().find(|(changed, _)| changed == key) {
            Some((_, value)) => Ok(look(value.as_deref())),
            None => self.block.with(key, look),
        }
    }

    pub(super) fn has(&mut self, key: &[u8]) -> Result<bool, AppError> {
        self.with(key, |value| value.is_some())
    }

    pub(super) fn read<T: Encoding>(&mut self, key: &[u8]) -> Result<Option<T>, AppError> {
        self.with(key, |value| value.map(decode).transpose())?
    }

    pub(super) fn write(&mut self, key: Vec<u8>, record: &impl Encoding) {
        self.set(key, Some(record.encode()));
    }

    pub(super) fn remove(&mut self, key: Vec<u8>) {
        self.set(key, None);
    }

    fn set(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        match self.changes.iter_mut().find(|(changed, _)| *changed == key) {
            Some((_, before)) => *before = value,
            None => self.changes.push((key, value)),
        }
    }

    /// Tells of a change, if anybody will read it.
    pub(super) fn emit(&mut self, event: impl FnOnce() -> Event) {
        if self.block.told {
            self.events.push(event());
        }
    }

    /// What `attempt` comes to, without its changes and events.
    pub(super) fn try_out<T>(&mut self, attempt: impl FnOnce(&mut Self) -> T) -> T {
        let (changes, events) = (self.changes.clone(), self.events.len());
        let done = attempt(self);
        self.changes = changes;
        self.events.truncate(events);
        done
    }

    /// How many vote keys the block has met with one more, whatever becomes of it.
    pub(super) fn count_vote_key(&mut self) -> u32 {
        self.block.vote_keys = self.block.vote_keys.saturating_add(1);
        self.block.vote_keys
    }

    /// The changes and events, for [`Block::take`].
    pub(super) fn finish(self) -> (Vec<Change>, Vec<Event>) {
        (self.changes, self.events)
    }
}
