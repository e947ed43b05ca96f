//! Blocks with their payload that are at hand: uncommitted ones, and committed ones on their way to the store.

use std::collections::BTreeMap;
use std::sync::Arc;

use althing_consensus::Height;
use althing_crypto::BlockHash;

use crate::body::Body;

/// More than a correct chain ever has between two commits. Beyond it the body of the lowest view goes.
pub(crate) const MAX_BODIES: usize = 256;

/// Bodies by hash. All were checked: they are what their block's hash says.
#[derive(Clone, Debug)]
pub(super) struct Bodies {
    bodies: BTreeMap<BlockHash, Arc<Body>>,
    /// The height of the newest committed block; nothing at or below it is of use here.
    floor: Height,
}

impl Bodies {
    pub(super) fn new(floor: Height, bodies: Vec<Arc<Body>>) -> Self {
        let bodies = bodies.into_iter().map(|body| (body.block.hash(), body)).collect();
        Self { bodies, floor }
    }

    pub(super) fn get(&self, hash: &BlockHash) -> Option<&Arc<Body>> {
        self.bodies.get(hash)
    }

    pub(super) fn len(&self) -> usize {
        self.bodies.len()
    }

    /// Whether a block of this height is committed.
    pub(super) fn is_past(&self, height: Height) -> bool {
        height <= self.floor
    }

    pub(super) fn insert(&mut self, hash: BlockHash, body: Arc<Body>) {
        if self.is_past(body.block.header.height) {
            return;
        }
        self.bodies.insert(hash, body);
        if self.bodies.len() > MAX_BODIES {
            let oldest =
                self.bodies.iter().min_by_key(|(_, body)| body.block.header.view).map(|(hash, _)| *hash);
            oldest.map(|hash| self.bodies.remove(&hash));
        }
    }

    /// What is not committed when an epoch ends never will be.
    pub(super) fn clear(&mut self) {
        self.bodies.clear();
    }

    pub(super) fn remove(&mut self, hash: &BlockHash) -> Option<Arc<Body>> {
        self.bodies.remove(hash)
    }

    /// Blocks up to this height are committed.
    pub(super) fn raise_floor(&mut self, height: Height) {
        self.floor = height;
        self.bodies.retain(|_, body| body.block.header.height > height);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Bench;
    use super::*;

    #[test]
    fn what_is_committed_goes_and_does_not_come_back() {
        let bench = Bench::new();
        let chain = bench.bodies(vec![vec![], vec![]]);
        let mut bodies = Bodies::new(Height(0), vec![chain[0].clone()]);
        bodies.insert(chain[1].block.hash(), chain[1].clone());
        bodies.raise_floor(Height(1));
        bodies.insert(chain[0].block.hash(), chain[0].clone());
        assert!(bodies.get(&chain[0].block.hash()).is_none());
        assert!(bodies.get(&chain[1].block.hash()).is_some());
    }

    #[test]
    fn beyond_the_bound_the_oldest_view_goes() {
        let bench = Bench::new();
        let mut bodies = Bodies::new(Height(0), Vec::new());
        for view in 1..=MAX_BODIES as u64 + 1 {
            let body = bench.chain.body(&bench.genesis, view, Vec::new());
            bodies.insert(body.block.hash(), body);
        }
        assert_eq!(bodies.bodies.len(), MAX_BODIES);
        assert!(bodies.bodies.values().all(|body| body.block.header.view.0 > 1));
    }
}
