//! Two messages that convict their signer, small enough to be carried in a block: the signed words alone, without the certificates
//! that came with them.

use althing_crypto::{Encoding, bls, ed25519};
use borsh::{BorshDeserialize, BorshSerialize};

use crate::{Epoch, Header, Phase, Position, ProposalStatement, TimeoutVote, View, Vote};

/// What the signature of a timeout vote covers. The certificates that the vote came with convict nobody, so evidence does without.
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct TimeoutStatement {
    /// The epoch.
    pub epoch: Epoch,
    /// The view given up.
    pub view: View,
    /// Who gave it up.
    pub signer: Position,
    /// The view of the high QC that it named.
    pub high_view: View,
    /// Its signature over [`timeout_bytes`](crate::timeout_bytes).
    pub signature: bls::Signature,
}

impl From<&TimeoutVote> for TimeoutStatement {
    fn from(vote: &TimeoutVote) -> Self {
        let high_view = vote.high_view();
        let TimeoutVote { epoch, view, signer, signature, .. } = *vote;
        Self { epoch, view, signer, high_view, signature }
    }
}

/// Two signed messages of one validator that no correct one signs both of. Each is verified alone.
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub enum Evidence {
    /// Two votes, or two commit votes, of one view for different blocks.
    Votes(Vote, Vote),
    /// Two proposals of one view for different blocks.
    Proposals {
        /// The leader.
        signer: Position,
        /// One proposal.
        first: (ProposalStatement, ed25519::Signature),
        /// The other.
        second: (ProposalStatement, ed25519::Signature),
    },
    /// A commit vote of view v beside a timeout vote of a view ≥ v that names a QC view below v.
    CommitAndTimeout(Vote, TimeoutStatement),
    /// A vote in view u for this header, which justifies view v, beside a timeout vote of a view ≥ u that names a QC view
    /// below v.
    VoteAndTimeout(Vote, Box<Header>, TimeoutStatement),
}

/// How a validator contradicted itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub enum EvidenceKind {
    /// Two votes.
    DoubleVote,
    /// Two commit votes.
    DoubleCommitVote,
    /// Two proposals.
    DoubleProposal,
    /// A commit vote and a timeout vote.
    ForgottenCommitVote,
    /// A vote and a timeout vote.
    ForgottenVote,
}

/// What a validator is convicted of once: a kind of contradiction in an epoch, in whatever views and however often.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct Charge {
    /// In which epoch.
    pub epoch: Epoch,
    /// Whom: its position in that epoch's set.
    pub signer: Position,
    /// How.
    pub kind: EvidenceKind,
}

impl Evidence {
    /// The epoch in whose set its signer has a place.
    pub fn epoch(&self) -> Epoch {
        match self {
            Self::Votes(vote, _) | Self::CommitAndTimeout(vote, _) | Self::VoteAndTimeout(vote, ..) => {
                vote.epoch
            }
            Self::Proposals { first: (statement, _), .. } => statement.epoch,
        }
    }

    /// Whom it convicts.
    pub fn signer(&self) -> Position {
        match self {
            Self::Votes(vote, _) | Self::CommitAndTimeout(vote, _) | Self::VoteAndTimeout(vote, ..) => {
                vote.signer
            }
            Self::Proposals { signer, .. } => *signer,
        }
    }

    /// Of what.
    pub fn kind(&self) -> EvidenceKind {
        match self {
            Self::Votes(vote, _) if vote.phase == Phase::Vote => EvidenceKind::DoubleVote,
            Self::Votes(..) => EvidenceKind::DoubleCommitVote,
            Self::Proposals { .. } => EvidenceKind::DoubleProposal,
            Self::CommitAndTimeout(..) => EvidenceKind::ForgottenCommitVote,
            Self::VoteAndTimeout(..) => EvidenceKind::ForgottenVote,
        }
    }

    /// The view of the later of the two messages.
    pub fn view(&self) -> View {
        match self {
            Self::Votes(vote, _) => vote.view,
            Self::Proposals { first: (statement, _), .. } => statement.view,
            Self::CommitAndTimeout(_, timeout) | Self::VoteAndTimeout(_, _, timeout) => timeout.view,
        }
    }

    /// What it convicts whom of.
    pub fn charge(&self) -> Charge {
        Charge { epoch: self.epoch(), signer: self.signer(), kind: self.kind() }
    }
}

impl Encoding for Evidence {
    const NAME: &'static str = "evidence";
    const VERSION: u8 = 3;
    /// Two signed messages, one of them with its header.
    const MAX_BYTES: usize = Header::MAX_BYTES + (1 << 10);
}
