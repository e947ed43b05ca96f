//! What a Byzantine member takes down of what is said around it: lies are made of truths.

use std::collections::BTreeMap;

use althing_consensus::{
    Certificate, Epoch, Header, Message, Phase, Position, Proposal, QuorumCertificate, TimeoutCertificate,
    TimeoutVote, View, Vote, view_of,
};
use althing_crypto::BlockHash;
use althing_node::wire::Wire;

use super::Traitor;

/// As many of each kind are kept, those of the highest views.
const KEPT: usize = 64;
/// Messages of views further ahead are made up by another of its kind, and would displace all others.
const AHEAD: u64 = 32;

/// The newest messages of every kind, heard and said. Not checked.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// One of each view, a commit certificate if there is one.
    pub(super) qcs: BTreeMap<View, QuorumCertificate>,
    pub(super) tcs: BTreeMap<View, TimeoutCertificate>,
    pub(super) votes: BTreeMap<(View, Phase, Position), Vote>,
    pub(super) timeouts: BTreeMap<(View, Position), TimeoutVote>,
    pub(super) proposals: BTreeMap<(View, Position), Proposal>,
    headers: BTreeMap<(View, BlockHash), Header>,
    /// Nothing of a later view is believed, nor what a message carries.
    limit: View,
    /// Views begin anew in each.
    epoch: Epoch,
}

impl Notes {
    /// Takes down a message with all that it carries.
    pub(super) fn take(&mut self, me: &Traitor<'_>, wire: &Wire) {
        let Wire::Consensus(message) = wire else { return };
        if self.epoch != me.epoch {
            *self = Self { epoch: me.epoch, ..Self::default() };
        }
        if message.epoch().is_some_and(|epoch| epoch != me.epoch) {
            return;
        }
        let limit = View(me.view().0 + AHEAD);
        self.limit = limit;
        match message {
            Message::Proposal(proposal) if proposal.view <= limit => self.take_proposal(proposal),
            Message::Vote(vote) if vote.view <= limit => {
                keep(&mut self.votes, (vote.view, vote.phase, vote.signer), vote);
            }
            Message::Timeout(timeout) if timeout.view <= limit => {
                self.take_qc(timeout.high_qc.as_ref());
                if let Some(entry) = &timeout.entry {
                    self.take_certificate(entry);
                }
                keep(&mut self.timeouts, (timeout.view, timeout.signer), timeout);
            }
            Message::Certificate(certificate) if certificate.view() <= limit => {
                self.take_certificate(certificate);
            }
            _ => {}
        }
    }

    fn take_proposal(&mut self, proposal: &Proposal) {
        self.take_qc(proposal.justify.as_ref());
        self.take_qc(proposal.commit.as_ref());
        if let Some(tc) = &proposal.tc {
            self.take_tc(tc);
        }
        let header = &proposal.block.header;
        // A block's height is at most its view.
        if header.view.max(View(header.height.0)) <= self.limit {
            keep(&mut self.headers, (header.view, header.hash()), header);
        }
        keep(&mut self.proposals, (proposal.view, proposal.signer), proposal);
    }

    fn take_certificate(&mut self, certificate: &Certificate) {
        match certificate {
            Certificate::Quorum(qc) => self.take_qc(Some(qc)),
            Certificate::Timeout(tc) => self.take_tc(tc),
        }
    }

    fn take_qc(&mut self, qc: Option<&QuorumCertificate>) {
        let Some(qc) = qc.filter(|qc| qc.view <= self.limit) else { return };
        if qc.is_commit() || !self.qcs.contains_key(&qc.view) {
            keep(&mut self.qcs, qc.view, qc);
        }
    }

    fn take_tc(&mut self, tc: &TimeoutCertificate) {
        self.take_qc(tc.high_qc.as_ref());
        if tc.view <= self.limit {
            keep(&mut self.tcs, tc.view, tc);
        }
    }

    /// The newest QC below this view, with the header of its block (that of the last committed block, if there is no QC).
    pub(super) fn justify_below(
        &self,
        me: &Traitor<'_>,
        view: View,
    ) -> Option<(Option<QuorumCertificate>, Header)> {
        let known = self.qcs.range(..view).rev().find_map(|(_, qc)| Some((qc, self.header(&qc.block)?)));
        match known {
            Some((qc, header)) => Some((Some(qc.clone()), header.clone())),
            None => Some(me.driver.engine().committed())
                .filter(|header| header.epoch < me.epoch)
                .map(|header| (None, header.clone())),
        }
    }

    /// A header that some proposal brought.
    pub(super) fn header(&self, block: &BlockHash) -> Option<&Header> {
        self.headers.iter().find(|((_, hash), _)| hash == block).map(|(_, header)| header)
    }

    /// The certificates with which this view can be entered.
    pub(super) fn entries(&self, view: View) -> Vec<Certificate> {
        let before = View(view.0.saturating_sub(1));
        let qc = self.qcs.get(&before).cloned().map(Certificate::Quorum);
        qc.into_iter().chain(self.tcs.get(&before).cloned().map(Certificate::Timeout)).collect()
    }

    /// The view of the newest QC.
    pub(super) fn high_view(&self) -> View {
        view_of(self.qcs.values().next_back())
    }
}

fn keep<K: Ord, V: Clone>(kept: &mut BTreeMap<K, V>, key: K, value: &V) {
    kept.insert(key, value.clone());
    if kept.len() > KEPT {
        kept.pop_first();
    }
}

#[cfg(test)]
mod tests {
    use super::super::stage::Stage;
    use super::*;
    use althing_crypto::Hash;

    #[test]
    fn the_newest_of_every_kind_are_kept_and_no_more() {
        let mut stage = Stage::new();
        let mut notes = Notes::default();
        let genesis = stage.genesis();
        for view in 1..=200 {
            let qc = stage.qc(Phase::Vote, view, BlockHash(Hash::ZERO));
            let message = Message::Certificate(Box::new(Certificate::Quorum(qc)));
            notes.take(&stage.me(), &message.into());
        }
        assert_eq!(notes.qcs.len(), AHEAD as usize + 1, "what is far ahead is not believed");
        let proposal = stage.proposal(1, 5, &genesis, None);
        notes.take(&stage.me(), &Message::Proposal(Box::new(proposal.clone())).into());
        assert_eq!(notes.header(&proposal.block.hash()), Some(&proposal.block.header));
        let tc = stage.tc(4, None);
        notes.take(&stage.me(), &Message::Certificate(Box::new(Certificate::Timeout(tc.clone()))).into());
        assert!(notes.entries(View(5)).contains(&Certificate::Timeout(tc)));
        assert_eq!(notes.high_view(), View(33));
    }

    #[test]
    fn what_a_message_carries_is_no_more_believed_than_the_message() {
        let mut stage = Stage::new();
        let mut notes = Notes::default();
        let mut parent = stage.genesis();
        parent.height.0 = u64::MAX - 1;
        let far = stage.qc(Phase::Commit, u64::MAX, BlockHash(Hash::ZERO));
        let mut proposal = stage.proposal(1, 5, &parent, None);
        proposal.justify = Some(far.clone());
        notes.take(&stage.me(), &Message::Proposal(Box::new(proposal.clone())).into());
        let tc = Certificate::Timeout(stage.tc(3, Some(far)));
        notes.take(&stage.me(), &Message::Certificate(Box::new(tc)).into());
        assert_eq!(notes.high_view(), View(0));
        assert_eq!(notes.header(&proposal.block.hash()), None);
    }
}
