//! Committed blocks to the store: in order, each batch in one write with its certificate, once all payloads are at hand.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use althing_consensus::{Block, Height, Input, QuorumCertificate, Verified};
use althing_crypto::{BlockHash, mutant};

use super::{Driver, Effect, Job, Step, StoreJob};
use crate::body::Body;

/// Commits that wait with their payloads. Where the store is slower than the chain, those behind wait without: the members that voted
/// for a block have it.
const MAX_FILLED: usize = 64;

/// The engine commits by headers; what it committed waits here for payloads and the store.
#[derive(Clone, Debug)]
pub(super) struct Commits {
    queue: VecDeque<Commit>,
    /// The newest height in the store.
    stored: Height,
    running: bool,
}

#[derive(Clone, Debug)]
struct Commit {
    /// Ascending.
    blocks: Vec<BlockHash>,
    /// The bodies at hand. A block stays here even when the engine forgets it.
    bodies: BTreeMap<BlockHash, Arc<Body>>,
    certificate: Verified<QuorumCertificate>,
    votes: Option<Box<QuorumCertificate>>,
}

impl Commit {
    fn missing(&self) -> impl Iterator<Item = &BlockHash> {
        self.blocks.iter().filter(|hash| !self.bodies.contains_key(hash))
    }
}

impl Commits {
    pub(super) fn new(stored: Height) -> Self {
        Self { queue: VecDeque::new(), stored, running: false }
    }

    pub(super) fn stored(&self) -> Height {
        self.stored
    }

    /// Commits that are not stored.
    pub(super) fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Whether a commit waits for this block's payload.
    pub(super) fn wants(&self, hash: &BlockHash) -> bool {
        self.queue
            .iter()
            .take(MAX_FILLED)
            .any(|commit| commit.blocks.contains(hash) && !commit.bodies.contains_key(hash))
    }

    /// A payload has come.
    pub(super) fn fill(&mut self, hash: &BlockHash, body: &Arc<Body>) {
        let filled = self.queue.iter_mut().take(MAX_FILLED);
        for commit in filled.filter(|commit| commit.blocks.contains(hash)) {
            commit.bodies.insert(*hash, body.clone());
        }
    }

    /// The oldest commit: what is stored next.
    fn next(&self) -> Option<&Commit> {
        let filled = self.queue.iter().find(|commit| commit.missing().next().is_none());
        filled.filter(|_| mutant!("later_commit_stored_first")).or(self.queue.front())
    }

    /// Bodies that the next commit still lacks.
    pub(super) fn lacking(&self) -> Vec<BlockHash> {
        self.next().map_or_else(Vec::new, |commit| commit.missing().copied().collect())
    }
}

impl Driver {
    /// R6, performed.
    pub(super) fn commit(
        &mut self,
        step: &mut Step,
        blocks: Vec<Block>,
        certificate: Verified<QuorumCertificate>,
    ) {
        let newest = blocks.last().expect("a commit has blocks").header.height;
        // A chain of one has nobody to ask; it waits for its own disk before it votes.
        let filled = self.commits.waiting() < MAX_FILLED || self.config.set.len() == 1;
        let beneath = |qc: &Verified<QuorumCertificate>| {
            !qc.is_commit() && (qc.view, qc.block) == (certificate.view, certificate.block)
        };
        let votes = self.engine.newest().high_qc.filter(beneath).map(|qc| Box::new(qc.into_inner()));
        let mut commit = Commit { blocks: Vec::new(), bodies: BTreeMap::new(), certificate, votes };
        self.notices_committed(step, &blocks);
        for block in blocks {
            let hash = block.hash();
            let body = self.bodies.remove(&hash).filter(|_| filled);
            commit.bodies.extend(body.map(|body| (hash, body)));
            commit.blocks.push(hash);
            self.mempool_committed(step, block.header.height, block.txs);
        }
        self.bodies.raise_floor(newest);
        self.commits.queue.push_back(commit);
        self.process_waiting(step);
    }

    /// These blocks lost, or are committed and no longer needed by the engine.
    pub(super) fn forget(&mut self, blocks: &[BlockHash]) {
        for hash in blocks {
            self.bodies.remove(hash);
            if !self.commits.wants(hash) {
                self.payloads.forget(hash);
            }
        }
    }

    /// The next commit goes to the store if its payloads are at hand; if not, they are fetched from everyone.
    pub(super) fn store_next(&mut self, step: &mut Step) {
        if self.commits.running {
            return;
        }
        let lacking = self.commits.lacking();
        if !lacking.is_empty() {
            return self.fetch_committed(step, &lacking);
        }
        let Some(commit) = self.commits.next() else { return };
        let bodies = commit.blocks.iter().map(|hash| commit.bodies[hash].clone()).collect();
        let (certificate, votes) = (commit.certificate.clone(), commit.votes.clone());
        self.commits.running = true;
        step.act(Effect::Job(Job::Store(StoreJob::Commit { bodies, certificate, votes })));
    }

