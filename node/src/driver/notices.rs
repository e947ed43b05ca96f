//! Notices: evidence and registrations on their way into a block.
//!
//! What is found here, handed in by a client or passed on by a peer is kept until a committed block carries it, or none may any more;
//! while there is some, there is work. A peer that sends ever more costs a bounded number of checks: what is known is not checked again,
//! of one peer one is checked at a time and a few a second, and whoever sends what does not hold is penalised.

use std::collections::{BTreeMap, VecDeque};

use althing_consensus::engine::BuildPayload;
use althing_consensus::{
    Block, Counted, Evidence, Input as EngineInput, MAX_NOTICES, Micros, Notice, NoticeId, Position,
    Rejection, fitting,
};
use althing_crypto::{BlockHash, mutant};

use super::{Driver, Effect, Job, NoticeSource, Peer, Step, StoreJob, VerifyJob};
use crate::wire::Wire;

/// Evidence that waits for a block: more than all members of a usual chain can be convicted of.
pub(crate) const MAX_EVIDENCE: usize = 256;
/// Registrations that wait for a block: of all sponsors, and of one.
const MAX_REGISTRATIONS: usize = 64;
const MAX_REGISTRATIONS_OF_ONE: usize = 8;
/// Checks that a peer, or all clients together, can have made at once,
const CHECKS_OF_A_PEER: u32 = 8;
/// and how long it takes until it can have another one made.
const CHECK_INTERVAL: Micros = Micros::from_millis(250);
/// Checks for clients at one time.
const MAX_CLIENT_CHECKS: usize = 4;

/// What waits for a block, and what is being checked.
#[derive(Clone, Debug, Default)]
pub(super) struct Notices {
    /// Each holds. In the order in which they came.
    pool: BTreeMap<u64, Notice>,
    numbers: BTreeMap<NoticeId, u64>,
    next: u64,
    peers: BTreeMap<Peer, Checks>,
    client_checks: usize,
    /// What all clients together can have made: votes wait behind it.
    clients: Option<Checks>,
    /// Evidence found here that is not durable yet; no more than the pool takes.
    to_keep: VecDeque<Evidence>,
    keeping: bool,
}

/// What one peer has under way.
#[derive(Clone, Debug)]
struct Checks {
    /// How many it can have made now, as of this instant.
    left: u32,
    since: Micros,
    waiting: VecDeque<Box<Notice>>,
    under_way: bool,
}

impl Checks {
    fn new(now: Micros) -> Self {
        Self { left: CHECKS_OF_A_PEER, since: now, waiting: VecDeque::new(), under_way: false }
    }

    /// Whether it can have one more made.
    fn take(&mut self, now: Micros) -> bool {
        while self.left < CHECKS_OF_A_PEER && self.since.after(CHECK_INTERVAL) <= now {
            self.left += 1;
            self.since = self.since.after(CHECK_INTERVAL);
        }
        if self.left == CHECKS_OF_A_PEER {
            self.since = now;
        }
        let some = self.left > 0 || mutant!("checks_of_notices_unbounded");
        self.left = self.left.saturating_sub(1);
        some
    }
}

impl Notices {
    /// Evidence that was found before a restart.
    pub(super) fn new(found: Vec<Evidence>) -> Self {
        let mut notices = Self::default();
        for evidence in found {
            notices.insert(Notice::Evidence(evidence));
        }
        notices
    }

    /// What waits for a block, and what waits for a check.
    pub(super) fn sizes(&self) -> (usize, usize) {
        let waiting = |one: &Checks| one.waiting.len() + usize::from(one.under_way);
        (self.pool.len(), self.peers.values().map(waiting).sum::<usize>() + self.client_checks)
    }

    fn holds(&self, id: &NoticeId) -> bool {
        self.numbers.contains_key(id) && !mutant!("known_notice_checked_again")
    }

    /// Whether these very bytes were checked here.
    fn knows(&self, notice: &Notice) -> bool {
        self.numbers.get(&notice.id()).is_some_and(|number| self.pool[number] == *notice)
    }

    /// Whether there is room for one more like this.
    fn has_room(&self, notice: &Notice) -> bool {
        let evidence = self.pool.values().filter(|one| matches!(one, Notice::Evidence(_))).count();
        match notice {
            Notice::Evidence(_) => evidence < MAX_EVIDENCE,
            Notice::Registration(new) => {
                let same =
                    |one: &&Notice| matches!(one, Notice::Registration(one) if one.sponsor == new.sponsor);
                self.pool.len() - evidence < MAX_REGISTRATIONS
                    && self.pool.values().filter(same).count() < MAX_REGISTRATIONS_OF_ONE
            }
        }
    }

    fn insert(&mut self, notice: Notice) {
        let id = notice.id();
        if !self.numbers.contains_key(&id) {
            self.numbers.insert(id, self.next);
            self.pool.insert(self.next, notice);
            self.next += 1;
        }
    }

    fn retain(&mut self, keep: impl Fn(&Notice) -> bool) {
        self.pool.retain(|_, notice| keep(notice));
        let pool = &self.pool;
        self.numbers.retain(|_, number| pool.contains_key(number));
    }

