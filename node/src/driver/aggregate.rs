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

#[cfg(test)]
mod tests {
    use althing_consensus::{Epoch, Phase, Position, View};
    use althing_crypto::{BlockHash, bls};

    use super::super::testing::Bench;
    use super::*;

    #[test]
    fn signatures_are_checked_elsewhere_and_only_what_holds_comes_back() {
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
        assert_eq!(
            bench.act(|driver, step| driver.evidence_checked(step, held, Ok(()))),
            ["engine: evidence"]
        );
        let forged = Rejection::BadSignature { what: "vote", view: View(1), signer: Some(Position(1)) };
        assert_eq!(bench.act(|driver, step| driver.evidence_checked(step, evidence, Err(forged))), [""; 0]);
    }
}
