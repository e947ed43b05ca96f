//! Votes to certificates, and evidence: signatures are checked elsewhere.

use althing_consensus::{Evidence, Input, Rejection, TimeoutVote, Vote};

use super::{Driver, Effect, Job, Step, VerifyJob};

impl Driver {
    pub(super) fn aggregate_votes(&mut self, step: &mut Step, votes: Vec<Vote>) {
        step.act(Effect::Job(Job::Verify(VerifyJob::AggregateVotes(votes))));
    }

    pub(super) fn aggregate_timeouts(&mut self, step: &mut Step, votes: Vec<TimeoutVote>) {
        step.act(Effect::Job(Job::Verify(VerifyJob::AggregateTimeouts(votes))));
    }

    pub(super) fn check_evidence(&mut self, step: &mut Step, evidence: Box<Evidence>) {
        step.act(Effect::Job(Job::Verify(VerifyJob::CheckEvidence(evidence))));
    }

    /// Evidence that does not hold is a forged vote in one slot: its forger is unknown, so nobody is blamed.
    pub(super) fn evidence_checked(
        &mut self,
        step: &mut Step,
        evidence: Box<Evidence>,
        verdict: Result<(), Rejection>,
    ) {
        if verdict.is_ok() {
            step.tell(Input::EvidenceChecked(evidence));
        }
    }
}
