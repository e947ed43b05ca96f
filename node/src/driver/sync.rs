//! Block sync: a node that is far behind fetches runs of committed blocks by height, each with the certificate of its last block,
//! from one peer at a time, as fast as they are executed.

use std::collections::BTreeMap;
use std::sync::Arc;

use althing_consensus::{Epoch, Height, Input, Micros, Position, QuorumCertificate, ValidatorSet, Verified};

use althing_crypto::mutant;

use super::requests::Purpose;
use super::{Driver, Effect, Job, Peer, Step, VerifyJob};
use crate::body::Body;
use crate::wire::Response;
use crate::workers::is_full_run;

/// A peer that takes longer for a run has had its turn: who gives little, and slowly, must not hold up the rest.
const SLOW: Micros = Micros::from_millis(1_000);
/// So few blocks the engine of a validator fetches by hash, on certificates that other validators send it,
const GAP: u64 = 3;
/// unless they have not come after this: less than the time between two statuses.
const PATIENCE: Micros = Micros::from_millis(1_500);
const TIMEOUT: Micros = Micros::from_millis(5_000);
/// A peer that claimed blocks and gave none is left alone for so long, doubled with each time.
const REST: Micros = Micros::from_millis(2_000);
const MAX_DOUBLINGS: u32 = 7;
/// Runs that may wait for the store.
const MAX_STORING: usize = 2;
/// Stored blocks that may wait for execution.
const MAX_UNEXECUTED: u64 = 256;

/// A peer that may have blocks, member of the epoch or not: who is far behind may know none of today's members. Members come first.
type Source = (Position, Peer);

/// What peers say they have, and whom this node asks.
#[derive(Clone, Debug, Default)]
pub(super) struct BlockSync {
    claims: BTreeMap<Source, Claim>,
    /// Whom it fetches from, and whether that peer has given a full run in this turn.
    engaged: Option<(Source, bool)>,
    /// Whether the newest answer was a full run, whoever gave it.
    productive: bool,
    /// Who gave several blocks and had no more: the chain has gone on meanwhile, and no status says so yet.
    trailed: Option<Source>,
    /// When it was last asked, and in which epoch.
    asked: Micros,
    asked_in: Epoch,
    /// A question or a check is under way.
    busy: bool,
    /// Failures in a row, and until when a peer is left alone.
    resting: BTreeMap<Source, (u32, Micros)>,
    /// Whose turn it was last.
    last: Option<Source>,
}

/// What a peer says it has committed.
#[derive(Clone, Copy, Debug)]
struct Claim {
    height: Height,
    /// Since when it has been ahead of this node.
    since: Micros,
}

impl BlockSync {
    /// A peer's status, at a node that has committed up to `own`.
    pub(super) fn heard(&mut self, peer: Source, height: Height, own: Height, now: Micros) {
        let before = self.claims.get(&peer).filter(|claim| claim.height > own);
        let since = before.map_or(now, |claim| claim.since);
        self.claims.insert(peer, Claim { height, since });
    }

    /// Whether runs are coming in now.
    pub(super) fn is_productive(&self) -> bool {
        self.productive
    }

    /// Whether more than a third of the power, so at least one honest validator, shows blocks that are not committed here.
    pub(super) fn is_behind(&self, own: Height, set: &ValidatorSet) -> bool {
        let ahead = self.claims.iter().filter(|(_, claim)| claim.height.0 > own.0.saturating_add(GAP));
        set.is_one_honest(set.power_of(ahead.map(|((place, _), _)| *place)))
    }

    /// The next peer in turn of those that show more than `own` and may be asked: for a long run, or for a short one that has not come
    /// otherwise for as long as `patience`.
    fn choose(
        &self,
        own: Height,
        patience: Micros,
        now: Micros,
        connected: impl Fn(Source) -> bool,
    ) -> Option<Source> {
        let fit = |peer: &Source| {
            let Claim { height, since } = self.claims[peer];
            let far = height.0 > own.0.saturating_add(GAP);
            (far || (height > own && since.after(patience) <= now))
                && self.resting.get(peer).is_none_or(|(_, until)| *until <= now)
                && connected(*peer)
        };
        let mut fitting = self.claims.keys().copied().filter(fit);
        let first = fitting.next()?;
        let after = |peer: &Source| self.last.is_none_or(|last| *peer > last);
        Some(std::iter::once(first).chain(fitting).find(after).unwrap_or(first))
    }

