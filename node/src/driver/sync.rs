//! Block sync: a node that is far behind fetches runs of committed blocks by height, each with the certificate of its last block,
//! from one peer at a time, as fast as they are executed.

use std::collections::BTreeMap;
use std::sync::Arc;

use althing_consensus::{Height, Input, Micros, Position, QuorumCertificate, ValidatorSet, Verified};

use super::requests::Purpose;
use super::{Driver, Effect, Job, Peer, Step, VerifyJob};
use crate::body::Body;
use crate::wire::Response;

/// So few blocks the engine fetches by hash.
const GAP: u64 = 3;
const TIMEOUT: Micros = Micros::from_millis(5_000);
/// A peer that claimed blocks and gave none is left alone for so long, doubled with each time.
const REST: Micros = Micros::from_millis(2_000);
const MAX_DOUBLINGS: u32 = 7;
/// Runs that may wait for the store.
const MAX_STORING: usize = 2;
/// Stored blocks that may wait for execution.
const MAX_UNEXECUTED: u64 = 256;

/// What peers say they have, and whom this node asks.
#[derive(Clone, Debug, Default)]
pub(super) struct BlockSync {
    claims: BTreeMap<Position, Height>,
    /// Whom it fetches from, and whether that peer has given a run.
    engaged: Option<(Position, bool)>,
    /// A question or a check is under way.
    busy: bool,
    /// Failures in a row, and until when a peer is left alone.
    resting: BTreeMap<Position, (u32, Micros)>,
    /// Whose turn it was last.
    last: Option<Position>,
}

impl BlockSync {
    pub(super) fn heard(&mut self, peer: Position, committed: Height) {
        self.claims.insert(peer, committed);
    }

    /// Whether runs are coming in now.
    pub(super) fn is_productive(&self) -> bool {
        matches!(self.engaged, Some((_, true)))
    }

    /// Whether more than a third of the power, so at least one honest validator, shows blocks that are not committed here.
    pub(super) fn is_behind(&self, own: Height, set: &ValidatorSet) -> bool {
        let ahead = self.claims.iter().filter(|(_, height)| height.0 > own.0.saturating_add(GAP));
        set.is_one_honest(set.power_of(ahead.map(|(peer, _)| *peer)))
    }

    /// The next peer in turn of those that show more than `own` and may be asked.
    fn choose(&self, own: Height, now: Micros, connected: impl Fn(Position) -> bool) -> Option<Position> {
        let fit = |peer: &Position| {
            self.claims[peer].0 > own.0.saturating_add(GAP)
                && self.resting.get(peer).is_none_or(|(_, until)| *until <= now)
                && connected(*peer)
        };
        let mut fitting = self.claims.keys().copied().filter(fit);
        let first = fitting.next()?;
        let after = |peer: &Position| self.last.is_none_or(|last| *peer > last);
        Some(std::iter::once(first).chain(fitting).find(after).unwrap_or(first))
    }

    /// The peer has no more, or none to give.
    fn disengage(&mut self, now: Micros, own: Height) {
        let Some((peer, productive)) = self.engaged.take() else { return };
        if productive {
            self.claims.insert(peer, own);
        } else {
            self.rest(peer, now);
        }
    }

    fn rest(&mut self, peer: Position, now: Micros) {
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
        if self.sync.busy || full || self.engine.is_halted() {
            return;
        }
        let connected = |peer| self.connected_member(peer).is_some();
        let kept = self.sync.engaged.filter(|(peer, _)| connected(*peer));
        let chosen = kept.or_else(|| self.sync.choose(own, step.now.mono, connected).map(|peer| (peer, false)));
        self.sync.engaged = chosen;
        let Some((peer, _)) = chosen else { return };
        let Some(to) = self.connected_member(peer) else { return };
        self.sync.last = Some(peer);
        self.sync.busy = true;
        self.ask(step, to, Purpose::Sync(own.next()), TIMEOUT);
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
            return step.act(Effect::Job(Job::Verify(VerifyJob::OpenRun { from, first, bodies, commit })));
        }
        self.sync.busy = false;
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
                if let Some((peer, productive)) = &mut self.sync.engaged {
                    *productive = true;
                    self.sync.resting.remove(peer);
                }
                for body in &bodies {
                    self.body_at_hand(step, body.block.hash(), body);
                }
                let blocks = bodies.iter().map(|body| body.block.clone()).collect();
                step.tell(Input::Blocks { blocks, commit: Some(certificate) });
            }
            Err(reason) => {
                step.act(Effect::Penalise { peer: from, reason: format!("a run of blocks: {reason}") });
                if let Some((peer, _)) = self.sync.engaged.take() {
                    self.sync.rest(peer, step.now.mono);
                }
            }
        }
    }
}
