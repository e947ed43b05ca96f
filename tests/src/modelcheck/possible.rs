//! What can be made of what the members have signed.

use althing_consensus::Phase;

use super::blocks::{Catalogue, Set};
use super::said::Said;
use super::stimulus::{Stimulus, Tc};

/// What the members' messages so far make possible, the adversary's own added where they help.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Possible {
    /// Blocks that a correct member has voted for.
    pub(super) voted: Set,
    /// Blocks with a QC.
    pub(super) certified: Set,
    /// Blocks with a commit certificate.
    pub(super) committed: Set,
    /// For each view, from 1: the lowest view that a TC of it can name as its highest.
    pub(super) lowest: Vec<Option<u64>>,
}

impl Possible {
    /// From what the correct members said, where so many of them make a quorum with all of the adversary's.
    pub(super) fn new<'a>(
        blocks: &Catalogue,
        views: u64,
        needed: usize,
        said: impl Iterator<Item = &'a Said> + Clone,
    ) -> Self {
        let by_enough = |set: fn(&Said) -> Set| {
            let signers = |at: usize| said.clone().filter(|said| set(said) >> at & 1 == 1).count();
            (0..blocks.len()).filter(|at| signers(*at) >= needed).fold(0, |sets, at| sets | 1 << at)
        };
        let gave_up = |view, named| said.clone().filter(|said| said.timed_out(view, named)).count() >= needed;
        Self {
            voted: said.clone().fold(0, |union, said| union | said.votes),
            certified: by_enough(|said| said.votes),
            committed: by_enough(|said| said.commits),
            lowest: (1..=views).map(|view| (0..view).find(|named| gave_up(view, *named))).collect(),
        }
    }

    fn certificate(&self, block: usize, phase: Phase) -> bool {
        let set = if phase == Phase::Vote { self.certified } else { self.committed };
        set >> block & 1 == 1
    }

    /// A TC can name any QC above the lowest: a faulty signer names it.
    fn tc(&self, blocks: &Catalogue, (view, high): Tc) -> bool {
        let named = blocks.justify_view(blocks.local(view).0, high);
        self.lowest[view as usize - 1].is_some_and(|low| low <= named)
            && high.is_none_or(|block| self.certificate(block, Phase::Vote))
    }

    /// Whether it can happen now. Names of blocks mean nothing, so they are given in the order of the first votes.
    pub(super) fn allows(&self, blocks: &Catalogue, stimulus: &Stimulus) -> bool {
        match *stimulus {
            Stimulus::Propose { block, justify, tc } => {
                let known = blocks.get(block);
                let named_before = known.name == 0 || self.voted >> (block - 1) & 1 == 1;
                named_before
                    && known.justify.is_none_or(|parent| self.certificate(parent, justify))
                    && tc.is_none_or(|tc| self.tc(blocks, tc))
            }
            Stimulus::Certify { block, phase } => self.certificate(block, phase),
            Stimulus::End(tc) => self.tc(blocks, tc),
            Stimulus::Wake | Stimulus::Crash | Stimulus::Enter | Stimulus::Offer { .. } => true,
        }
    }
}
