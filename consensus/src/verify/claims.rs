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

#[cfg(test)]
mod tests {
    use althing_crypto::{BlockHash, Hash, bls};

    use super::*;
    use crate::{Epoch, Phase, Signers, View};

    fn of(view: u64, block: u8) -> QuorumCertificate {
        QuorumCertificate {
            phase: Phase::Vote,
            epoch: Epoch(1),
            view: View(view),
            block: BlockHash(Hash::from_bytes([block; 32])),
            signers: Signers::default(),
            signature: bls::Signature::from_bytes([0; 96]),
        }
    }

    #[test]
    fn those_of_the_highest_views_stay_whatever_comes_after_them() {
        let claims = Claims::new(3);
        let kept =
            |claims: &Claims| (0..20).filter(|view| claims.find(&of(*view, 1)).is_some()).collect::<Vec<_>>();
        for view in [9, 7, 8] {
            claims.insert(&of(view, 1));
        }
        // As many old ones as anyone likes, and what is there once more.
        for view in (1..7).chain([7, 8, 9]) {
            claims.insert(&of(view, 1));
            assert_eq!((kept(&claims), claims.lock().len()), (vec![7, 8, 9], 3), "after view {view}");
        }
        claims.insert(&of(12, 1));
        assert_eq!(kept(&claims), [8, 9, 12]);
        claims.insert(&of(10, 1));
        assert_eq!((kept(&claims), claims.lock().len()), (vec![9, 10, 12], 3));
        assert!(claims.find(&of(12, 2)).is_none(), "of another block");
    }
}
