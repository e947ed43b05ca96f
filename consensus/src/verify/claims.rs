//! Which quorum certificates were checked of late, by what they say.
//!
//! Each member makes its own certificate of the votes that reached it first. All say the same, by other signers: once one was checked,
//! another teaches nothing. So it is not checked: the one that was stands in for it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::QuorumCertificate;

/// Those of the highest views, one for each thing said. Shared by the threads that verify.
#[derive(Debug)]
pub(super) struct Claims {
    capacity: usize,
    checked: Mutex<Vec<QuorumCertificate>>,
}

impl Claims {
    /// At most so many.
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity, checked: Mutex::default() }
    }

    /// The certificate that says the same and was checked, if there is one.
    pub(super) fn find(&self, qc: &QuorumCertificate) -> Option<QuorumCertificate> {
        self.lock().iter().rev().find(|checked| says_the_same(checked, qc)).cloned()
    }

    /// Takes note of one that was checked; if there is no room, of the lowest view none is kept: old ones cost whoever sends them nothing.
    pub(super) fn insert(&self, qc: &QuorumCertificate) {
        let mut checked = self.lock();
        if checked.iter().any(|one| says_the_same(one, qc)) {
            return;
        }
        checked.push(qc.clone());
        if checked.len() > self.capacity {
            let lowest = (0..checked.len()).min_by_key(|&at| checked[at].view);
            lowest.map(|at| checked.remove(at));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<QuorumCertificate>> {
        // Nothing panics while it is held.
        self.checked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn says_the_same(one: &QuorumCertificate, other: &QuorumCertificate) -> bool {
    let said = |qc: &QuorumCertificate| (qc.phase, qc.epoch, qc.view, qc.block);
    said(one) == said(other)
}
