//! Payloads: chosen for a block of one's own; gathered and checked for the block of another.
//!
//! A proposal names transactions by hash. Their bytes come from the mempool; those it lacks from the proposer, or from anyone else.
//! Each must pass the application's precheck, whose verdicts the mempool remembers.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use althing_consensus::engine::BuildPayload;
use althing_consensus::{Block, Epoch, Input, Micros, Notice, Position, View};
use althing_crypto::{BlockHash, TxHash};
use althing_mempool::TxBytes;

use super::requests::Purpose;
use super::{Driver, Effect, Job, Peer, Prechecked, Step, VerifyJob};
use crate::body::{Body, within_limits};
use crate::wire::Response;

/// Payloads gathered at once: more than there are candidates in the views that matter. Beyond it the one of the lowest view goes.
const MAX_GATHERING: usize = 64;
const TIMEOUT: Micros = Micros::from_millis(1_000);
/// When nobody gave all transactions, all are asked again after this. Who lets a committed block wait for so long does not keep others
/// from being asked for it.
const PAUSE: Micros = Micros::from_millis(200);

/// Own payloads and those being gathered.
#[derive(Clone, Debug, Default)]
pub(super) struct Payloads {
    /// The newest payload that was built, in its order.
    built: Vec<(TxHash, TxBytes)>,
    gathering: BTreeMap<BlockHash, Gathering>,
}

#[derive(Clone, Debug)]
struct Gathering {
    block: Block,
    /// One place for each transaction of the block.
    found: Vec<Option<Found>>,
    /// Whom to ask next.
    peers: VecDeque<Peer>,
    proposer: Option<Peer>,
    stage: Stage,
}

#[derive(Clone, Debug)]
struct Found {
    bytes: TxBytes,
    /// The application's precheck passed it.
    good: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Stage {
    /// A peer was asked for what is missing, at this instant.
    Asking(Micros),
    /// All were asked; again at this instant.
    Resting(Micros),
    /// The application checks what was not known.
    Prechecking,
    /// Signatures of its notices are checked.
    Noticing,
    /// `process_proposal` waits for the execution of the parent.
    Waiting,
    /// The application is asked `process_proposal`.
    Processing,
}

impl Payloads {
    pub(super) fn len(&self) -> usize {
        self.gathering.len()
    }

    pub(super) fn is_gathering(&self, block: &BlockHash) -> bool {
        self.gathering.contains_key(block)
    }

    /// Whether a payload is on its way: gathered, and not held back by those who were asked for it.
    pub(super) fn is_coming(&self, block: &BlockHash, now: Micros) -> bool {
        self.gathering.get(block).is_some_and(|one| match one.stage {
            Stage::Asking(since) => now < since.after(PAUSE),
            Stage::Resting(_) => false,
            Stage::Prechecking | Stage::Noticing | Stage::Waiting | Stage::Processing => true,
        })
    }

    fn is_at(&self, block: &BlockHash, stage: &Stage) -> bool {
        self.gathering.get(block).is_some_and(|one| one.stage == *stage)
    }

    /// Whether the notices of this block are being checked.
    pub(super) fn awaits_notices(&self, block: &BlockHash) -> bool {
        self.is_at(block, &Stage::Noticing)
    }

    pub(super) fn forget(&mut self, block: &BlockHash) {
        self.gathering.remove(block);
    }

    /// Nothing of the epoch before is of use.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// When the next rest ends, or a question has been open for too long.
    pub(super) fn retry_at(&self, now: Micros) -> Option<Micros> {
        let next = |one: &Gathering| match one.stage {
            Stage::Resting(until) => Some(until),
            Stage::Asking(since) => Some(since.after(PAUSE)).filter(|at| *at > now),
            _ => None,
        };
        self.gathering.values().filter_map(next).min()
    }
}

impl Driver {
    /// A payload for a proposal of one's own: from the mempool, by way of the application.
    pub(super) fn build_payload(&mut self, step: &mut Step, build: BuildPayload) {
        let params = &self.config.params;
        let (max_bytes, max_txs) = (params.max_block_bytes as usize, params.max_block_txs as usize);
        let txs = self.mempool().batch(max_bytes, max_txs, &|hash| build.exclude.contains(hash));
        let notices = self.choose_notices(&build);
        if txs.is_empty() {
            let BuildPayload { view, parent, .. } = build;
            return step.tell(Input::PayloadBuilt { view, parent, txs: Vec::new(), notices });
        }
        self.empty_outbox(step);
        let time_ms = step.now.unix_ms.max(build.parent_time_ms.saturating_add(1));
        let epoch = self.config.epoch;
        step.act(Effect::Job(Job::Verify(VerifyJob::Prepare { epoch, build, time_ms, txs, notices })));
    }

