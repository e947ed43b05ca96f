//! All nodes commit one chain: one block per height, each on the one below, each node's heights one after the other across restarts.

use std::collections::BTreeMap;

use althing_consensus::{Height, Micros, QuorumCertificate};
use althing_crypto::BlockHash;
use althing_node::body::Body;

use super::{Checker, Seen};
use crate::sim::world::World;

/// The chain as far as anyone has committed it, and where each node stands.
#[derive(Default)]
pub(super) struct Agreement {
    /// By height: the block, its parent, and who committed it first.
    chain: BTreeMap<Height, (BlockHash, BlockHash, usize)>,
    nodes: BTreeMap<usize, Node>,
}

/// Where a node stands.
#[derive(Default)]
struct Node {
    stored: Height,
    /// It has started, and not yet said how far its store reaches: a write may have been durable of which it did not learn.
    opens: bool,
    /// Its disk was set back, so its store may reach less far than before.
    forgot: bool,
}

impl Agreement {
    fn one(&mut self, node: usize, body: &Body) -> Result<(), String> {
        let header = &body.block.header;
        let (hash, height) = (body.block.hash(), header.height);
        let (held, parent, first) = *self.chain.entry(height).or_insert((hash, header.parent, node));
        if (held, parent) != (hash, header.parent) {
            return Err(format!(
                "node {node} commits {hash} at height {height}, node {first} has committed {held} there"
            ));
        }
        let below = height.0.checked_sub(1).and_then(|below| self.chain.get(&Height(below)));
        if let Some((below, ..)) = below.filter(|(below, ..)| *below != parent) {
            return Err(format!(
                "node {node} commits {hash} at height {height} on {parent}, but {below} is committed below it"
            ));
        }
        if let Some((above, on, _)) = self.chain.get(&height.next()).filter(|(_, on, _)| *on != hash) {
            return Err(format!(
                "node {node} commits {hash} at height {height}, but {above} is committed above it, on {on}"
            ));
        }
        Ok(())
    }

    fn committed(
        &mut self,
        node: usize,
        bodies: &[std::sync::Arc<Body>],
        certificate: &QuorumCertificate,
    ) -> Result<(), String> {
        // In its first step it may already store what it had certified before it ended.
        if let Some(first) = bodies.first().filter(|_| self.nodes.get(&node).is_some_and(|one| one.opens)) {
            self.opened(node, Height(first.block.header.height.0.saturating_sub(1)))?;
        }
        for body in bodies {
            let (height, stored) = (body.block.header.height, self.nodes.entry(node).or_default().stored);
            if height != stored.next() {
                return Err(format!("node {node} commits height {height}, but stands at height {stored}"));
            }
            self.one(node, body)?;
            self.nodes.entry(node).or_default().stored = height;
        }
        let last = bodies.last().map(|body| body.block.hash());
        if !certificate.is_commit() || Some(certificate.block) != last {
            let QuorumCertificate { phase, view, block, .. } = certificate;
            return Err(format!(
                "node {node} commits up to {last:?} by a {phase:?} certificate of view {view} for {block}"
            ));
        }
        Ok(())
    }

    /// A node says for the first time since its start how far its store reaches.
    fn opened(&mut self, node: usize, stored: Height) -> Result<(), String> {
        let one = self.nodes.entry(node).or_default();
        let before = one.stored;
        (one.stored, one.opens) = (stored, false);
        if stored < before && !std::mem::take(&mut one.forgot) {
            return Err(format!("node {node} comes back at height {stored}, it had stored height {before}"));
        }
        Ok(())
    }
}

