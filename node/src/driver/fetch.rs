//! Blocks by hash: those the engine wants, and those that a commit lacks the payload of. Several peers are asked at once.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use althing_consensus::{Input, Micros, Position};
use althing_crypto::{BlockHash, mutant};

use super::requests::Purpose;
use super::{Driver, Effect, Job, Peer, Step, VerifyJob};
use crate::body::Body;
use crate::wire::Response;

/// Peers asked for one block at once,
const ASKED_AT_ONCE: usize = 2;
/// and one more whenever so much time has passed: those who keep silent must not hold the block back until their time is over.
const PATIENCE: Micros = Micros::from_millis(300);
const TIMEOUT: Micros = Micros::from_millis(3_000);
/// When nobody had a block that a commit needs, all are asked again after this.
const PAUSE: Micros = Micros::from_millis(300);

/// Those under way.
#[derive(Clone, Debug, Default)]
pub(super) struct Fetches(BTreeMap<BlockHash, Fetch>);

#[derive(Clone, Debug)]
struct Fetch {
    /// Whom to ask next.
    peers: VecDeque<Peer>,
    /// Who was asked and has not given an answer that was checked. By name: an answer to an earlier fetch of the block may come late.
    under_way: BTreeSet<Peer>,
    /// So many may be asked at once, and one more from that instant on.
    at_once: usize,
    more_at: Micros,
    /// Whether the engine wants it.
    wanted: bool,
    /// Nobody had it; not asked for before this instant.
    rests_until: Option<Micros>,
}

impl Fetches {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// When the next rest ends, or one more peer is to be asked.
    pub(super) fn retry_at(&self) -> Option<Micros> {
        let next = |fetch: &Fetch| fetch.rests_until.or((!fetch.peers.is_empty()).then_some(fetch.more_at));
        self.0.values().filter_map(next).min()
    }

    /// Those whose rest is over are as if they had never been asked for.
    pub(super) fn end_rests(&mut self, now: Micros) {
        self.0.retain(|_, fetch| fetch.rests_until.is_none_or(|until| until > now));
    }

    /// Nothing of the epoch before is of use.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// The block has come. Whether the engine wanted it.
    pub(super) fn arrived(&mut self, block: &BlockHash) -> bool {
        self.0.remove(block).is_some_and(|fetch| fetch.wanted)
    }
}

impl Driver {
    /// The engine wants a block that a certificate vouches for. While runs of committed blocks come in, these bring it, too; the
    /// engine asks again.
    pub(super) fn fetch_wanted(&mut self, step: &mut Step, block: BlockHash, from: &[Position]) {
        if let Some(body) = self.bodies.get(&block) {
            return step.tell(Input::Blocks { blocks: vec![body.block.clone()], commit: None });
        }
        if self.sync.is_productive() {
            return;
        }
        if let Some(fetch) = self.fetches.0.get_mut(&block) {
            fetch.wanted = true;
            return;
        }
        let mut peers: Vec<Peer> = from.iter().filter_map(|one| self.connected_member(*one)).collect();
        if peers.is_empty() {
            peers = self.peers.connected_peers();
        }
        self.fetch(step, block, peers, true);
    }

    /// The next commit lacks these payloads. Those that a proposer holds back are had from others, who voted for them.
    pub(super) fn fetch_committed(&mut self, step: &mut Step, blocks: &[BlockHash]) {
        for block in blocks {
            if !self.fetches.0.contains_key(block) && !self.payloads.is_coming(block, step.now.mono) {
                let peers = self.peers.connected_peers();
                self.fetch(step, *block, peers, false);
            }
        }
    }

    /// Begins with another peer for every block, so that not all ask the same one.
    fn fetch(&mut self, step: &mut Step, block: BlockHash, mut peers: Vec<Peer>, wanted: bool) {
        let first = usize::from(block.as_bytes()[0]) % peers.len().max(1);
        peers.rotate_left(first);
        let (at_once, more_at) = (ASKED_AT_ONCE, step.now.mono.after(PATIENCE));
        let (peers, under_way) = (peers.into(), BTreeSet::new());
        let fetch = Fetch { peers, under_way, at_once, more_at, wanted, rests_until: None };
        self.fetches.0.insert(block, fetch);
        self.fetch_on(step, block);
    }

