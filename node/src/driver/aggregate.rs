//! Votes to certificates, and evidence: signatures are checked elsewhere.

use std::collections::VecDeque;

use althing_consensus::{Evidence, Input, TimeoutVote, Vote};

use super::{Driver, Effect, Job, Step, VerifyJob};

/// Evidence verified at one time: many members may contradict themselves at once, and votes must not wait behind all of them.
const MAX_CHECKS: usize = 16;

/// Evidence to be verified. The engine accuses a member once a view and kind, so that it is bounded.
#[derive(Clone, Debug, Default)]
pub(super) struct Accused {
    waiting: VecDeque<Box<Evidence>>,
    under_way: usize,
}

impl Driver {
    pub(super) fn aggregate_votes(&mut self, step: &mut Step, votes: Vec<Vote>) {
        step.act(Effect::Job(Job::Verify(VerifyJob::AggregateVotes(votes))));
    }

    pub(super) fn aggregate_timeouts(&mut self, step: &mut Step, votes: Vec<TimeoutVote>) {
        step.act(Effect::Job(Job::Verify(VerifyJob::AggregateTimeouts(votes))));
    }

    pub(super) fn check_evidence(&mut self, step: &mut Step, evidence: Box<Evidence>) {
        self.accused.waiting.push_back(evidence);
        self.check_next_evidence(step);
    }

    pub(super) fn evidence_checked(&mut self, step: &mut Step, evidence: Box<Evidence>, holds: bool) {
        self.accused.under_way -= 1;
        step.tell(Input::EvidenceChecked(evidence, holds));
        self.check_next_evidence(step);
    }

    fn check_next_evidence(&mut self, step: &mut Step) {
        if self.accused.under_way < MAX_CHECKS
            && let Some(evidence) = self.accused.waiting.pop_front()
        {
            self.accused.under_way += 1;
            step.act(Effect::Job(Job::Verify(VerifyJob::CheckEvidence(evidence))));
        }
    }
}

#[cfg(test)]
mod tests {
    use althing_consensus::{Epoch, Phase, Position, View};
    use althing_crypto::{BlockHash, bls};

    use super::super::testing::Bench;
    use super::*;

    #[test]
    fn signatures_are_checked_elsewhere_a_few_contradictions_at_a_time() {
        let mut bench = Bench::new();
        let vote = Vote {
            phase: Phase::Vote,
            epoch: Epoch(1),
            view: View(1),
            block: BlockHash::ZERO,
            signer: Position(1),
            signature: bls::Signature::from([0; 96]),
        };
        let votes = vec![vote.clone(), vote.clone()];
        assert_eq!(bench.act(|driver, step| driver.aggregate_votes(step, votes)), ["job aggregate 2 votes"]);
        let evidence = Box::new(Evidence::Votes(vote.clone(), vote));
        let check = evidence.clone();
        assert_eq!(bench.act(|driver, step| driver.check_evidence(step, check)), ["job check evidence"]);
        let held = evidence.clone();
        assert_eq!(bench.act(|driver, step| driver.evidence_checked(step, held, true)), ["engine: evidence"]);

        for _ in 0..MAX_CHECKS {
            let check = evidence.clone();
            assert_eq!(bench.act(|driver, step| driver.check_evidence(step, check)), ["job check evidence"]);
        }
        let waiting = evidence.clone();
        assert_eq!(
            bench.act(|driver, step| driver.check_evidence(step, waiting)),
            [""; 0],
            "so many at one time"
        );
        let lines = bench.act(|driver, step| driver.evidence_checked(step, evidence, false));
        assert_eq!(lines, ["engine: no evidence", "job check evidence"]);
    }
}
