//! Blocks by hash: those the engine wants, and those that a commit lacks the payload of. Several peers are asked at once.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use althing_consensus::{Input, Micros, Position};
use althing_crypto::BlockHash;

use super::requests::Purpose;
use super::{Driver, Effect, Job, Peer, Step, VerifyJob};
use crate::body::Body;
use crate::wire::Response;

/// Peers asked for one block at once.
const ASKED_AT_ONCE: usize = 2;
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
    /// Questions and checks under way.
    under_way: usize,
    /// Whether the engine wants it.
    wanted: bool,
    /// Nobody had it; not asked for before this instant.
    rests_until: Option<Micros>,
}

impl Fetches {
    /// When the next rest ends.
    pub(super) fn retry_at(&self) -> Option<Micros> {
        self.0.values().filter_map(|fetch| fetch.rests_until).min()
    }

    /// Those whose rest is over are as if they had never been asked for.
    pub(super) fn end_rests(&mut self, now: Micros) {
        self.0.retain(|_, fetch| fetch.rests_until.is_none_or(|until| until > now));
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

    /// The next commit lacks these payloads.
    pub(super) fn fetch_committed(&mut self, step: &mut Step, blocks: &[BlockHash]) {
        for block in blocks {
            if !self.fetches.0.contains_key(block) && !self.payloads.is_gathering(block) {
                let peers = self.peers.connected_peers();
                self.fetch(step, *block, peers, false);
            }
        }
    }

    /// Begins with another peer for every block, so that not all ask the same one.
    fn fetch(&mut self, step: &mut Step, block: BlockHash, mut peers: Vec<Peer>, wanted: bool) {
        let first = usize::from(block.as_bytes()[0]) % peers.len().max(1);
        peers.rotate_left(first);
        let fetch = Fetch { peers: peers.into(), under_way: 0, wanted, rests_until: None };
        self.fetches.0.insert(block, fetch);
        self.fetch_on(step, block);
    }

    fn fetch_on(&mut self, step: &mut Step, block: BlockHash) {
        loop {
            let Some(fetch) = self.fetches.0.get_mut(&block) else { return };
            if fetch.under_way >= ASKED_AT_ONCE {
                return;
            }
            let Some(peer) = fetch.peers.pop_front() else { break };
            fetch.under_way += 1;
            self.ask(step, peer, Purpose::Fetch(block), TIMEOUT);
        }
        let fetch = self.fetches.0.get_mut(&block).expect("just seen");
        if fetch.under_way == 0 {
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
                fetch.under_way -= 1;
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
                    fetch.under_way -= 1;
                    self.fetch_on(step, block);
                }
            }
        }
    }
}
