//! Rule R8: past its view timer, a validator says everything again.

use althing_crypto::mutant;

use crate::engine::{Action, Engine, Step};
use crate::{Certificate, Message};

impl Engine {
    pub(super) fn repeat(&mut self, step: &mut Step) {
        self.give_up(step);
        for message in self.newest_own().into_iter().chain(self.newest_certificates()) {
            if matches!(message, Message::Timeout(_)) && mutant!("timeout_vote_not_repeated") {
                continue;
            }
            step.broadcast(message);
        }
        let current = self.candidates.values().filter(|one| one.stage.is_live());
        let proposals: Vec<Message> = current
            .filter(|one| Some(one.proposal.signer) != self.config.me)
            .map(|one| Message::Proposal(Box::new(one.proposal.clone().into_inner())))
            .collect();
        for proposal in proposals {
            step.broadcast(proposal);
        }
        if !mutant!("pending_not_sent_again") {
            step.act(Action::SendPending(None));
        }
        self.try_commit(step);
    }

    /// Its own newest messages; the proposal only if it is of the current view.
    pub(super) fn newest_own(&self) -> Vec<Message> {
        if !self.may_sign() {
            return Vec::new();
        }
        let own = &self.own;
        let proposal = own.proposal.clone().filter(|proposal| proposal.view == self.view);
        let timeout = own.timeout.clone().map(|timeout| Message::Timeout(Box::new(timeout)));
        let votes = own.vote.clone().into_iter().chain(own.commit_vote.clone()).map(Message::Vote);
        proposal
            .map(|proposal| Message::Proposal(Box::new(proposal.into_inner())))
            .into_iter()
            .chain(votes)
            .chain(timeout)
            .collect()
    }

    /// The newest certificate of each kind.
    pub(super) fn newest_certificates(&self) -> Vec<Message> {
        let qcs = [self.high_qc.as_ref(), self.commit.as_ref()].into_iter().flatten();
        let mut certificates: Vec<Certificate> =
            qcs.map(|qc| Certificate::Quorum(qc.clone().into_inner())).collect();
        certificates.dedup();
        certificates.extend(self.tc.iter().map(|tc| Certificate::Timeout(tc.clone().into_inner())));
        certificates.into_iter().map(|certificate| Message::Certificate(Box::new(certificate))).collect()
    }
}
