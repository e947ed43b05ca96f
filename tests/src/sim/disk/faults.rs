//! What a disk does to the node that writes to it: ends it at a chosen operation, or has no room left.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// At which side of a write or sync a node ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// The operation is lost.
    Before,
    /// The operation is done, but nobody is told.
    After,
}

#[derive(Debug, Default)]
struct State {
    passed: u64,
    burns: Option<(u64, When)>,
    full: bool,
    failed: bool,
}

/// The faults of one disk, shared by everything on it.
#[derive(Clone, Debug, Default)]
pub(super) struct Faults(Arc<Mutex<State>>);

impl Faults {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing burns any more.
    pub(super) fn spare(&self) {
        self.state().burns = None;
    }

    pub(super) fn burn_at(&self, n: u64, when: When) {
        let mut state = self.state();
        state.burns = Some((state.passed + n, when));
    }

    pub(super) fn set_full(&self, full: bool) {
        self.state().full = full;
    }

    pub(super) fn passed(&self) -> u64 {
        self.state().passed
    }

    /// Whether an operation has failed since this was last asked; no further one fails for the same reason.
    pub(super) fn take_failed(&self) -> bool {
        let mut state = self.state();
        state.burns = None;
        std::mem::take(&mut state.failed)
    }

    /// Performs a write or sync, unless the node ends before it; fails if the node ends at it.
    pub(super) fn operate<T>(&self, operation: impl FnOnce() -> T) -> io::Result<T> {
        let mut state = self.state();
        let here = state.burns.filter(|(at, _)| *at == state.passed).map(|(_, when)| when);
        state.passed += 1;
        let dead = state.failed;
        state.failed |= here.is_some() || state.full;
        if dead || here == Some(When::Before) {
            return Err(io::Error::other("the node has ended"));
        }
        if state.full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        drop(state);
        let done = operation();
        if here.is_some() { Err(io::Error::other("the node has ended")) } else { Ok(done) }
    }
}