impl Checker for Agreement {
    fn name(&self) -> &'static str {
        "agreement"
    }

    fn see(&mut self, _: &World, _: Micros, node: usize, seen: &Seen<'_>) -> Result<(), String> {
        match seen {
            Seen::Started { .. } => self.nodes.entry(node).or_default().opens = true,
            Seen::Forgot => self.nodes.entry(node).or_default().forgot = true,
            Seen::Stepped { driver } if self.nodes.get(&node).is_some_and(|one| one.opens) => {
                return self.opened(node, driver.stored_height());
            }
            Seen::Committed { bodies, certificate } => return self.committed(node, bodies, certificate),
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use althing_consensus::Phase;

    use super::super::testing::{Bench, found};
    use super::*;

    #[test]
    fn one_chain_in_any_batches_passes() {
        let (bench, mut checker) = (Bench::new(), Agreement::default());
        let one = bench.body(None, &["a"]);
        let two = bench.body(Some(&one), &[]);
        bench.commits(&mut checker, 0, std::slice::from_ref(&one)).expect("the first block");
        bench.commits(&mut checker, 0, std::slice::from_ref(&two)).expect("the second");
        bench.commits(&mut checker, 1, &[one, two]).expect("both at once elsewhere");
    }

    #[test]
    fn two_blocks_at_one_height_are_found() {
        let (bench, mut checker) = (Bench::new(), Agreement::default());
        bench.commits(&mut checker, 0, &[bench.body(None, &["a"])]).expect("the first");
        found(bench.commits(&mut checker, 1, &[bench.body(None, &["b"])]), &["node 1", "height 1", "node 0"]);
    }

    #[test]
    fn a_block_on_another_parent_is_found() {
        let (bench, mut checker) = (Bench::new(), Agreement::default());
        let other = bench.body(None, &["b"]);
        let second = bench.body(Some(&other), &[]);
        let both = [bench.body(None, &["a"]), second];
        found(bench.commits(&mut checker, 0, &both), &["height 2", "is committed below it"]);
    }

    #[test]
    fn a_gap_and_a_height_twice_are_found() {
        let bench = Bench::new();
        let one = bench.body(None, &[]);
        let two = bench.body(Some(&one), &[]);
        found(bench.commits(&mut Agreement::default(), 0, &[two]), &["height 2", "stands at height 0"]);
        let mut checker = Agreement::default();
        bench.commits(&mut checker, 0, std::slice::from_ref(&one)).expect("once");
        found(bench.commits(&mut checker, 0, &[one]), &["height 1", "stands at height 1"]);
    }

    #[test]
    fn a_store_that_lost_its_tail_is_found_unless_its_disk_was_set_back() {
        let (bench, mut checker) = (Bench::new(), Agreement::default());
        let one = bench.body(None, &[]);
        bench.commits(&mut checker, 0, std::slice::from_ref(&one)).expect("once");
        found(checker.opened(0, Height(0)), &["node 0", "height 0", "height 1"]);
        bench.see(&mut checker, 0, &Seen::Forgot).expect("not its fault");
        checker.opened(0, Height(0)).expect("it was set back");
        bench.commits(&mut checker, 0, &[one]).expect("it commits anew");
    }

    #[test]
    fn a_write_whose_end_was_not_seen_counts() {
        let (bench, mut checker) = (Bench::new(), Agreement::default());
        checker.opened(0, Height(1)).expect("durable, but the node ended at it");
        let one = bench.body(None, &[]);
        bench.commits(&mut checker, 0, &[bench.body(Some(&one), &[])]).expect("goes on");
    }

    #[test]
    fn a_certificate_of_votes_or_of_another_block_commits_nothing() {
        let bench = Bench::new();
        let one = bench.body(None, &[]);
        let hash = one.block.hash();
        for certificate in [
            bench.qc(Phase::Vote, 1, hash, &[0, 1, 2]),
            bench.qc(Phase::Commit, 1, super::super::testing::block("x"), &[0, 1, 2]),
        ] {
            let seen = Seen::Committed { bodies: std::slice::from_ref(&one), certificate: &certificate };
            found(bench.see(&mut Agreement::default(), 0, &seen), &["node 0 commits up to", "view 1"]);
        }
    }
}
