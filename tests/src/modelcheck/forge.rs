//! Real messages, signed with real keys, as the adversary puts them together from what quorums have signed.

use std::sync::Arc;

use althing_consensus::{
    Certificate, Epoch, Message, Phase, Position, Proposal, QuorumCertificate, TimeoutCertificate, View,
    proposal_bytes, timeout_bytes, vote_bytes,
};
use althing_crypto::bls;

use super::blocks::Catalogue;
use crate::bare::{Setup, Wire};

const EPOCH: Epoch = Epoch(1);

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
        let bytes = vote_bytes(self.setup.chain_id(), phase, EPOCH, View(known.view), known.hash);
        let shares: Vec<_> = self.signers().map(|signer| self.setup.key(signer).sign(&bytes)).collect();
        QuorumCertificate {
            phase,
            epoch: EPOCH,
            view: View(known.view),
            block: known.hash,
            signers: self.signers().collect(),
            signature: self.aggregate(&shares),
        }
    }

    /// A TC of this view whose highest QC is this block's.
    pub(super) fn timeout(&self, view: u64, high: Option<usize>) -> TimeoutCertificate {
        // One signer names it, the others the opening block: only the highest is ever looked at.
        let named = |signer| View(if signer == self.leader { self.blocks.view(high) } else { 0 });
        let share = |signer| {
            let bytes = timeout_bytes(self.setup.chain_id(), EPOCH, View(view), named(signer));
            self.setup.key(signer).sign(&bytes)
        };
        let shares: Vec<_> = self.signers().map(share).collect();
        TimeoutCertificate {
            epoch: EPOCH,
            view: View(view),
            signers: self.signers().collect(),
            high_views: self.signers().map(named).collect(),
            high_qc: high.map(|block| self.quorum(Phase::Vote, block)),
            signature: self.aggregate(&shares),
        }
    }

    /// A proposal of this block by the leader, justified by a certificate of this phase.
    pub(super) fn proposal(&self, block: usize, justify: Phase, tc: Option<(u64, Option<usize>)>) -> Wire {
        let known = self.blocks.get(block);
        let mut proposal = Proposal {
            view: View(known.view),
            block: known.block.clone(),
            justify: known.parent.map(|parent| self.quorum(justify, parent)),
            tc: tc.map(|(view, high)| self.timeout(view, high)),
            commit: None,
            signer: self.leader,
            signature: bls::Signature::from_bytes([0; 96]),
        };
        let bytes = proposal_bytes(self.setup.chain_id(), &proposal.statement());
        proposal.signature = self.setup.key(self.leader).sign(&bytes);
        Wire::Consensus(Message::Proposal(Box::new(proposal)))
    }

    /// A certificate on its way.
    pub(super) fn certificate(&self, certificate: Certificate) -> Wire {
        Wire::Consensus(Message::Certificate(Box::new(certificate)))
    }

    /// The smallest quorum with the highest positions, the leader's among them.
    fn signers(&self) -> impl Iterator<Item = Position> {
        let members = self.setup.set().len();
        (members - quorum(members)..members).map(|position| Position(position as u16))
    }

    fn aggregate(&self, shares: &[bls::Signature]) -> bls::Signature {
        self.setup.set().scheme().aggregate(shares).expect("a quorum's shares")
    }
}

/// The smallest number of members that are a quorum of so many with equal power.
pub(super) fn quorum(members: usize) -> usize {
    members * 2 / 3 + 1
}