    pub(super) fn prepared(
        &mut self,
        step: &mut Step,
        (epoch, view, parent): (Epoch, View, BlockHash),
        txs: Result<Vec<(TxHash, TxBytes)>, String>,
        notices: Vec<Notice>,
    ) {
        let txs = txs.unwrap_or_else(|reason| {
            step.act(Effect::Warn(format!(
                "the application's prepare_proposal for view {view} is not used: {reason}"
            )));
            Vec::new()
        });
        if epoch != self.config.epoch {
            return;
        }
        let hashes = txs.iter().map(|(hash, _)| *hash).collect();
        self.payloads.built = txs;
        step.tell(Input::PayloadBuilt { view, parent, txs: hashes, notices });
    }

    /// The bytes of the transactions of a block of one's own.
    pub(super) fn own_payload(&self, txs: &[TxHash]) -> Option<Vec<TxBytes>> {
        let built = &self.payloads.built;
        if built.iter().map(|(hash, _)| hash).eq(txs) {
            return Some(built.iter().map(|(_, bytes)| bytes.clone()).collect());
        }
        let built: BTreeMap<&TxHash, &TxBytes> = built.iter().map(|(hash, bytes)| (hash, bytes)).collect();
        let bytes = |tx| built.get(tx).map(|bytes| (*bytes).clone()).or_else(|| self.mempool().get(tx));
        txs.iter().map(bytes).collect()
    }

    /// The engine has a valid proposal and wants to know of its payload.
    pub(super) fn check_payload(&mut self, step: &mut Step, block: Block, proposer: Position) {
        let hash = block.hash();
        if self.bodies.get(&hash).is_some() {
            return step.tell(Input::PayloadChecked { block: hash, verdict: Ok(()) });
        }
        // A proposal of long ago, said again, is not worth its payload.
        let past = self.bodies.is_past(block.header.height) && !self.commits.wants(&hash);
        if past || self.payloads.is_gathering(&hash) {
            return;
        }
        let proposer = self.connected_member(proposer);
        let peers = proposer.into_iter().collect();
        let found = vec![None; block.txs.len()];
        let gathering = Gathering { block, found, peers, proposer, stage: Stage::Asking(step.now.mono) };
        self.payloads.gathering.insert(hash, gathering);
        if self.payloads.gathering.len() > MAX_GATHERING {
            let oldest = self.payloads.gathering.iter().min_by_key(|(_, one)| one.block.header.view);
            let oldest = oldest.map(|(hash, _)| *hash);
            oldest.map(|hash| self.payloads.gathering.remove(&hash));
        }
        self.gather(step, hash);
    }

    /// Takes what the mempool has; asks the next peer for the rest, or goes on to the check.
    fn gather(&mut self, step: &mut Step, hash: BlockHash) {
        let mempool = self.mempool.inner();
        let Some(one) = self.payloads.gathering.get_mut(&hash) else { return };
        let mut missing = Vec::new();
        for (tx, found) in one.block.txs.iter().zip(&mut one.found).filter(|(_, found)| found.is_none()) {
            match mempool.known(tx) {
                Some((bytes, good)) => *found = Some(Found { bytes, good }),
                None => missing.push(*tx),
            }
        }
        if missing.is_empty() {
            return self.precheck_payload(step, hash);
        }
        match one.peers.pop_front() {
            Some(peer) => {
                one.stage = Stage::Asking(step.now.mono);
                self.ask(step, peer, Purpose::Gather { block: hash, txs: missing }, TIMEOUT);
            }
            None => one.stage = Stage::Resting(step.now.mono.after(PAUSE)),
        }
    }

