//! What validators say to one another, and the bytes they sign.

use althing_crypto::domain::{Domain, sign_bytes};
use althing_crypto::{BlockHash, Encoding, Hash, bls, ed25519};
use borsh::{BorshDeserialize, BorshSerialize};

use crate::certificate::{certificate_hash, claim_hash, view_of};
use crate::{
    Block, Certificate, Epoch, Height, Phase, Position, QuorumCertificate, TimeoutCertificate, View,
};

/// A vote or commit vote.
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Vote {
    /// Vote or commit vote.
    pub phase: Phase,
    /// The epoch.
    pub epoch: Epoch,
    /// The view.
    pub view: View,
    /// The block.
    pub block: BlockHash,
    /// Who votes.
    pub signer: Position,
    /// Its signature over [`vote_bytes`].
    pub signature: bls::Signature,
}

/// The bytes that a vote of this phase signs: all votes for one block sign one message.
pub fn vote_bytes(chain_id: &str, phase: Phase, epoch: Epoch, view: View, block: BlockHash) -> Vec<u8> {
    let domain = match phase {
        Phase::Vote => Domain::Vote,
        Phase::Commit => Domain::CommitVote,
    };
    sign_bytes(domain, chain_id, epoch.0, view.0, block.0.as_bytes())
}

/// "I give this view up; my high QC is of view q."
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct TimeoutVote {
    /// The epoch.
    pub epoch: Epoch,
    /// The view given up.
    pub view: View,
    /// Who gives it up.
    pub signer: Position,
    /// Its signature over [`timeout_bytes`].
    pub signature: bls::Signature,
    /// Its high QC; none where that is the opening block.
    pub high_qc: Option<QuorumCertificate>,
    /// The certificate of the view before, with which it entered; none in view 1.
    pub entry: Option<Certificate>,
}

impl TimeoutVote {
    /// The view of the high QC it names.
    pub fn high_view(&self) -> View {
        view_of(self.high_qc.as_ref())
    }
}

/// The bytes that a timeout vote signs.
pub fn timeout_bytes(chain_id: &str, epoch: Epoch, view: View, high_view: View) -> Vec<u8> {
    sign_bytes(Domain::TimeoutVote, chain_id, epoch.0, view.0, &high_view.0.to_be_bytes())
}

/// A leader's block for its view, with what permits it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Proposal {
    /// The view proposed in; the header's, but for an epoch-ending block proposed again.
    pub view: View,
    /// The block.
    pub block: Block,
    /// The certificate of the block's parent (of the block itself, for an epoch-ending one); none on the opening block.
    pub justify: Option<QuorumCertificate>,
    /// The TC of the view before, if the justify QC is older than that.
    pub tc: Option<TimeoutCertificate>,
    /// The proposer's newest commit certificate.
    pub commit: Option<QuorumCertificate>,
    /// The leader.
    pub signer: Position,
    /// Its identity's signature over [`proposal_bytes`]: votes alone are aggregated, so votes alone need the vote key.
    pub signature: ed25519::Signature,
}

impl Proposal {
    /// The view of its justify QC.
    pub fn justify_view(&self) -> View {
        view_of(self.justify.as_ref())
    }

    /// What its signature covers, apart from the signature.
    pub fn statement(&self) -> ProposalStatement {
        ProposalStatement {
            epoch: self.block.header.epoch,
            view: self.view,
            block: self.block.hash(),
            justify: claim_hash(self.justify.as_ref()),
            tc: certificate_hash(self.tc.as_ref()),
        }
    }
}

/// What a proposal's signature covers: enough to check it without the block.
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct ProposalStatement {
    /// The epoch.
    pub epoch: Epoch,
    /// The view proposed in.
    pub view: View,
    /// The block's hash.
    pub block: BlockHash,
    /// Hash of what the justify QC says, zero for none.
    pub justify: Hash,
    /// Hash of the TC, zero for none.
    pub tc: Hash,
}

/// The bytes that a leader's identity signs for a proposal.
pub fn proposal_bytes(chain_id: &str, statement: &ProposalStatement) -> Vec<u8> {
    let mut body = Vec::with_capacity(96);
    body.extend_from_slice(statement.block.0.as_bytes());
    body.extend_from_slice(statement.justify.as_bytes());
    body.extend_from_slice(statement.tc.as_bytes());
    sign_bytes(Domain::Proposal, chain_id, statement.epoch.0, statement.view.0, &body)
}

/// Where a node stands: sent on every new connection and every few seconds, at rest too (rule R9).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Status {
    /// Its epoch.
    pub epoch: Epoch,
    /// Its view.
    pub view: View,
    /// Its committed height.
    pub committed: Height,
    /// The view of its high QC.
    pub high_view: View,
    /// The view of its newest TC.
    pub tc_view: View,
    /// The view of its newest commit certificate.
    pub commit_view: View,
    /// It has just started, and asks for the newest messages of its own key (rule S7).
    pub resuming: bool,
}

/// The newest messages of one validator that another holds: the answer to [`Status::resuming`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Memory {
    /// The epoch that they are of.
    pub epoch: Epoch,
    /// Its newest vote.
    pub vote: Option<Vote>,
    /// Its newest commit vote.
    pub commit_vote: Option<Vote>,
    /// Its newest timeout vote.
    pub timeout: Option<TimeoutVote>,
    /// Its newest proposal, without the block.
    pub proposal: Option<(ProposalStatement, ed25519::Signature)>,
}

/// A message between validators.
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub enum Message {
    /// A leader's proposal.
    Proposal(Box<Proposal>),
    /// A vote or commit vote.
    Vote(Vote),
    /// A timeout vote.
    Timeout(Box<TimeoutVote>),
    /// A certificate of any kind.
    Certificate(Box<Certificate>),
    /// Where the sender stands.
    Status(Status),
    /// What the sender holds of the receiver's own messages.
    Memory(Box<Memory>),
}

impl Message {
    /// The epoch that it belongs to; none of a status, which is for all.
    pub fn epoch(&self) -> Option<Epoch> {
        match self {
            Self::Proposal(proposal) => Some(proposal.block.header.epoch),
            Self::Vote(vote) => Some(vote.epoch),
            Self::Timeout(timeout) => Some(timeout.epoch),
            Self::Certificate(certificate) => Some(certificate.epoch()),
            Self::Status(_) => None,
            Self::Memory(memory) => Some(memory.epoch),
        }
    }
}

impl Encoding for Message {
    const NAME: &'static str = "consensus message";
    const VERSION: u8 = 3;
    const MAX_BYTES: usize = 1 << 20;
}