    /// Asks one peer more where those asked have not answered for a while.
    pub(super) fn ask_more_for_blocks(&mut self, step: &mut Step) {
        let now = step.now.mono;
        let mut due = Vec::new();
        for (block, fetch) in &mut self.fetches.0 {
            if fetch.more_at <= now && !fetch.peers.is_empty() {
                fetch.at_once += 1;
                fetch.more_at = now.after(PATIENCE);
                due.push(*block);
            }
        }
        for block in due {
            self.fetch_on(step, block);
        }
    }

    fn fetch_on(&mut self, step: &mut Step, block: BlockHash) {
        loop {
            let Some(fetch) = self.fetches.0.get_mut(&block) else { return };
            if fetch.under_way.len() >= fetch.at_once {
                return;
            }
            let Some(peer) = fetch.peers.pop_front() else { break };
            fetch.under_way.insert(peer);
            self.ask(step, peer, Purpose::Fetch(block), TIMEOUT);
        }
        let fetch = self.fetches.0.get_mut(&block).expect("just seen");
        if fetch.under_way.is_empty() {
            if self.commits.lacking().contains(&block) {
                fetch.rests_until = Some(step.now.mono.after(PAUSE));
            } else {
                self.fetches.0.remove(&block);
            }
        }
    }

    pub(super) fn fetch_answered(
        &mut self,
        step: &mut Step,
        from: Peer,
        block: BlockHash,
        response: Option<Response>,
    ) {
        let Some(fetch) = self.fetches.0.get_mut(&block) else { return };
        match response {
            Some(Response::Block(body)) => {
                let body = Box::new(body);
                step.act(Effect::Job(Job::Verify(VerifyJob::OpenBlock { from, block, body })));
            }
            _ => {
                if mutant!("fetch_dropped_on_failure") {
                    return;
                }
                fetch.under_way.remove(&from);
                self.fetch_on(step, block);
            }
        }
    }

