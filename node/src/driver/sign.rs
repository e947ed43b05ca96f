//! What is to be signed goes to the safety rules, with the body that must be durable before a proposal or vote for it leaves.

use std::sync::Arc;

use althing_consensus::{Newest, SignRequest};

use super::{Driver, Effect, Job, SafetyJob, Step};
use crate::body::Body;

/// Signatures under way beyond which nothing is voted for: the disk is slower than the chain, and votes would come ever later.
const MAX_SIGNING: usize = 64;

/// What was handed to the safety rules and has not come back.
#[derive(Clone, Debug, Default)]
pub(super) struct Signing {
    under_way: usize,
    /// Votes are left out, and the operator was told.
    behind: bool,
}

impl Signing {
    pub(super) fn under_way(&self) -> usize {
        self.under_way
    }
}

impl Driver {
    pub(super) fn sign(&mut self, step: &mut Step, request: Box<SignRequest>, newest: Newest) {
        if self.signing.under_way >= MAX_SIGNING && is_vote(&request) {
            return self.leave_out(step, &request);
        }
        let body = match self.body_of(&request) {
            Ok(body) => body,
            Err(what) => {
                let view = request.view();
                return step.act(Effect::Warn(format!(
                    "no {what} is signed in view {view}: its payload is not at hand"
                )));
            }
        };
        self.signing.under_way += 1;
        step.act(Effect::Job(Job::Safety(SafetyJob::Sign { request, newest: Box::new(newest), body })));
    }

    /// The safety rules have signed, or refused.
    pub(super) fn sign_answered(&mut self) {
        self.signing.under_way -= 1;
        self.signing.behind &= self.signing.under_way > 0;
    }

    /// Not to vote is always safe. What is rare, and what gives a view up, is signed all the same.
    fn leave_out(&mut self, step: &mut Step, request: &SignRequest) {
        if !std::mem::replace(&mut self.signing.behind, true) {
            step.act(Effect::Warn(format!(
                "no {} is signed in view {}: {MAX_SIGNING} signatures wait for the safety file already; the disk is too slow for \
                 this chain",
                request.kind(),
                request.view()
            )));
        }
    }

    /// The body that has to be durable first, if the request is for a block.
    fn body_of(&mut self, request: &SignRequest) -> Result<Option<Arc<Body>>, &'static str> {
        match request {
            SignRequest::Propose(draft) => {
                let hash = draft.block.hash();
                // A block that ends the epoch comes again, whoever made it.
                if let Some(body) = self.bodies.get(&hash) {
                    return Ok(Some(body.clone()));
                }
                let txs = self.own_payload(&draft.block.txs).ok_or("proposal")?;
                let body = Arc::new(Body { block: draft.block.clone(), txs });
                self.bodies.insert(hash, body.clone());
                Ok(Some(body))
            }
            SignRequest::Vote(proposal) => {
                let body = self.bodies.get(&proposal.block.hash()).ok_or("vote")?;
                Ok(Some(body.clone()))
            }
            SignRequest::CommitVote { .. } | SignRequest::Timeout { .. } => Ok(None),
        }
    }
}

fn is_vote(request: &SignRequest) -> bool {
    matches!(request, SignRequest::Vote(_) | SignRequest::CommitVote { .. })
}

#[cfg(test)]
mod tests {
    use althing_consensus::{ProposalDraft, Refusal, RefusalReason, View};

    use super::super::Done;
    use super::super::testing::{Bench, tx};
    use super::*;

    fn propose(body: &Body) -> Box<SignRequest> {
        let view = body.block.header.view;
        let draft = ProposalDraft { view, block: body.block.clone(), justify: None, tc: None, commit: None };
        Box::new(SignRequest::Propose(Box::new(draft)))
    }

    fn sign(bench: &mut Bench, request: Box<SignRequest>) -> Vec<String> {
        bench.act(|driver, step| driver.sign(step, request, Newest::default()))
    }

    #[test]
    fn a_proposal_goes_with_its_body_or_not_at_all() {
        let mut bench = Bench::new();
        let body = bench.bodies(vec![vec![tx("a")]]).remove(0);
        let warned = sign(&mut bench, propose(&body));
        assert_eq!(warned, ["warn: no proposal is signed in view 1: its payload is not at hand"]);

        bench.pend(&tx("a"));
        assert_eq!(sign(&mut bench, propose(&body)), ["job sign proposal with body"]);
        assert_eq!(bench.driver.bodies.get(&body.block.hash()), Some(&body), "kept for the own vote");
    }

    #[test]
    fn what_is_for_no_block_goes_without_body() {
        let mut bench = Bench::new();
        let view = View(1);
        let request = SignRequest::Timeout { view, high_qc: None, entry: None };
        assert_eq!(sign(&mut bench, Box::new(request)), ["job sign timeout vote without body"]);
    }

    #[test]
    fn a_disk_slower_than_the_chain_costs_votes_and_not_the_node() {
        let mut bench = Bench::new();
        let body = bench.bodies(vec![vec![]]).remove(0);
        let qc = bench.certificate(&body.block);
        let vote = || Box::new(SignRequest::CommitVote { qc: qc.clone() });
        for _ in 0..MAX_SIGNING {
            assert_eq!(sign(&mut bench, vote()), ["job sign commit vote without body"]);
        }
        let warned = sign(&mut bench, vote());
        assert!(warned.len() == 1 && warned[0].contains("the disk is too slow"), "{warned:?}");
        assert_eq!(sign(&mut bench, vote()), [""; 0], "said once");
        let timeout = SignRequest::Timeout { view: View(2), high_qc: None, entry: None };
        assert_eq!(sign(&mut bench, Box::new(timeout)), ["job sign timeout vote without body"]);

        for _ in 0..2 {
            let refusal =
                Refusal { request: vote().kind(), view: View(1), reason: RefusalReason::NotResumed };
            bench.act(|driver, step| driver.done(step, Done::Refused(refusal)));
        }
        assert_eq!(sign(&mut bench, vote()), ["job sign commit vote without body"]);
    }
}
