//! The committed chain, each block once, whoever commits it first.

use std::{collections::BTreeMap, sync::Arc};

use althing_consensus::Height;
use althing_node::body::Body;

use super::Seen;

/// How far the chain has been seen.
#[derive(Default)]
pub(super) struct Chain {
    /// The newest height.
    pub(super) height: Height,
    /// Committed blocks above one that nobody has told yet.
    ahead: BTreeMap<Height, Arc<Body>>,
}

impl Chain {
    /// The blocks of a commit that nobody committed before, and those that came before it and follow it. What one node commits without
    /// telling, as it ends at that very write, others tell.
    pub(super) fn grow(&mut self, seen: &Seen<'_>) -> Vec<Arc<Body>> {
        let Seen::Committed { bodies, .. } = seen else { return Vec::new() };
        for body in bodies.iter().filter(|body| body.block.header.height > self.height) {
            self.ahead.entry(body.block.header.height).or_insert_with(|| Arc::clone(body));
        }
        let mut fresh = Vec::new();
        while let Some(body) = self.ahead.remove(&self.height.next()) {
            self.height = self.height.next();
            fresh.push(body);
        }
        fresh
    }

    /// Whether a block was committed and not told.
    pub(super) fn lacks_one(&self) -> bool {
        !self.ahead.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use althing_consensus::Phase;

    use super::super::testing::{Bench, block};
    use super::*;

    #[test]
    fn every_block_comes_once_and_in_order() {
        let bench = Bench::new();
        let mut bodies = vec![bench.body(None, &[])];
        for _ in 1..5 {
            bodies.push(bench.body(bodies.last().map(|body| &**body), &[]));
        }
        let certificate = bench.qc(Phase::Commit, 1, block("any"), &[0, 1, 2]);
        let mut chain = Chain::default();
        for (commit, fresh) in [(1..2, 0), (0..2, 2), (0..2, 0), (3..5, 0), (1..4, 3), (0..5, 0)] {
            let seen = Seen::Committed { bodies: &bodies[commit.clone()], certificate: &certificate };
            let before = chain.height;
            let grown = chain.grow(&seen);
            assert_eq!(grown.len(), fresh, "{commit:?}");
            assert!(grown.first().is_none_or(|one| one.block.header.height == before.next()), "{commit:?}");
        }
        assert_eq!(chain.height, Height(5));
    }
}
