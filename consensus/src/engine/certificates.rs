//! Taking in certificates: rules R1 (enter a view), R4 (certify) and R5 (commit-vote).

use althing_crypto::mutant;

use crate::engine::{Action, Engine, Event, Halt, Misdeed, Step};
use crate::vote_aggregator::{Added, WINDOW};
use crate::{
    Certificate, Message, Micros, Phase, Position, QuorumCertificate, SignRequest, TimeoutCertificate,
    Verified, View, Vote,
};

impl Engine {
    pub(super) fn take_certificate(&mut self, step: &mut Step, certificate: Verified<Certificate>) {
        if certificate.epoch() != self.config.epoch {
            return;
        }
        if let Some(qc) = certificate.quorum() {
            self.take_qc(step, qc);
        } else if let Some(tc) = certificate.timeout() {
            self.take_tc(step, tc);
        }
    }

    /// A QC or commit certificate: raises the high QC (R4), commits (R6), enters the next view (R1), is commit-voted (R5).
    pub(super) fn take_qc(&mut self, step: &mut Step, qc: Verified<QuorumCertificate>) {
        if !self.note_certified(step, &qc) {
            return;
        }
        if qc.view > self.high_view() && !(qc.is_commit() && mutant!("commit_certificate_is_no_qc")) {
            self.high_qc = Some(qc.clone());
            step.emit(Event::Certified { view: qc.view, block: qc.block });
        }
        let commits = qc.is_commit() || mutant!("votes_commit");
        if commits && qc.view > self.commit.as_ref().map_or(View(0), |commit| commit.view) {
            self.commit = Some(qc.clone());
            self.try_commit(step);
        }
        if self.halted {
            return;
        }
        self.commit_vote(step, &qc);
        if qc.view >= self.view {
            self.enter(step, qc.into());
        }
    }

    /// Remembers which block a view certified. Two of one view: more than a third of the power is faulty.
    fn note_certified(&mut self, step: &mut Step, qc: &Verified<QuorumCertificate>) -> bool {
        self.votes.certified(qc.phase, qc.view);
        if let Some(held) = self.certified.get(&qc.view) {
            if held.block != qc.block && !mutant!("fork_ignored") {
                let (held, qc) = (held.clone().into_inner(), qc.clone().into_inner());
                self.halt(step, Halt::Fork(Box::new(held), Box::new(qc)));
                return false;
            }
            if qc.is_commit() && !held.is_commit() {
                self.certified.insert(qc.view, qc.clone());
            }
            return true;
        }
        if qc.view.0.saturating_add(WINDOW) >= self.view.0 {
            self.certified.insert(qc.view, qc.clone());
            self.observe_round(step, qc);
        }
        true
    }

    /// T1: the timer's base follows the time from a proposal's arrival to its QC.
    fn observe_round(&mut self, step: &Step, qc: &QuorumCertificate) {
        let arrived =
            self.candidates.values().filter(|one| one.hash == qc.block).map(|one| one.arrived).min();
        if let Some(arrived) = arrived {
            self.pacemaker.observe(Micros(step.now.mono.0.saturating_sub(arrived.0)));
        }
    }

    /// R5. A commit certificate causes no commit vote.
    pub(super) fn commit_vote(&mut self, step: &mut Step, qc: &Verified<QuorumCertificate>) {
        let allowed = self.may_sign()
            && qc.phase == Phase::Vote
            && (qc.view > self.asked.timeout || mutant!("commit_vote_after_timeout"))
            && qc.view > self.asked.commit_vote;
        if allowed {
            self.asked.commit_vote = qc.view;
            self.sign(step, SignRequest::CommitVote { qc: qc.clone() });
        }
    }

    pub(super) fn take_tc(&mut self, step: &mut Step, tc: Verified<TimeoutCertificate>) {
        if let Some(qc) = tc.high_qc() {
            self.take_qc(step, qc);
        }
        if self.halted || self.tc.as_ref().is_some_and(|held| held.view >= tc.view) {
            return;
        }
        self.tc = Some(tc.clone());
        if tc.view >= self.view {
            let certificate = Verified::<Certificate>::from(tc);
            if !mutant!("tc_not_forwarded") {
                step.broadcast(Message::Certificate(Box::new(certificate.clone().into_inner())));
            }
            self.pacemaker.failed();
            self.enter(step, certificate);
        }
    }

    /// R1: enters the view after the certificate's.
    fn enter(&mut self, step: &mut Step, certificate: Verified<Certificate>) {
        assert!(certificate.view() >= self.view, "views never go back");
        self.view = certificate.view().next();
        let by_timeout = matches!(*certificate, Certificate::Timeout(_));
        step.emit(Event::EnteredView { epoch: self.config.epoch, view: self.view, by_timeout });
        self.candidates.clear();
        self.payload = super::Payload::Unasked;
        self.timeouts = super::TimeoutPool::default();
        self.timers.leave_view();
        self.prune();
        self.tell_leader(step, &certificate);
        self.entry = Some(certificate);
        let lost = self.tree.drop_stale(View(self.view.0.saturating_sub(WINDOW)), &self.high_block());
        if !lost.is_empty() {
            step.act(Action::Forget(lost));
        }
    }

    /// R1: a QC goes to the next leader at once. After a TC, which goes to all, the leader gets what is pending: it may not know of
    /// any work.
    fn tell_leader(&self, step: &mut Step, certificate: &Certificate) {
        let leader = self.leader_on(self.view, &self.high_block());
        let Some(leader) = leader.filter(|leader| Some(*leader) != self.config.me) else { return };
        match certificate {
            Certificate::Quorum(_) => {
                step.act(Action::Send(leader, Message::Certificate(Box::new(certificate.clone()))));
            }
            Certificate::Timeout(_) if self.pending => step.act(Action::SendPending(Some(leader))),
            Certificate::Timeout(_) => {}
        }
    }

    fn prune(&mut self) {
        self.votes.prune(self.view);
        let low = View(self.view.0.saturating_sub(WINDOW));
        self.certified.retain(|view, _| *view >= low);
        self.accusations.prune(low);
    }

    pub(super) fn vote_arrived(&mut self, step: &mut Step, vote: Vote) {
        if vote.epoch != self.config.epoch {
            return;
        }
        self.remember_vote(&vote);
        match self.votes.add(&vote, self.view) {
            Added::Ignored => {}
            Added::Conflict(_) if mutant!("double_vote_missed") => {}
            Added::Conflict(held) => self.accuse_votes(step, *held, vote),
            Added::Pooled => {
                self.accuse_vote_after_timeout(step, &vote);
                self.pool_of(step, vote.phase, vote.view);
            }
        }
    }

    pub(super) fn votes_aggregated(
        &mut self,
        step: &mut Step,
        (phase, view): (Phase, View),
        certificate: Option<Verified<QuorumCertificate>>,
        bad: &[Position],
    ) {
        self.votes.aggregated(phase, view, bad, certificate.is_some());
        for signer in bad {
            step.act(Action::Penalise(*signer, Misdeed::BadSignature));
        }
        match certificate {
            Some(qc) => self.take_qc(step, qc),
            // Votes that came meanwhile may make a quorum without the bad ones.
            None => self.pool_of(step, phase, view),
        }
    }
}
