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
                return step.act(Effect::Warn(format!("no {what} is signed in view {view}: its payload is not at hand")));
            }
        };
        step.act(Effect::Job(Job::Safety(SafetyJob::Sign { request, newest, body })));
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