    pub(super) fn stored(&mut self, height: Height) {
        assert!(height > self.commits.stored, "the store grows");
        self.commits.stored = height;
        self.commits.running = false;
        self.commits.queue.pop_front();
    }

    /// A checked body: whoever waits for it gets it.
    pub(super) fn body_at_hand(&mut self, step: &mut Step, hash: BlockHash, body: &Arc<Body>) {
        self.commits.fill(&hash, body);
        self.bodies.insert(hash, body.clone());
        if self.fetches.arrived(&hash) {
            step.tell(Input::Blocks { blocks: vec![body.block.clone()], commit: None });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Bench, tx};
    use super::*;

    fn commit(bench: &mut Bench, bodies: &[Arc<Body>]) {
        let blocks: Vec<Block> = bodies.iter().map(|body| body.block.clone()).collect();
        let certificate = bench.certificate(blocks.last().expect("blocks"));
        bench.act(|driver, step| driver.commit(step, blocks, certificate));
    }

    fn at_hand(bench: &mut Bench, body: &Arc<Body>) -> Vec<String> {
        bench.act(|driver, step| driver.body_at_hand(step, body.block.hash(), body))
    }

    #[test]
    fn commits_are_stored_one_after_the_other() {
        let mut bench = Bench::new();
        let bodies = bench.bodies(vec![vec![tx("a")], vec![tx("b")], vec![]]);
        bodies.iter().for_each(|body| drop(at_hand(&mut bench, body)));
        commit(&mut bench, &bodies[..1]);
        commit(&mut bench, &bodies[1..]);
        assert_eq!(bench.act(Driver::store_next), ["job commit 1"]);
        assert_eq!(bench.act(Driver::store_next), [""; 0], "one at a time");
        bench.driver.stored(Height(1));
        assert_eq!(bench.act(Driver::store_next), ["job commit 2 3"]);
        bench.driver.stored(Height(3));
        assert_eq!(bench.driver.stored_height(), Height(3));
        assert_eq!(bench.act(Driver::store_next), [""; 0]);
    }

    #[test]
    fn a_commit_waits_for_a_payload_that_is_still_gathered() {
        let mut bench = Bench::connected(&[1]);
        let bodies = bench.bodies(vec![vec![tx("a")], vec![]]);
        bench.act(|driver, step| {
            driver.check_payload(step, bodies[0].block.clone(), althing_consensus::Position(1))
        });
        at_hand(&mut bench, &bodies[1]);
        commit(&mut bench, &bodies);
        assert_eq!(bench.act(Driver::store_next), [""; 0], "asked for already");
        at_hand(&mut bench, &bodies[0]);
        assert_eq!(bench.act(Driver::store_next), ["job commit 1 2"]);
    }

    #[test]
    fn what_the_engine_forgets_is_stored_all_the_same_if_it_is_committed() {
        let mut bench = Bench::new();
        let bodies = bench.bodies(vec![vec![], vec![]]);
        bodies.iter().for_each(|body| drop(at_hand(&mut bench, body)));
        commit(&mut bench, &bodies);
        bench.driver.forget(&[bodies[0].block.hash(), bodies[1].block.hash()]);
        assert_eq!(bench.act(Driver::store_next), ["job commit 1 2"]);
    }

    #[test]
    fn where_the_store_is_slower_than_the_chain_payloads_do_not_pile_up() {
        let mut bench = Bench::connected(&[1]);
        let bodies = bench.bodies(vec![vec![tx("a")]; MAX_FILLED + 2]);
        for body in &bodies {
            at_hand(&mut bench, body);
            commit(&mut bench, std::slice::from_ref(body));
        }
        let held: usize = bench.driver.commits.queue.iter().map(|commit| commit.bodies.len()).sum();
        assert_eq!(held, MAX_FILLED);
        for height in 1..=MAX_FILLED as u64 {
            assert_eq!(bench.act(Driver::store_next), [format!("job commit {height}")]);
            bench.driver.stored(Height(height));
        }
        assert_eq!(bench.act(Driver::store_next), ["#1 ask v1 for a block"]);
        at_hand(&mut bench, &bodies[MAX_FILLED]);
        assert_eq!(bench.act(Driver::store_next), [format!("job commit {}", MAX_FILLED + 1)]);
    }

    #[test]
    #[should_panic(expected = "the store grows")]
    fn a_height_is_not_stored_twice() {
        let mut bench = Bench::new();
        bench.driver.stored(Height(1));
        bench.driver.stored(Height(1));
    }
}
