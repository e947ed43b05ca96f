//! The heights that are kept: each is a root; what a height replaced is given back once the one before it has left.

use std::collections::{BTreeMap, VecDeque};

use super::{
    arena::{Arena, NodeId},
    key::Digest,
};

/// One kept height.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) version: u64,
    pub(super) root: Option<NodeId>,
    pub(super) hash: Digest,
    /// Nodes of the height before that this one does not have.
    pub(super) replaced: Vec<NodeId>,
}

/// So many replaced nodes are kept in any case, in number about 25 MB.
const REPLACED_NODES: usize = 1 << 19;

/// The newest heights, oldest first.
pub(super) struct Window {
    kept: VecDeque<Kept>,
    heights: usize,
    /// Nodes that only older heights have.
    replaced: usize,
}

impl Window {
    /// No heights yet, `heights` of them to be kept.
    pub(super) fn new(heights: u64) -> Self {
        let heights = usize::try_from(heights).unwrap_or(usize::MAX).max(1);
        Self { kept: VecDeque::new(), heights, replaced: 0 }
    }

    pub(super) fn newest(&self) -> Option<&Kept> {
        self.kept.back()
    }

    pub(super) fn oldest(&self) -> Option<&Kept> {
        self.kept.front()
    }

    pub(super) fn at(&self, version: u64) -> Option<&Kept> {
        let place = self.kept.binary_search_by_key(&version, |kept| kept.version).ok()?;
        self.kept.get(place)
    }

    /// Adds the next height.
    pub(super) fn push(&mut self, kept: Kept) {
        debug_assert!(self.newest().is_none_or(|newest| newest.version < kept.version));
        self.replaced += kept.replaced.len();
        self.kept.push_back(kept);
    }

    /// Lets the oldest heights go that are too many, or that alone have too many nodes, but for what somebody reads.
    pub(super) fn retire(&mut self, arena: &mut Arena, pins: &BTreeMap<u64, usize>) {
        while self.kept.len() > 1
            && (self.kept.len() > self.heights || self.replaced > REPLACED_NODES.max(arena.len() / 4))
            && self.oldest().is_some_and(|oldest| !pins.contains_key(&oldest.version))
        {
            self.kept.pop_front();
            if let Some(oldest) = self.kept.front_mut() {
                let replaced = std::mem::take(&mut oldest.replaced);
                self.replaced -= replaced.len();
                arena.free(replaced);
            }
        }
    }
}