    pub(super) fn block_opened(
        &mut self,
        step: &mut Step,
        from: Peer,
        block: BlockHash,
        outcome: Result<Arc<Body>, String>,
    ) {
        match outcome {
            Ok(body) => {
                if self.fetches.0.contains_key(&block) {
                    self.payloads.forget(&block);
                    self.body_at_hand(step, block, &body);
                }
            }
            Err(reason) => {
                step.act(Effect::Penalise { peer: from, reason: format!("block {block}: {reason}") });
                if let Some(fetch) = self.fetches.0.get_mut(&block) {
                    fetch.under_way.remove(&from);
                    self.fetch_on(step, block);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Bench, tx};
    use super::*;

    fn want(bench: &mut Bench, body: &Body, from: &[u16]) -> Vec<String> {
        let (hash, from) = (body.block.hash(), from.iter().map(|one| Position(*one)).collect::<Vec<_>>());
        bench.act(|driver, step| driver.fetch_wanted(step, hash, &from))
    }

    fn opened(
        bench: &mut Bench,
        from: u16,
        hash: BlockHash,
        outcome: Result<Arc<Body>, String>,
    ) -> Vec<String> {
        let from = bench.peer(from);
        bench.act(|driver, step| driver.block_opened(step, from, hash, outcome))
    }

    /// Whom a request was put to, whatever the order.
    fn asked(lines: &[String]) -> Vec<&str> {
        let mut peers: Vec<&str> = lines.iter().filter_map(|line| line.split(' ').nth(2)).collect();
        peers.sort_unstable();
        peers
    }

    #[test]
    fn several_signers_are_asked_and_the_first_good_answer_counts() {
        let mut bench = Bench::connected(&[1, 2, 3]);
        let body = bench.bodies(vec![vec![tx("a")]]).remove(0);
        let hash = body.block.hash();
        let lines = want(&mut bench, &body, &[1, 2]);
        assert_eq!(asked(&lines), ["v1", "v2"]);
        assert_eq!(want(&mut bench, &body, &[1, 2, 3]), [""; 0], "under way already");
        assert_eq!(bench.answer(1, Ok(Response::Block((*body).clone()))), ["job open block"]);
        assert_eq!(opened(&mut bench, 1, hash, Ok(body.clone())), ["engine: 1 blocks"]);
        assert_eq!(bench.answer(2, Ok(Response::Block((*body).clone()))), [""; 0], "too late");
        assert_eq!(want(&mut bench, &body, &[3]), ["engine: 1 blocks"], "at hand");
    }

    #[test]
    fn a_bad_answer_costs_its_sender_and_the_next_one_is_asked() {
        let mut bench = Bench::connected(&[1, 2, 3]);
        let body = bench.bodies(vec![vec![]]).remove(0);
        let hash = body.block.hash();
        // Which of them is asked first follows from the block's hash.
        let lines = want(&mut bench, &body, &[1, 2, 3]);
        let first: u16 = asked(&lines[..1])[0][1..].parse().expect("a position");
        bench.answer(1, Ok(Response::Block((*body).clone())));
        let lines = opened(&mut bench, first, hash, Err("another block".into()));
        assert_eq!(lines[0], format!("penalise v{first}"));
        assert!(lines[1].starts_with("#3 ask"), "{lines:?}");
        assert_eq!(bench.answer(2, Err("timed out".into())), [""; 0]);
        assert_eq!(bench.answer(3, Ok(Response::NotHere)), [""; 0], "nobody has it; the engine asks again");
        assert_eq!(want(&mut bench, &body, &[2]), ["#4 ask v2 for a block"]);
    }

    #[test]
    fn who_keeps_silent_is_joined_by_another_before_its_time_is_over() {
        let mut bench = Bench::connected(&[1, 2, 3]);
        let body = bench.bodies(vec![vec![]]).remove(0);
        assert_eq!(want(&mut bench, &body, &[1, 2, 3]).len(), 2);
        assert_eq!(bench.act(Driver::schedule), ["wake 300 ms"]);
        bench.pass(299);
        assert_eq!(bench.act(Driver::woken), [""; 0]);
        bench.pass(1);
        let lines = bench.act(Driver::woken);
        assert!(lines.len() == 1 && lines[0].starts_with("#3 ask"), "{lines:?}");
        bench.pass(300);
        assert_eq!(bench.act(Driver::woken), [""; 0], "all are asked");
        assert_eq!(bench.act(Driver::schedule), [""; 0]);
    }

    #[test]
    fn with_no_signer_connected_everyone_is_asked() {
        let mut bench = Bench::connected(&[3]);
        let body = bench.bodies(vec![vec![]]).remove(0);
        assert_eq!(want(&mut bench, &body, &[1, 2]), ["#1 ask v3 for a block"]);
    }

    #[test]
    fn what_a_commit_lacks_is_asked_for_until_it_comes() {
        let mut bench = Bench::connected(&[1]);
        let body = bench.bodies(vec![vec![tx("a")]]).remove(0);
        let certificate = bench.certificate(&body.block);
        bench.act(|driver, step| driver.commit(step, vec![body.block.clone()], certificate));
        assert_eq!(bench.act(Driver::store_next), ["#1 ask v1 for a block"]);
        assert_eq!(bench.act(Driver::store_next), [""; 0], "under way");
        assert_eq!(bench.answer(1, Ok(Response::NotHere)), [""; 0]);
        assert_eq!(bench.act(Driver::schedule), ["wake 300 ms"]);
        assert_eq!(bench.act(Driver::store_next), [""; 0], "resting");
        bench.pass(300);
        bench.act(Driver::woken);
        assert_eq!(bench.act(Driver::store_next), ["#2 ask v1 for a block"]);
        bench.answer(2, Ok(Response::Block((*body).clone())));
        assert_eq!(opened(&mut bench, 1, body.block.hash(), Ok(body.clone())), [""; 0], "the engine has it");
        assert_eq!(bench.act(Driver::store_next), ["job commit 1"]);
    }

    #[test]
    fn an_answer_to_an_earlier_fetch_of_a_block_is_not_counted_twice() {
        let mut bench = Bench::connected(&[1, 2]);
        let body = bench.bodies(vec![vec![tx("a")]]).remove(0);
        let hash = body.block.hash();
        want(&mut bench, &body, &[1, 2]);
        opened(&mut bench, 1, hash, Ok(body.clone()));
        bench.driver.bodies.remove(&hash);
        let certificate = bench.certificate(&body.block);
        bench.act(|driver, step| driver.commit(step, vec![body.block.clone()], certificate));
        assert_eq!(bench.act(Driver::store_next).len(), 2, "asked for again: {hash}");
        for id in 1..=4 {
            assert_eq!(bench.answer(id, Ok(Response::NotHere)), [""; 0]);
        }
        assert_eq!(bench.act(Driver::schedule), ["wake 300 ms"]);
    }
}
