//! Real messages, signed with real keys, as the adversary puts them together from what quorums have signed.

use std::sync::Arc;

use althing_consensus::{
    Certificate, Epoch, EpochStart, Message, Phase, Position, Proposal, QuorumCertificate,
    TimeoutCertificate, View, proposal_bytes, timeout_bytes, vote_bytes,
};
use althing_crypto::{BlockHash, bls, ed25519};

use super::blocks::Catalogue;
use super::stimulus::By;
use crate::bare::{Setup, Wire};

/// Makes messages. Whose votes a certificate consists of never matters to who receives it, so it is always the same members'.
#[derive(Clone, Debug)]
pub(super) struct Forge {
    /// The chain.
    pub(super) setup: Arc<Setup>,
    /// The blocks.
    pub(super) blocks: Catalogue,
    /// The leader of all views.
    pub(super) leader: Position,
}

impl Forge {
    /// A certificate of votes or commit votes for a block.
    pub(super) fn quorum(&self, phase: Phase, block: usize) -> QuorumCertificate {
        let known = self.blocks.get(block);
        let (epoch, view) = self.blocks.local(known.view);
        self.quorum_of(phase, (epoch, view), known.hash, epoch)
    }

    /// By the members of that epoch, which should be the certificate's own.
    fn quorum_of(
        &self,
        phase: Phase,
        (epoch, view): (Epoch, View),
        block: BlockHash,
        by: Epoch,
    ) -> QuorumCertificate {
        let bytes = vote_bytes(self.setup.chain_id(), phase, epoch, view, block);
        let era = self.setup.era(by);
        let shares: Vec<_> = self.signers(by).map(|signer| era.key(signer).sign(&bytes)).collect();
        let (signers, signature) = (self.signers(by).collect(), self.aggregate(&shares));
        QuorumCertificate { phase, epoch, view, block, signers, signature }
    }

    /// A certificate that a message of this epoch is built on; none for its opening block.
    fn justify(&self, epoch: Epoch, phase: Phase, at: Option<usize>) -> Option<QuorumCertificate> {
        let root = || self.root(phase).filter(|_| epoch == Epoch(1));
        at.map_or_else(root, |at| Some(self.quorum(phase, at)))
    }

    /// A certificate of the block that all begin with.
    pub(super) fn root(&self, phase: Phase) -> Option<QuorumCertificate> {
        let root = self.blocks.root.as_ref()?.hash();
        Some(self.quorum_of(phase, (Epoch(1), View(1)), root, Epoch(1)))
    }

    /// A TC of this view whose highest QC is this block's.
    pub(super) fn timeout(&self, view: u64, high: Option<usize>) -> TimeoutCertificate {
        let (epoch, local) = self.blocks.local(view);
        let highest = self.blocks.local(self.blocks.justify_view(epoch, high));
        let highest = if highest.0 == epoch { highest.1 } else { View(0) };
        // One signer names it, the others the opening block: only the highest is ever looked at.
        let named = |signer| if signer == self.leader { highest } else { View(0) };
        let era = self.setup.era(epoch);
        let share = |signer| {
            let bytes = timeout_bytes(self.setup.chain_id(), epoch, local, named(signer));
            era.key(signer).sign(&bytes)
        };
        let shares: Vec<_> = self.signers(epoch).map(share).collect();
        TimeoutCertificate {
            epoch,
            view: local,
            signers: self.signers(epoch).collect(),
            high_views: self.signers(epoch).map(named).collect(),
            high_qc: self.justify(epoch, Phase::Vote, high),
            signature: self.aggregate(&shares),
        }
    }

    /// A proposal of this block by the leader, justified by a certificate of this phase.
    pub(super) fn proposal(&self, block: usize, justify: Phase, tc: Option<(u64, Option<usize>)>) -> Wire {
        let known = self.blocks.get(block);
        let (epoch, view) = self.blocks.local(known.view);
        let tc = tc.map(|(view, high)| self.timeout(view, high));
        self.signed(epoch, view, known.block.clone(), self.justify(epoch, justify, known.justify), tc)
    }

    /// The proposal of the block that all begin with.
    pub(super) fn root_proposal(&self) -> Option<Wire> {
        let root = self.blocks.root.clone()?;
        Some(self.signed(Epoch(1), View(1), root, None, None))
    }

    fn signed(
        &self,
        epoch: Epoch,
        view: View,
        block: althing_consensus::Block,
        justify: Option<QuorumCertificate>,
        tc: Option<TimeoutCertificate>,
    ) -> Wire {
        let signature = ed25519::Signature::from_bytes([0; 64]);
        let mut proposal =
            Proposal { view, block, justify, tc, commit: None, signer: self.leader, signature };
        let bytes = proposal_bytes(self.setup.chain_id(), &proposal.statement());
        proposal.signature = self.setup.era(epoch).identity(self.leader).sign(&bytes);
        Wire::Consensus(Message::Proposal(Box::new(proposal)))
    }

    /// A certificate on its way.
    pub(super) fn certificate(&self, certificate: Certificate) -> Wire {
        Wire::Consensus(Message::Certificate(Box::new(certificate)))
    }

    /// What somebody gives out as the end of the first epoch.
    pub(super) fn end(&self, block: usize, by: By) -> EpochStart {
        let known = self.blocks.get(block);
        let (era, place) = (self.setup.era(Epoch(2)), self.blocks.local(known.view));
        let certificate = match by {
            By::Votes => self.quorum(Phase::Vote, block),
            By::CommitVotes => self.quorum(Phase::Commit, block),
            By::TheNextSet => self.quorum_of(Phase::Commit, place, known.hash, Epoch(2)),
        };
        let opening = known.block.header.clone();
        EpochStart {
            epoch: Epoch(2),
            opening,
            certificate,
            set: era.set().clone(),
            params: era.params().clone(),
        }
    }

    /// The smallest quorum with the leader and the highest positions.
    fn signers(&self, epoch: Epoch) -> impl Iterator<Item = Position> {
        let members = self.setup.era(epoch).set().len();
        let (leader, others) = (usize::from(self.leader.0), quorum(members) - 1);
        let skipped = members - 1 - others;
        let first = (0..members).filter(move |one| *one != leader).nth(skipped).unwrap_or(members);
        let chosen = (0..members).filter(move |one| *one == leader || *one >= first);
        chosen.map(|position| Position(position as u16))
    }

    fn aggregate(&self, shares: &[bls::Signature]) -> bls::Signature {
        self.setup.set().scheme().aggregate(shares).expect("a quorum's shares")
    }
}

/// The smallest number of members that are a quorum of so many with equal power.
pub(super) fn quorum(members: usize) -> usize {
    members * 2 / 3 + 1
}
