//! What the safety rules are asked, and what they answer.

use althing_crypto::{BlockHash, ed25519};
use thiserror::Error;

use crate::certificate::{certificate_hash, claim_hash};
use crate::{
    Block, Certificate, Epoch, Position, Proposal, ProposalStatement, QuorumCertificate, TimeoutCertificate,
    TimeoutVote, Verified, View, Vote, view_of,
};

/// Something to be signed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::large_enum_variant, reason = "there is one at a time")]
pub enum SignRequest {
    /// A proposal (rule S3).
    Propose(Box<ProposalDraft>),
    /// A vote for a proposal (rule S4).
    Vote(Box<Verified<Proposal>>),
    /// A commit vote on a quorum certificate (rule S5).
    CommitVote {
        /// The certificate.
        qc: Verified<QuorumCertificate>,
    },
    /// Giving a view up (rule S6).
    Timeout {
        /// The view.
        view: View,
        /// The high QC; none where it is the opening block.
        high_qc: Option<Verified<QuorumCertificate>>,
        /// The certificate of the view before; none in view 1.
        entry: Option<Verified<Certificate>>,
    },
}

/// A proposal before it is signed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ProposalDraft {
    /// The view to propose in.
    pub view: View,
    /// The block, with its transactions.
    pub block: Block,
    /// The certificate of the block's parent; none on the opening block.
    pub justify: Option<Verified<QuorumCertificate>>,
    /// The TC of the view before, if the justify QC is older than that.
    pub tc: Option<Verified<TimeoutCertificate>>,
    /// The newest commit certificate.
    pub commit: Option<Verified<QuorumCertificate>>,
}

impl ProposalDraft {
    /// What its signature will cover.
    pub(super) fn statement(&self) -> ProposalStatement {
        ProposalStatement {
            epoch: self.block.header.epoch,
            view: self.view,
            block: self.block.hash(),
            justify: claim_hash(self.justify.as_deref()),
            tc: certificate_hash(self.tc.as_deref()),
        }
    }
}

impl SignRequest {
    /// What is to be signed.
    pub fn kind(&self) -> SignKind {
        match self {
            Self::Propose(_) => SignKind::Proposal,
            Self::Vote(_) => SignKind::Vote,
            Self::CommitVote { .. } => SignKind::CommitVote,
            Self::Timeout { .. } => SignKind::Timeout,
        }
    }

    /// The view to sign in.
    pub fn view(&self) -> View {
        match self {
            Self::Propose(draft) => draft.view,
            Self::Vote(proposal) => proposal.view,
            Self::CommitVote { qc } => qc.view,
            Self::Timeout { view, .. } => *view,
        }
    }
}

/// The kinds of messages that are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SignKind {
    /// A proposal.
    Proposal,
    /// A vote.
    Vote,
    /// A commit vote.
    CommitVote,
    /// A timeout vote.
    Timeout,
}

impl std::fmt::Display for SignKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Proposal => "proposal",
            Self::Vote => "vote",
            Self::CommitVote => "commit vote",
            Self::Timeout => "timeout vote",
        })
    }
}

/// A signed message. It leaves only after the record that came with it is durable.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::large_enum_variant, reason = "there is one at a time")]
pub enum Signed {
    /// A proposal.
    Proposal(Verified<Proposal>),
    /// A vote.
    Vote(Vote),
    /// A commit vote.
    CommitVote(Vote),
    /// A timeout vote.
    Timeout(TimeoutVote),
}

impl Signed {
    /// The epoch that it was signed in.
    pub fn epoch(&self) -> Epoch {
        match self {
            Self::Proposal(proposal) => proposal.block.header.epoch,
            Self::Vote(vote) | Self::CommitVote(vote) => vote.epoch,
            Self::Timeout(timeout) => timeout.epoch,
        }
    }
}

/// The newest certificates held, to become durable with the next record (rule S8).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Newest {
    /// The high QC.
    pub high_qc: Option<Verified<QuorumCertificate>>,
    /// The newest TC.
    pub tc: Option<Verified<TimeoutCertificate>>,
    /// The newest commit certificate.
    pub commit: Option<Verified<QuorumCertificate>>,
}