    /// Those whose rest is over ask everyone again, the proposer first.
    pub(super) fn retry_gathering(&mut self, step: &mut Step) {
        let rested = |one: &Gathering| matches!(one.stage, Stage::Resting(until) if until <= step.now.mono);
        let due: Vec<BlockHash> =
            self.payloads.gathering.iter().filter(|(_, one)| rested(one)).map(|(hash, _)| *hash).collect();
        for hash in due {
            let others = self.peers.connected_peers();
            let one = self.payloads.gathering.get_mut(&hash).expect("listed");
            let proposer = one.proposer.filter(|peer| others.contains(peer));
            let others = others.into_iter().filter(|peer| Some(*peer) != proposer);
            one.peers = proposer.into_iter().chain(others).collect();
            self.gather(step, hash);
        }
    }

    pub(super) fn gather_answered(
        &mut self,
        step: &mut Step,
        from: Peer,
        block: BlockHash,
        wanted: Vec<TxHash>,
        response: Option<Response>,
    ) {
        match response {
            Some(Response::Transactions(txs)) if self.payloads.is_gathering(&block) => {
                let job = VerifyJob::MatchTransactions { from, block, wanted, txs };
                step.act(Effect::Job(Job::Verify(job)));
            }
            _ => self.gather_on(step, block),
        }
    }

    pub(super) fn matched(
        &mut self,
        step: &mut Step,
        from: Peer,
        block: BlockHash,
        txs: Result<Vec<(TxHash, TxBytes)>, String>,
    ) {
        match txs {
            Ok(txs) => {
                if let Some(one) = self.payloads.gathering.get_mut(&block) {
                    let came: BTreeMap<TxHash, TxBytes> = txs.into_iter().collect();
                    let places = one.block.txs.iter().zip(&mut one.found);
                    for (tx, found) in places.filter(|(_, found)| found.is_none()) {
                        *found = came.get(tx).map(|bytes| Found { bytes: bytes.clone(), good: false });
                    }
                }
            }
            Err(reason) => {
                step.act(Effect::Penalise {
                    peer: from,
                    reason: format!("transactions of block {block}: {reason}"),
                });
            }
        }
        self.gather_on(step, block);
    }

    /// After an answer: the next peer, if it is still a matter of asking.
    fn gather_on(&mut self, step: &mut Step, block: BlockHash) {
        if self.payloads.gathering.get(&block).is_some_and(|one| matches!(one.stage, Stage::Asking(_))) {
            self.gather(step, block);
        }
    }

    /// All bytes are here: limits, then the application's precheck of what it has not judged yet.
    fn precheck_payload(&mut self, step: &mut Step, hash: BlockHash) {
        let mempool = self.mempool.inner();
        let Some(one) = self.payloads.gathering.get_mut(&hash) else { return };
        // One missing place would shift all behind it.
        assert_eq!(one.payload().count(), one.block.txs.len(), "a payload that is checked was found");
        let mut verdict = within_limits(one.payload(), &self.config.params);
        let mut unknown = Vec::new();
        let doubtful = one.block.txs.iter().zip(one.found.iter().flatten()).filter(|(_, found)| !found.good);
        for (tx, Found { bytes, .. }) in doubtful {
            match mempool.prechecked(tx) {
                Some(true) => {}
                Some(false) => {
                    verdict = verdict.and(Err(format!("transaction {tx} fails the application's precheck")))
                }
                None => unknown.push((*tx, bytes.clone())),
            }
        }
        if verdict.is_err() {
            return self.payload_done(step, hash, verdict);
        }
        if unknown.is_empty() {
            return self.check_notices(step, hash);
        }
        one.stage = Stage::Prechecking;
        step.act(Effect::Job(Job::Verify(VerifyJob::PrecheckPayload { block: hash, txs: unknown })));
    }