    /// The peer has no more, or none to give.
    fn disengage(&mut self, now: Micros, own: Height) {
        self.productive = false;
        let Some((peer, productive)) = self.engaged.take() else { return };
        if productive {
            self.claims.insert(peer, Claim { height: own, since: now });
        } else {
            self.rest(peer, now);
        }
    }

    /// The peer gave a run. It keeps its turn for long runs given fast; after any other the next peer has its turn.
    fn given(&mut self, now: Micros, full: bool, blocks: usize) {
        self.productive = full;
        let Some((peer, _)) = self.engaged.take() else { return };
        self.resting.remove(&peer);
        if full && now <= self.asked.after(SLOW) {
            self.engaged = Some((peer, true));
        } else if !full && blocks > 1 {
            self.trailed = Some(peer);
        }
    }

    /// The members of a new epoch, in their order; who was asked last had its turn in another.
    pub(super) fn seat(&mut self, place: impl Fn(&Peer) -> Position) {
        let seated = |(_, peer): Source| (place(&peer), peer);
        self.claims =
            std::mem::take(&mut self.claims).into_iter().map(|(one, claim)| (seated(one), claim)).collect();
        self.resting =
            std::mem::take(&mut self.resting).into_iter().map(|(one, rest)| (seated(one), rest)).collect();
        self.engaged = self.engaged.map(|(one, productive)| (seated(one), productive));
        self.trailed = self.trailed.map(seated);
        self.last = None;
    }

    fn rest(&mut self, peer: Source, now: Micros) {
        let (failures, until) = self.resting.entry(peer).or_default();
        *failures = (*failures + 1).min(MAX_DOUBLINGS);
        *until = now.after(Micros(REST.0 << (*failures - 1)));
    }
}

impl Driver {
    pub(super) fn sync_next(&mut self, step: &mut Step) {
        let own = self.engine.committed().height;
        let unexecuted = own.0.saturating_sub(self.execution.executed().0);
        let full = self.commits.waiting() > MAX_STORING || unexecuted > MAX_UNEXECUTED;
        if self.sync.busy || full || self.engine.is_halted() || self.engine.is_closed() {
            return;
        }
        let trailed = self.sync.trailed.take();
        let connected = |(_, peer): Source| self.peers.is_connected(&peer);
        let kept = self.sync.engaged.filter(|(peer, _)| connected(*peer));
        // Nobody sends certificates to a node that is no validator.
        let patience = if self.config.me.is_some() { PATIENCE } else { Micros(0) };
        let trailed = trailed.filter(|peer| connected(*peer)).map(|peer| (peer, true));
        let choose = || self.sync.choose(own, patience, step.now.mono, connected);
        let chosen = kept.or_else(|| choose().map(|peer| (peer, false))).or(trailed);
        self.sync.engaged = chosen;
        let Some((source, _)) = chosen else {
            // Who gave the last run, slowly, or has left since, will end nothing: blocks are to be had by hash again.
            self.sync.productive = false;
            return;
        };
        self.sync.last = Some(source);
        self.sync.busy = true;
        self.sync.asked = step.now.mono;
        self.sync.asked_in = self.config.epoch;
        self.ask(step, source.1, Purpose::Sync(own.next()), TIMEOUT);
    }

    pub(super) fn sync_answered(
        &mut self,
        step: &mut Step,
        from: Peer,
        first: Height,
        response: Option<Response>,
    ) {
        if let Some(Response::Run { bodies, commit }) = response {
            let commit = Box::new(commit);
            let epoch = self.config.epoch;
            if self.sync.asked_in != epoch {
                // What was asked for is committed meanwhile, and the epoch that it was of is over.
                self.sync.busy = false;
                self.sync.engaged = None;
                return;
            }
            let job = VerifyJob::OpenRun { epoch, from, first, bodies, commit };
            return step.act(Effect::Job(Job::Verify(job)));
        }
        self.sync.busy = mutant!("sync_ends_with_a_failure");
        self.sync.disengage(step.now.mono, self.engine.committed().height);
    }

