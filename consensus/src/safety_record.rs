//! What a validator has promised by signing, as one durable value.

use althing_crypto::{BlockHash, Encoding, Hash, mutant};
use borsh::{BorshDeserialize, BorshSerialize};

use crate::{
    Epoch, Position, Proposal, QuorumCertificate, TimeoutCertificate, TimeoutVote, View, Vote, view_of,
};

/// All that a validator must not forget: the newest message of each kind that it signed, and the newest certificates that it
/// built on. Made durable as a whole before the newest signature leaves (rule S2).
///
/// "Last voted view" and the like are not stored beside the messages but are theirs: the two cannot disagree.
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct SafetyRecord {
    /// The chain.
    pub chain_id: String,
    /// The epoch.
    pub epoch: Epoch,
    /// The hash of the epoch's set and parameters.
    pub epoch_hash: Hash,
    /// The epoch's opening block.
    pub opening: BlockHash,
    /// Whose record it is: the position, [`Position::NONE`] where the key is in no place of the epoch's set,
    pub signer: Position,
    /// and the vote key.
    pub vote_key: [u8; 48],
    /// Nothing is signed in this view or below (rule S7).
    pub floor: View,
    /// The newest proposal. Of its block only the header: the block is in the store before the proposal is signed.
    pub proposal: Option<Proposal>,
    /// The newest vote.
    pub vote: Option<Vote>,
    /// The newest commit vote.
    pub commit_vote: Option<Vote>,
    /// The newest timeout vote, with the certificates that it carries.
    pub timeout: Option<TimeoutVote>,
    /// The high QC; none where it is the opening block.
    pub high_qc: Option<QuorumCertificate>,
    /// The newest TC.
    pub tc: Option<TimeoutCertificate>,
    /// The newest commit certificate.
    pub commit: Option<QuorumCertificate>,
}

impl Encoding for SafetyRecord {
    const NAME: &'static str = "safety record";
    const VERSION: u8 = 3;
    const MAX_BYTES: usize = 60 << 10;
}

impl SafetyRecord {
    /// The view of the newest proposal.
    pub fn proposed(&self) -> View {
        self.proposal.as_ref().map_or(View(0), |proposal| proposal.view)
    }

    /// The last voted view.
    pub fn voted(&self) -> View {
        self.vote.as_ref().map_or(View(0), |vote| vote.view)
    }

    /// The last commit-voted view.
    pub fn commit_voted(&self) -> View {
        self.commit_vote.as_ref().map_or(View(0), |vote| vote.view)
    }

    /// The last timeout view.
    pub fn timed_out(&self) -> View {
        self.timeout.as_ref().map_or(View(0), |timeout| timeout.view)
    }

    /// The view of the high QC.
    pub fn high_view(&self) -> View {
        view_of(self.high_qc.as_ref())
    }

    /// The numbers that only grow within an epoch (rule S1).
    pub(crate) fn views(&self) -> [View; 9] {
        [
            self.floor,
            self.proposed(),
            self.voted(),
            self.commit_voted(),
            self.timed_out(),
            self.timeout.as_ref().map_or(View(0), TimeoutVote::high_view),
            self.high_view(),
            self.tc.as_ref().map_or(View(0), |tc| tc.view),
            view_of(self.commit.as_ref()),
        ]
    }

    /// Rule S8: keeps the certificate of the higher view.
    pub(crate) fn raise_high_qc(&mut self, qc: Option<&QuorumCertificate>) {
        if view_of(qc) > self.high_view() || (qc.is_some() && mutant!("high_qc_lowered")) {
            self.high_qc = qc.cloned();
        }
    }

    pub(crate) fn raise_tc(&mut self, tc: Option<&TimeoutCertificate>) {
        if let Some(tc) = tc
            && self.tc.as_ref().is_none_or(|held| tc.view > held.view)
        {
            self.tc = Some(tc.clone());
        }
    }

    /// A commit certificate counts as a quorum certificate of its view, too.
    pub(crate) fn raise_commit(&mut self, commit: Option<&QuorumCertificate>) {
        assert!(commit.is_none_or(QuorumCertificate::is_commit), "made of commit votes");
        if view_of(commit) > view_of(self.commit.as_ref()) {
            self.commit = commit.cloned();
        }
        if !mutant!("commit_certificate_is_no_qc") {
            self.raise_high_qc(commit);
        }
    }
}

#[cfg(test)]
mod tests;