    /// A connection ended: what its peer sent is not worth a check any more. What it can have made is not forgotten.
    pub(super) fn disconnected(&mut self, peer: &Peer) {
        if let Some(checks) = self.peers.get_mut(peer) {
            checks.waiting.clear();
        }
    }
}

impl Driver {
    /// Whether mempool or notices would put something into a block now.
    pub fn has_pending(&self) -> bool {
        self.mempool().has_work() || (!self.notices.pool.is_empty() && !mutant!("notices_are_no_work"))
    }

    /// At the start: what was found before is still to be carried.
    pub(super) fn notices_started(&mut self, step: &mut Step) {
        self.drop_notices(step);
        if !self.notices.pool.is_empty() {
            step.tell(EngineInput::Pending(true));
        }
    }

    /// Why no block will carry this any more, or none of this epoch.
    fn out_of_place(&self, notice: &Notice) -> Option<&'static str> {
        self.engine.counted().admits(&Counted::default(), notice, self.config.epoch).err()
    }

    /// A validator contradicted itself before this node's eyes, which may be the only ones: that is kept on disk until a committed
    /// block carries it.
    pub(super) fn evidence_found(&mut self, step: &mut Step, evidence: Evidence) {
        let notice = Notice::Evidence(evidence.clone());
        if self.out_of_place(&notice).is_some() || self.notices.holds(&notice.id()) {
            return;
        }
        // Whoever contradicts itself goes on doing so, mostly: what there is no room for is found again.
        if self.notices.has_room(&notice) && self.notices.to_keep.len() < MAX_EVIDENCE {
            self.notices.to_keep.push_back(evidence);
            self.take_notice(step, notice, true);
            self.keep_next(step);
        }
    }

    /// One piece at a time: many members may contradict themselves at once, and blocks must not wait behind all of them.
    fn keep_next(&mut self, step: &mut Step) {
        if self.notices.keeping {
            return;
        }
        let waits = |one: &Evidence| self.notices.numbers.contains_key(&NoticeId::Conviction(one.charge()));
        let skipped = self.notices.to_keep.iter().take_while(|one| !waits(one)).count();
        self.notices.to_keep.drain(..skipped);
        if let Some(evidence) = self.notices.to_keep.pop_front() {
            self.notices.keeping = true;
            step.act(Effect::Job(Job::Store(StoreJob::KeepEvidence(Box::new(evidence)))));
        }
    }

    pub(super) fn evidence_kept(&mut self, step: &mut Step) {
        self.notices.keeping = false;
        self.keep_next(step);
    }

    /// A notice that holds.
    fn take_notice(&mut self, step: &mut Step, notice: Notice, tell_others: bool) {
        if tell_others && !mutant!("notice_kept_to_oneself") {
            step.act(Effect::Broadcast(Wire::Notice(Box::new(notice.clone()))));
        }
        self.notices.insert(notice);
        step.tell(EngineInput::Pending(self.has_pending()));
    }

    /// From a peer: checked if it is new and its sender has not asked too much.
    pub(super) fn notice_arrived(&mut self, step: &mut Step, from: Peer, notice: Box<Notice>) {
        let known = self.notices.holds(&notice.id());
        if known || self.out_of_place(&notice).is_some() || !self.notices.has_room(&notice) {
            return;
        }
        let checks = self.notices.peers.entry(from).or_insert_with(|| Checks::new(step.now.mono));
        if checks.take(step.now.mono) {
            checks.waiting.push_back(notice);
            self.check_next_notice(step, from);
        }
    }

    /// One at a time for each peer. What has become known meanwhile needs no check.
    fn check_next_notice(&mut self, step: &mut Step, from: Peer) {
        let Some(checks) = self.notices.peers.get_mut(&from).filter(|checks| !checks.under_way) else {
            return;
        };
        let numbers = &self.notices.numbers;
        let unknown = |id: NoticeId| !numbers.contains_key(&id) || mutant!("known_notice_checked_again");
        let next = std::iter::from_fn(|| checks.waiting.pop_front()).find(|one| unknown(one.id()));
        if let Some(notice) = next {
            checks.under_way = true;
            let from = NoticeSource::Peer(from);
            step.act(Effect::Job(Job::Verify(VerifyJob::CheckNotice { from, notice })));
        }
    }

    /// From a client.
    pub(super) fn notice_submitted(&mut self, step: &mut Step, ticket: u64, notice: Box<Notice>) {
        let answer = |outcome| Effect::NoticeAnswer { ticket, outcome };
        if self.notices.holds(&notice.id()) {
            return step.act(answer(Ok(())));
        }
        let refusal = match self.out_of_place(&notice) {
            Some(reason) => reason.to_owned(),
            None if !self.notices.has_room(&notice) => {
                "too many notices wait for a block already; try again when the next blocks are made"
                    .to_owned()
            }
            None if self.notices.client_checks >= MAX_CLIENT_CHECKS => {
                "too many notices are being checked; try again in a moment".to_owned()
            }
            None if !self
                .notices
                .clients
                .get_or_insert_with(|| Checks::new(step.now.mono))
                .take(step.now.mono) =>
            {
                "clients have had as many notices checked as may be at once; try again in a second".to_owned()
            }
            None => {
                self.notices.client_checks += 1;
                let from = NoticeSource::Client(ticket);
                return step.act(Effect::Job(Job::Verify(VerifyJob::CheckNotice { from, notice })));
            }
        };
        step.act(answer(Err(refusal)));
    }

    pub(super) fn notice_checked(
        &mut self,
        step: &mut Step,
        from: NoticeSource,
        notice: Notice,
        verdict: Result<(), Rejection>,
    ) {
        // While it was checked it may have come another way, an epoch may have ended, or all places been taken.
        let known = self.notices.numbers.contains_key(&notice.id());
        let wanted = self.out_of_place(&notice).is_none() && self.notices.has_room(&notice);
        let outcome = match verdict {
            Ok(()) if known => Ok(()),
            Ok(()) if wanted => {
                self.take_notice(step, notice, matches!(from, NoticeSource::Client(_)));
                Ok(())
            }
            Ok(()) => Err("it is in a block already, or came too late for one".to_owned()),
            Err(rejection) => {
                self.notice_fails(step, from, &rejection);
                Err(rejection.to_string())
            }
        };
        match from {
            NoticeSource::Client(ticket) => {
                self.notices.client_checks -= 1;
                step.act(Effect::NoticeAnswer { ticket, outcome });
            }
            NoticeSource::Peer(peer) => {
                if let Some(checks) = self.notices.peers.get_mut(&peer) {
                    checks.under_way = false;
                }
                self.check_next_notice(step, peer);
            }
        }
    }

    /// No correct node passes on what it has not checked.
    fn notice_fails(&self, step: &mut Step, from: NoticeSource, rejection: &Rejection) {
        if let NoticeSource::Peer(peer) = from
            && rejection.is_misdeed()
            && !mutant!("forged_notice_costs_nothing")
        {
            step.act(Effect::Penalise { peer, reason: format!("a notice: {rejection}") });
        }
    }

    /// What a block of one's own carries beside transactions: the oldest that fit, and that no ancestor carries.
    pub(super) fn choose_notices(&self, build: &BuildPayload) -> Vec<Notice> {
        let mut noticed = build.noticed.clone();
        let counted = self.engine.counted();
        let fresh = self.notices.pool.values().filter(|notice| {
            let fresh = counted.admits(&noticed, notice, self.config.epoch).is_ok();
            if fresh {
                noticed.count(notice);
            }
            fresh
        });
        fitting(fresh)
    }

    /// Those of a proposal that this node has not checked itself.
    pub(super) fn unchecked_notices(&self, block: &Block) -> Vec<Notice> {
        let unknown =
            |notice: &&Notice| !self.notices.knows(notice) && !mutant!("notices_unverified_by_voters");
        block.notices.iter().filter(unknown).cloned().collect()
    }

    /// The notices of a proposal were checked.
    pub(super) fn notices_checked(&mut self, step: &mut Step, block: BlockHash, verdict: Result<(), String>) {
        if self.payloads.awaits_notices(&block) {
            match verdict {
                Ok(()) => self.process_payload(step, block),
                Err(_) => self.payload_done(step, block, verdict),
            }
        }
    }

    /// Committed blocks carry some of them.
    pub(super) fn notices_committed(&mut self, step: &mut Step, blocks: &[Block]) {
        if blocks.iter().any(|block| !block.notices.is_empty()) && !mutant!("carried_notices_kept") {
            self.drop_notices(step);
        }
    }

    /// Lets those go that no block of this epoch may carry (any more).
    pub(super) fn drop_notices(&mut self, step: &mut Step) {
        let (counted, epoch) = (self.engine.counted(), self.config.epoch);
        let before = self.notices.pool.len();
        self.notices.retain(|notice| counted.admits(&Counted::default(), notice, epoch).is_ok());
        if self.notices.pool.len() < before {
            step.tell(EngineInput::Pending(self.has_pending()));
        }
    }

    /// R8, R1: what one block holds goes straight to all, or to the leader.
    pub(super) fn send_notices(&self, step: &mut Step, leader: Option<Position>) {
        if mutant!("notices_not_sent_again") {
            return;
        }
        let oldest = fitting(self.notices.pool.values().take(MAX_NOTICES)).into_iter();
        let wires = oldest.map(|notice| Wire::Notice(Box::new(notice)));
        match leader {
            None => wires.for_each(|wire| step.act(Effect::Broadcast(wire))),
            Some(leader) => {
                if let Some(to) = self.connected_member(leader) {
                    wires.for_each(|wire| step.act(Effect::Send { to, wire }));
                }
            }
        }
    }

    /// Notices that wait for a block.
    pub fn pending_notices(&self) -> impl Iterator<Item = &Notice> {
        self.notices.pool.values()
    }
}

#[cfg(test)]
mod tests;
