//! A block under execution: its changes over the committed state, and those of one transaction over the block.

use std::ops::Deref;

use althing_crypto::Encoding;

use super::{
    Address, Parameters,
    cells::{Cell, CellId, CellState, Cells},
    record::{decode, read},
    short::{Key, Value},
};
use crate::{
    AppError, Event, TxError,
    state::{Records, View},
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
    /// Memory of a draft that is done, for the next one.
    spare: Vec<Change>,
}

impl<'a> Block<'a> {
    pub(super) fn new(base: &'a dyn Records, parameters: &'a Parameters, height: u64) -> Self {
        let cells = Cells::default();
        Self { base, parameters, height, vote_keys: 0, cells, told: true, spare: Vec::new() }
    }

    /// One whose events are not made, as nobody asks for them.
    pub(super) fn untold(base: &'a dyn Records, parameters: &'a Parameters, height: u64) -> Self {
        Self { told: false, ..Self::new(base, parameters, height) }
    }

    /// Reads these from `view`, which the block builds on: before all else, and in their order.
    pub(super) fn fetch(&mut self, view: &View<'_>, keys: &[Key]) -> Result<(), AppError> {
        // By their beginnings, which lie in one place: few pairs of keys are then left to compare as a whole.
        let mut order: Vec<(u128, &Key)> = keys.iter().map(|key| (beginning(key), key)).collect();
        order.sort_unstable_by(|(a, one), (b, other)| a.cmp(b).then_with(|| one.cmp(other)));
        order.dedup_by(|(_, one), (_, other)| one[..] == other[..]);
        self.cells.reserve(order.len());
        let mut noted = order.iter();
        view.find_all(order.iter().map(|(_, key)| &***key), |record| {
            if let Some((_, key)) = noted.next() {
                self.cells.note(key, record);
            }
        })
    }

    fn with<T>(&mut self, at: CellId, look: impl FnOnce(Option<&[u8]>) -> T) -> Result<T, AppError> {
        let cell = &mut self.cells[at];
        if cell.state == CellState::Unread {
            cell.value = self.base.get(cell.key())?.map(Value::from);
            cell.state = CellState::Read;
        }
        Ok(look(cell.value.as_deref()))
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
        let changes = std::mem::take(&mut self.spare);
        Draft { block: self, sender, sequence, index: 0, changes, events: Vec::new() }
    }

    /// Makes changes those of the block.
    pub(super) fn take(&mut self, mut changes: Vec<Change>) {
        for (at, value) in changes.drain(..) {
            self.set(at, value);
        }
        self.spare = changes;
    }

    /// Removes a record.
    pub(super) fn remove(&mut self, key: &[u8]) {
        let at = self.cells.at(key);
        self.set(at, None);
    }

    fn set(&mut self, at: CellId, value: Option<Value>) {
        let cell = &mut self.cells[at];
        (cell.value, cell.state) = (value, CellState::Changed);
    }

    /// Forgets what one transaction used up of what a block may do: for whoever tries several, each as if it were alone.
    pub(super) fn begin_anew(&mut self) {
        self.vote_keys = 0;
    }

    /// What the block has made of a record that it changed, and what that was before.
    pub(super) fn changed<T: Encoding>(&self, key: &[u8]) -> Result<Option<(Option<T>, T)>, AppError> {
        match self.cells.find(key) {
            Some(Cell { value: Some(after), state: CellState::Changed, .. }) => {
                Ok(Some((read(self.base, key)?, decode(after)?)))
            }
            _ => Ok(None),
        }
    }

    /// All that the block knows, with what it changes.
    pub(super) fn into_cells(self) -> Cells {
        self.cells
    }
}

/// The first bytes of a key, in the order of keys.
fn beginning(key: &[u8]) -> u128 {
    let (mut bytes, len) = ([0; 16], key.len().min(16));
    bytes[..len].copy_from_slice(&key[..len]);
    u128::from_be_bytes(bytes)
}

/// The new value of a cell, or `None` where the record is removed.
pub(super) type Change = (CellId, Option<Value>);

/// What one transaction has done so far. It is kept as a whole or dropped as a whole.
pub(super) struct Draft<'b, 'a> {
    block: &'b mut Block<'a>,
    /// Who acts.
    pub(super) sender: Address,
    /// The sequence of the transaction.
    pub(super) sequence: u64,
    /// Which of its instructions is being executed.
    pub(super) index: u8,
    /// Each cell once. They are few, so that looking through them is faster than a map.
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

    /// The cell of a record, for whoever reads it and then writes it.
    pub(super) fn at(&mut self, key: &[u8]) -> CellId {
        self.block.cells.at(key)
    }

    fn with<T>(&mut self, at: CellId, look: impl FnOnce(Option<&[u8]>) -> T) -> Result<T, AppError> {
        match self.changes.iter().find(|(changed, _)| *changed == at) {
            Some((_, value)) => Ok(look(value.as_deref())),
            None => self.block.with(at, look),
        }
    }

    pub(super) fn has(&mut self, key: &[u8]) -> Result<bool, AppError> {
        let at = self.at(key);
        self.with(at, |value| value.is_some())
    }

    pub(super) fn read<T: Encoding>(&mut self, key: &[u8]) -> Result<Option<T>, AppError> {
        let at = self.at(key);
        self.read_at(at)
    }

    pub(super) fn read_at<T: Encoding>(&mut self, at: CellId) -> Result<Option<T>, AppError> {
        self.with(at, |value| value.map(decode).transpose())?
    }

    pub(super) fn write(&mut self, key: impl Deref<Target = [u8]>, record: &impl Encoding) {
        let at = self.at(&key);
        self.write_at(at, record);
    }

    pub(super) fn write_at(&mut self, at: CellId, record: &impl Encoding) {
        self.set(at, Some(Value::encoded(record)));
    }

    pub(super) fn remove(&mut self, key: impl Deref<Target = [u8]>) {
        let at = self.at(&key);
        self.set(at, None);
    }

    fn set(&mut self, at: CellId, value: Option<Value>) {
        match self.changes.iter_mut().find(|(changed, _)| *changed == at) {
            Some((_, before)) => *before = value,
            None => self.changes.push((at, value)),
        }
    }

    /// Whether anybody will read what comes of this.
    pub(super) fn is_told(&self) -> bool {
        self.block.told
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