/// A request that the rules do not allow. Nothing was signed and nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Error)]
#[error("no {request} is signed in view {view}: {reason}")]
pub struct Refusal {
    /// What was asked for.
    pub request: SignKind,
    /// In which view.
    pub view: View,
    /// Why not.
    pub reason: RefusalReason,
}

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Error)]
pub enum RefusalReason {
    /// The key is in no place of the epoch's set.
    #[error("this key votes for no validator of epoch {epoch}")]
    NotAMember {
        /// The epoch.
        epoch: Epoch,
    },
    /// S3: the place is the vote key's, but another identity's: nobody would accept this process's proposal.
    #[error(
        "validator {signer} of the set proposes under the identity {expected}, this process holds that of {held}: \
         run it with the key of that identity, or have the vote key registered under this one"
    )]
    OtherIdentity {
        /// The vote key's position.
        signer: Position,
        /// Whose it is in the set.
        expected: ed25519::PublicKey,
        /// The identity held here.
        held: ed25519::PublicKey,
    },
    /// S7: it is not known yet what this key has signed.
    #[error("what this key has signed before the restart is not known yet: wait for a quorum's answer")]
    NotResumed,
    /// S7: this key may have signed anything up to the floor.
    #[error("this key may have signed in views up to {floor} without the record knowing it")]
    Floor {
        /// The floor.
        floor: View,
    },
    /// S3 to S6: a newer message was signed, of this kind or of one that excludes it.
    #[error("a {signed} of view {last} was signed before")]
    Behind {
        /// The kind of the message.
        signed: SignKind,
        /// Its view.
        last: View,
    },
    /// S3 to S5: a message of this kind and view was signed for something else.
    #[error("one for block {signed} was signed before, now it is asked for block {asked}")]
    Conflict {
        /// The block signed for.
        signed: BlockHash,
        /// The block asked for.
        asked: BlockHash,
    },
    /// S3: this proposal's block was signed for, but on other certificates.
    #[error("it was signed for block {block} on other certificates")]
    OtherCertificates {
        /// The block.
        block: BlockHash,
    },
    /// S4: the certificates do not permit a block in this view.
    #[error(
        "a QC of view {justify} permits it only in the next view, or beside the TC of the view before that names no higher one{}",
        named(*tc)
    )]
    Unjustified {
        /// The view of the justify QC.
        justify: View,
        /// The view of the TC and the highest that it names.
        tc: Option<(View, View)>,
    },
    /// S5: no commit vote follows from commit votes.
    #[error("a commit certificate causes no commit vote, only a certificate made of votes does")]
    CommitCertificate,
    /// S6: a view is given up by who has entered it.
    #[error("it is entered with a certificate of the view before, not of view {entry}")]
    NotEntered {
        /// The view of the certificate; 0 for none.
        entry: View,
    },
    /// S6: the high QC never goes back.
    #[error("it would name a QC of view {named}, but one of view {held} is held")]
    Lowered {
        /// The view to be named.
        named: View,
        /// The view of the certificate held.
        held: View,
    },
    /// S6: one holds no certificate of a view that one is still in.
    #[error("it would name a QC of view {named}, which is not below it")]
    NotBelow {
        /// The view to be named.
        named: View,
    },
    /// The request's parts do not fit together, or not this record.
    #[error("{field} is {found}, must be {expected}")]
    Mismatch {
        /// The part.
        field: &'static str,
        /// What it is.
        found: String,
        /// What it must be.
        expected: String,
    },
}

fn named(tc: Option<(View, View)>) -> String {
    tc.map_or(String::new(), |(view, max)| format!("; the TC is of view {view} and names view {max}"))
}

/// The view of a checked high QC; 0 where it is the opening block.
pub(super) fn high(qc: Option<&Verified<QuorumCertificate>>) -> View {
    view_of(qc.map(|qc| &**qc))
}
