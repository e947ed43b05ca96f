//! The committed chain, each block once, whoever commits it first.

use std::sync::Arc;

use althing_consensus::Height;
use althing_node::body::Body;

use super::Seen;

/// How far the chain has been seen.
#[derive(Default)]
pub(super) struct Chain {
    /// The newest height.
    pub(super) height: Height,
}

impl Chain {
    /// The blocks of a commit that nobody committed before, if they are the next ones. What one node commits without telling, as it
    /// ends at that very write, others tell.
    pub(super) fn grow<'a>(&mut self, seen: &Seen<'a>) -> &'a [Arc<Body>] {
        let Seen::Committed { bodies, .. } = seen else { return &[] };
        let Some(first) = bodies.first() else { return &[] };
        let known = (self.height.0 + 1).checked_sub(first.block.header.height.0);
        let fresh = known.and_then(|known| bodies.get(usize::try_from(known).ok()?..)).unwrap_or_default();
        self.height.0 += fresh.len() as u64;
        fresh
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
        for (commit, fresh) in [(1..2, 0), (0..2, 2), (0..2, 0), (3..5, 0), (1..4, 2), (0..5, 1)] {
            let seen = Seen::Committed { bodies: &bodies[commit.clone()], certificate: &certificate };
            let before = chain.height;
            let grown = chain.grow(&seen);
            assert_eq!(grown.len(), fresh, "{commit:?}");
            assert!(grown.first().is_none_or(|one| one.block.header.height == before.next()), "{commit:?}");
        }
        assert_eq!(chain.height, Height(5));
    }
}