    pub(super) fn payload_prechecked(&mut self, step: &mut Step, block: BlockHash, results: Vec<Prechecked>) {
        let bad = results.iter().find_map(|(tx, result)| Some((*tx, result.as_ref().err()?.to_string())));
        self.prechecks_known(step, results);
        // It may have been given up and begun anew meanwhile: then not all of it is found.
        if !self.payloads.is_at(&block, &Stage::Prechecking) {
            return;
        }
        match bad {
            Some((tx, refusal)) => {
                let reason = format!("transaction {tx} fails the application's precheck: {refusal}");
                self.payload_done(step, block, Err(reason));
            }
            None => self.check_notices(step, block),
        }
    }

    /// Transactions are as they should be: what else it carries is checked, as far as this node has not done that before.
    fn check_notices(&mut self, step: &mut Step, hash: BlockHash) {
        let Some(block) = self.payloads.gathering.get(&hash).map(|one| &one.block) else { return };
        let notices = self.unchecked_notices(block);
        if notices.is_empty() {
            return self.process_payload(step, hash);
        }
        self.payloads.gathering.get_mut(&hash).expect("just seen").stage = Stage::Noticing;
        step.act(Effect::Job(Job::Verify(VerifyJob::CheckNotices { block: hash, notices })));
    }

    /// Where all voters stand at the same state, the application may refuse a block as a whole. Not one that is committed: its
    /// parent's execution may wait for it to be stored, as what one certificate commits is stored at once.
    pub(super) fn process_payload(&mut self, step: &mut Step, hash: BlockHash) {
        let executed = self.execution.executed();
        let committed = self.commits.wants(&hash);
        let Some(one) = self.payloads.gathering.get_mut(&hash) else { return };
        let height = one.block.header.height;
        let asked = self.config.params.max_unexecuted_blocks == 0 && !one.block.txs.is_empty() && !committed;
        if !asked || height <= executed {
            self.payload_done(step, hash, Ok(()));
        } else if height == executed.next() {
            one.stage = Stage::Processing;
            let body = Arc::new(one.body());
            step.act(Effect::Job(Job::Verify(VerifyJob::Process(body))));
        } else {
            one.stage = Stage::Waiting;
        }
    }

    /// A block was executed, or some were committed: those that waited for it go on.
    pub(super) fn process_waiting(&mut self, step: &mut Step) {
        let waiting = |one: &Gathering| one.stage == Stage::Waiting;
        let hashes: Vec<BlockHash> =
            self.payloads.gathering.iter().filter(|(_, one)| waiting(one)).map(|(hash, _)| *hash).collect();
        for hash in hashes {
            self.process_payload(step, hash);
        }
    }

    pub(super) fn processed(
        &mut self,
        step: &mut Step,
        block: BlockHash,
        verdict: Option<Result<(), String>>,
    ) {
        if self.payloads.is_at(&block, &Stage::Processing) {
            // Committed meanwhile: whatever this application says, it is to be stored and executed.
            match if self.commits.wants(&block) { Some(Ok(())) } else { verdict } {
                Some(verdict) => self.payload_done(step, block, verdict),
                // Nothing is known of the block, for or against: no vote in this view, and asked again in a later one.
                None => _ = self.payloads.gathering.remove(&block),
            }
        }
    }

    pub(super) fn payload_done(&mut self, step: &mut Step, block: BlockHash, verdict: Result<(), String>) {
        let Some(one) = self.payloads.gathering.remove(&block) else { return };
        if verdict.is_ok() {
            self.body_at_hand(step, block, &Arc::new(one.body()));
        }
        step.tell(Input::PayloadChecked { block, verdict });
    }
}

impl Gathering {
    /// What was found of the payload, in its order.
    fn payload(&self) -> impl Iterator<Item = &TxBytes> + Clone {
        self.found.iter().flatten().map(|found| &found.bytes)
    }

    /// The block with its payload; only called when all of it was found.
    fn body(&self) -> Body {
        let txs: Vec<TxBytes> = self.payload().cloned().collect();
        assert_eq!(txs.len(), self.block.txs.len(), "a payload that is done was found");
        Body { block: self.block.clone(), txs }
    }
}

#[cfg(test)]
mod tests;