    pub(super) fn run_opened(
        &mut self,
        step: &mut Step,
        from: Peer,
        outcome: Result<(Vec<Arc<Body>>, Verified<QuorumCertificate>), String>,
    ) {
        self.sync.busy = false;
        match outcome {
            Ok((bodies, certificate)) => {
                self.sync.given(step.now.mono, is_full_run(&bodies), bodies.len());
                for body in &bodies {
                    self.body_at_hand(step, body.block.hash(), body);
                }
                let blocks = bodies.iter().map(|body| body.block.clone()).collect();
                step.tell(Input::Blocks { blocks, commit: Some(certificate) });
            }
            Err(reason) => {
                step.act(Effect::Penalise { peer: from, reason: format!("a run of blocks: {reason}") });
                self.sync.productive = false;
                if let Some((peer, _)) = self.sync.engaged.take() {
                    self.sync.rest(peer, step.now.mono);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Bench;
    use super::*;

    fn hear(bench: &mut Bench, peer: u16, committed: u64) {
        let now = bench.now.mono;
        let source = (Position(peer), bench.peer(peer));
        bench.driver.sync.heard(source, Height(committed), Height(0), now);
    }

    fn next(bench: &mut Bench) -> Vec<String> {
        bench.act(Driver::sync_next)
    }

    #[test]
    fn a_small_gap_is_left_to_the_engine() {
        let mut bench = Bench::connected(&[1]);
        hear(&mut bench, 1, GAP);
        assert_eq!(next(&mut bench), [""; 0]);
        hear(&mut bench, 1, GAP + 1);
        assert_eq!(next(&mut bench), ["#1 ask v1 for blocks from 1"]);
        assert_eq!(next(&mut bench), [""; 0], "one question at a time");
    }

    #[test]
    fn a_small_gap_that_stays_is_closed_all_the_same_and_at_once_where_nobody_sends_certificates() {
        let mut bench = Bench::connected(&[1]);
        hear(&mut bench, 1, 1);
        assert_eq!(next(&mut bench), [""; 0]);
        bench.now.mono = Micros(PATIENCE.0 - 1);
        hear(&mut bench, 1, 2);
        assert_eq!(next(&mut bench), [""; 0]);
        bench.now.mono = PATIENCE;
        assert_eq!(next(&mut bench), ["#1 ask v1 for blocks from 1"]);

        let mut follower = Bench::connected(&[1]);
        follower.driver.config.me = None;
        hear(&mut follower, 1, 1);
        assert_eq!(next(&mut follower), ["#1 ask v1 for blocks from 1"]);
    }

    #[test]
    fn a_run_goes_to_the_engine_and_the_peer_is_asked_on_until_it_has_no_more() {
        let mut bench = Bench::connected(&[1, 2]);
        hear(&mut bench, 1, 9);
        next(&mut bench);
        let bodies = bench.bodies(vec![vec![]; 64]);
        let certificate = bench.certificate(&bodies[63].block);
        let run = Response::Run {
            bodies: bodies.iter().map(|body| (**body).clone()).collect(),
            commit: (*certificate).clone(),
        };
        assert_eq!(bench.answer(1, Ok(run)), ["job open run of 64"]);
        let from = bench.peer(1);
        let outcome = Ok((bodies.clone(), certificate));
        assert_eq!(
            bench.act(|driver, step| driver.run_opened(step, from, outcome)),
            ["engine: 64 blocks committed"]
        );
        assert!(bodies.iter().all(|body| bench.driver.bodies.get(&body.block.hash()).is_some()));
        assert!(bench.driver.sync.is_productive(), "blocks are not fetched by hash meanwhile");
        assert_eq!(next(&mut bench), ["#2 ask v1 for blocks from 1"], "the engine was not run here");
        bench.answer(2, Ok(Response::NotHere));
        assert_eq!(next(&mut bench), [""; 0], "it has no more, and is not blamed");
        hear(&mut bench, 1, 9);
        assert_eq!(next(&mut bench), ["#3 ask v1 for blocks from 1"]);
    }

    /// The peer whose turn it is gives a run of so many blocks, `ms` after it was asked.
    fn give(bench: &mut Bench, from: u16, blocks: usize, ms: u64) {
        bench.pass(ms);
        let bodies = bench.bodies(vec![vec![]; blocks]);
        let certificate = bench.certificate(&bodies[blocks - 1].block);
        let from = bench.peer(from);
        bench.act(|driver, step| driver.run_opened(step, from, Ok((bodies, certificate))));
    }

    #[test]
    fn who_gives_little_or_slowly_gives_up_its_turn() {
        let mut bench = Bench::connected(&[1, 2]);
        for peer in [1, 2] {
            hear(&mut bench, peer, 1_000);
        }
        assert_eq!(next(&mut bench), ["#1 ask v1 for blocks from 1"]);
        give(&mut bench, 1, 1, 0);
        assert!(
            !bench.driver.sync.is_productive(),
            "a block now and then must not keep others from being fetched"
        );
        assert_eq!(next(&mut bench), ["#2 ask v2 for blocks from 1"]);
        give(&mut bench, 2, 64, 4_900);
        assert!(bench.driver.sync.is_productive());
        assert_eq!(next(&mut bench), ["#3 ask v1 for blocks from 1"]);
        give(&mut bench, 1, 64, 100);
        assert_eq!(next(&mut bench), ["#4 ask v1 for blocks from 1"], "long and fast: its turn goes on");
    }

    #[test]
    fn who_gave_several_blocks_is_asked_once_more_unless_another_shows_more() {
        let mut bench = Bench::connected(&[1, 2]);
        hear(&mut bench, 1, GAP + 1);
        assert_eq!(next(&mut bench), ["#1 ask v1 for blocks from 1"]);
        hear(&mut bench, 1, 0);
        give(&mut bench, 1, 2, 0);
        assert_eq!(next(&mut bench), ["#2 ask v1 for blocks from 1"], "the chain has gone on");
        give(&mut bench, 1, 1, 0);
        assert_eq!(next(&mut bench), [""; 0], "as far as it has gone");
        hear(&mut bench, 1, GAP + 1);
        assert_eq!(next(&mut bench), ["#3 ask v1 for blocks from 1"]);
        hear(&mut bench, 2, 100);
        give(&mut bench, 1, 2, 0);
        assert_eq!(next(&mut bench), ["#4 ask v2 for blocks from 1"]);
    }

    #[test]
    fn a_peer_that_claims_and_does_not_give_rests_longer_each_time() {
        let mut bench = Bench::connected(&[1, 2]);
        for peer in [1, 2] {
            hear(&mut bench, peer, 100);
        }
        assert_eq!(next(&mut bench), ["#1 ask v1 for blocks from 1"]);
        bench.answer(1, Err("timed out".into()));
        assert_eq!(next(&mut bench), ["#2 ask v2 for blocks from 1"]);
        bench.answer(2, Ok(Response::NotHere));
        assert_eq!(next(&mut bench), [""; 0]);
        bench.pass(2_000);
        assert_eq!(next(&mut bench), ["#3 ask v1 for blocks from 1"], "whose turn it is");
        bench.answer(3, Ok(Response::NotHere));
        bench.pass(2_000);
        assert_eq!(next(&mut bench), ["#4 ask v2 for blocks from 1"], "v1 rests for four seconds");
    }

    #[test]
    fn a_false_run_costs_its_sender() {
        let mut bench = Bench::connected(&[1]);
        hear(&mut bench, 1, 100);
        next(&mut bench);
        let from = bench.peer(1);
        let lines = bench.act(|driver, step| driver.run_opened(step, from, Err("no child of it".into())));
        assert_eq!(lines, ["penalise v1"]);
        assert_eq!(next(&mut bench), [""; 0], "it rests");
    }

    #[test]
    fn the_store_and_the_application_set_the_pace() {
        let mut bench = Bench::connected(&[1]);
        hear(&mut bench, 1, 1_000);
        let bodies = bench.bodies(vec![vec![]; MAX_STORING + 1]);
        for body in &bodies {
            let certificate = bench.certificate(&body.block);
            bench.act(|driver, step| driver.commit(step, vec![body.block.clone()], certificate));
        }
        assert_eq!(next(&mut bench), [""; 0], "too much waits for the store");
    }

    #[test]
    fn when_nobody_has_more_blocks_are_fetched_by_hash_again() {
        for (ms, leaves) in [(1_001, false), (0, true)] {
            let mut bench = Bench::connected(&[1]);
            hear(&mut bench, 1, 64);
            assert_eq!(next(&mut bench), ["#1 ask v1 for blocks from 1"]);
            hear(&mut bench, 1, 0);
            give(&mut bench, 1, 64, ms);
            if leaves {
                let peer = bench.peer(1);
                bench.driver.disconnected(bench.now.mono, &peer);
            }
            assert_eq!(next(&mut bench), [""; 0], "as far as it has gone");
            bench.connect(&[2]);
            let body = bench.bodies(vec![vec![]]).remove(0);
            let hash = bench.chain.body(&body.block, 9, Vec::new()).block.hash();
            let lines = bench.act(|driver, step| driver.fetch_wanted(step, hash, &[Position(2)]));
            assert_eq!(lines, ["#2 ask v2 for a block"], "after {ms} ms");
        }
    }

    #[test]
    fn behind_is_what_more_than_a_third_shows() {
        let mut bench = Bench::connected(&[1, 2]);
        hear(&mut bench, 1, 100);
        assert!(!bench.driver.is_catching_up(), "one of four may lie");
        hear(&mut bench, 2, 50);
        assert!(bench.driver.is_catching_up());
    }
}
