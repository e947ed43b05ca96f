//! What is to be signed goes to the safety rules, with the body that must be durable before a proposal or vote for it leaves.

use std::sync::Arc;

use althing_consensus::{Newest, SignRequest};

use super::{Driver, Effect, Job, SafetyJob, Step};
use crate::body::Body;

impl Driver {
    pub(super) fn sign(&mut self, step: &mut Step, request: Box<SignRequest>, newest: Newest) {
        let body = match self.body_of(&request) {
            Ok(body) => body,
            Err(what) => {
                let view = request.view();
                return step.act(Effect::Warn(format!(
                    "no {what} is signed in view {view}: its payload is not at hand"
                )));
            }
        };
        step.act(Effect::Job(Job::Safety(SafetyJob::Sign { request, newest: Box::new(newest), body })));
    }

    /// The body that has to be durable first, if the request is for a block.
    fn body_of(&mut self, request: &SignRequest) -> Result<Option<Arc<Body>>, &'static str> {
        match request {
            SignRequest::Propose(draft) => {
                let txs = self.own_payload(&draft.block.txs).ok_or("proposal")?;
                let hash = draft.block.hash();
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

#[cfg(test)]
mod tests {
    use althing_consensus::ProposalDraft;

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
        let view = althing_consensus::View(1);
        let request = SignRequest::Timeout { view, high_qc: None, entry: None };
        assert_eq!(sign(&mut bench, Box::new(request)), ["job sign timeout vote without body"]);
    }
}
