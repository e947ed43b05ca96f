//! The safety file on a platter that forgets what was not synced, tears it, and rots.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use althing_node::storage::{SafetyStore, SlotFile};

use super::Verdict;

const SLOTS: [usize; 2] = [4096, 4096 + (64 << 10)];

/// A file whose power fails at a chosen operation.
#[derive(Clone, Default)]
pub(super) struct Platter(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    durable: Vec<u8>,
    /// Written and not synced.
    unsynced: Vec<(usize, Vec<u8>)>,
    operations: usize,
    fails_at: Option<usize>,
}

/// What becomes of unsynced writes when the power fails.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Lost,
    Torn,
}

impl Platter {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A formatted safety file.
    pub(super) fn formatted() -> Self {
        let platter = Self::default();
        SafetyStore::format(&mut platter.clone()).expect("memory");
        platter
    }

    /// Opens the safety file as it is now.
    pub(super) fn open(&self) -> Result<(SafetyStore, Option<Vec<u8>>), String> {
        SafetyStore::open_on(Box::new(self.clone()), Path::new("safety")).map_err(|error| error.to_string())
    }

    /// The newest record that would be read after a power cut now.
    pub(super) fn after_power_cut(&self) -> Result<Option<Vec<u8>>, String> {
        let copy = Self::default();
        copy.lock().durable.clone_from(&self.lock().durable);
        copy.open().map(|(_, record)| record)
    }

    fn cut_power(&self, fate: Fate) {
        let mut state = self.lock();
        for (at, bytes) in std::mem::take(&mut state.unsynced) {
            let kept = match fate {
                Fate::Lost => 0,
                Fate::Torn => bytes.len() / 2,
            };
            put(&mut state.durable, at, &bytes[..kept]);
        }
        state.fails_at = None;
    }

    fn rot(&self, slot: usize) {
        self.lock().durable[SLOTS[slot] + 50] ^= 1;
    }

    fn operate(&self) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.lock();
        let fails = state.fails_at == Some(state.operations);
        state.operations += 1;
        if fails { Err(io::Error::other("the power fails")) } else { Ok(state) }
    }
}

fn put(bytes: &mut Vec<u8>, at: usize, part: &[u8]) {
    let end = (at + part.len()).max(bytes.len());
    bytes.resize(end, 0);
    bytes[at..at + part.len()].copy_from_slice(part);
}

impl SlotFile for Platter {
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.lock();
        let mut seen = state.durable.clone();
        state.unsynced.iter().for_each(|(at, bytes)| put(&mut seen, *at, bytes));
        let at = usize::try_from(offset).expect("a small file");
        out.copy_from_slice(seen.get(at..at + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.operate()?;
        state.unsynced.push((usize::try_from(offset).expect("a small file"), bytes.to_vec()));
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.operate()?;
        for (at, bytes) in std::mem::take(&mut state.unsynced) {
            put(&mut state.durable, at, &bytes);
        }
        Ok(())
    }
}

const OLD: &[u8] = &[1; 100];
const NEW: &[u8] = &[2; 100];

/// Everything that may befall it.
pub(super) fn safety_file() -> Verdict {
    power_may_fail_at_any_operation()?;
    either_slot_may_rot()?;
    a_broken_slot_is_repaired()?;
    the_newer_slot_counts()
}

/// A file that holds the old record.
fn with_old() -> Result<(Platter, SafetyStore), String> {
    let platter = Platter::formatted();
    let (mut store, _) = platter.open()?;
    store.write(OLD).map_err(|error| error.to_string())?;
    Ok((platter, store))
}

fn reads(platter: &Platter, expected: &[&[u8]], when: &str) -> Verdict {
    let (_, record) = platter.open().map_err(|error| format!("{when}: {error}"))?;
    let record = record.unwrap_or_default();
    if expected.iter().any(|one| record == *one) {
        return Ok(());
    }
    Err(format!("{when}: the record that begins with {:?} is read", record.first()))
}

fn power_may_fail_at_any_operation() -> Verdict {
    for fate in [Fate::Lost, Fate::Torn] {
        for at in 0..=8 {
            let (platter, mut store) = with_old()?;
            let begin = platter.lock().operations;
            platter.lock().fails_at = Some(begin + at);
            let written = store.write(NEW).is_ok();
            platter.cut_power(fate);
            let expected: &[&[u8]] = if written { &[NEW] } else { &[OLD, NEW] };
            reads(&platter, expected, &format!("power cut at operation {at}, unsynced writes {fate:?}"))?;
        }
    }
    Ok(())
}

fn either_slot_may_rot() -> Verdict {
    for slot in [0, 1] {
        let (platter, mut store) = with_old()?;
        store.write(NEW).map_err(|error| error.to_string())?;
        platter.rot(slot);
        reads(&platter, &[NEW], &format!("slot {slot} has rotted"))?;
    }
    Ok(())
}

fn a_broken_slot_is_repaired() -> Verdict {
    for slot in [0, 1] {
        let (platter, mut store) = with_old()?;
        store.write(NEW).map_err(|error| error.to_string())?;
        platter.rot(slot);
        reads(&platter, &[NEW], "one slot has rotted")?;
        platter.rot(1 - slot);
        reads(&platter, &[NEW], "the other slot has rotted since the last start")?;
    }
    Ok(())
}

/// A write that a disk claimed and lost leaves an old slot, intact.
fn the_newer_slot_counts() -> Verdict {
    for (slot, begin) in SLOTS.into_iter().enumerate() {
        let (platter, mut store) = with_old()?;
        let stale = platter.lock().durable[begin..begin + 300].to_vec();
        store.write(NEW).map_err(|error| error.to_string())?;
        put(&mut platter.lock().durable, begin, &stale);
        reads(&platter, &[NEW], &format!("slot {slot} is of the write before"))?;
    }
    Ok(())
}
