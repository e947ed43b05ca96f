//! All keys of a chain in one hand: makes any message, honest or not, well signed.

use std::sync::Arc;

use althing_consensus::{
    Absence, Admitted, Block, Certificate, ConsensusParams, Election, Epoch, Header, Message, Phase,
    Position, Proposal, QuorumCertificate, Rejection, TimeoutCertificate, TimeoutVote, Verified, View, Vote,
    payload_root, proposal_bytes, timeout_bytes, view_of, vote_bytes,
};
use althing_crypto::{BlockHash, TxHash, bls, ed25519, sha256};

use crate::bare::Setup;

const EPOCH: Epoch = Epoch(1);

/// A chain and all its keys.
#[derive(Clone)]
pub(super) struct Forge {
    pub(super) setup: Arc<Setup>,
}

impl Forge {
    /// A chain of members of these powers.
    pub(super) fn new(powers: &[u64], params: ConsensusParams) -> Self {
        Self { setup: Setup::new(powers, params) }
    }

    /// Four equal members.
    pub(super) fn four() -> Self {
        Self::new(&[1; 4], ConsensusParams::default())
    }

    fn sign(&self, signer: u16, bytes: &[u8]) -> bls::Signature {
        self.setup.key(Position(signer)).sign(bytes)
    }

    pub(super) fn vote(&self, signer: u16, phase: Phase, view: u64, block: BlockHash) -> Vote {
        let view = View(view);
        let signature = self.sign(signer, &vote_bytes(self.setup.chain_id(), phase, EPOCH, view, block));
        Vote { phase, epoch: EPOCH, view, block, signer: Position(signer), signature }
    }

    pub(super) fn qc(&self, phase: Phase, view: u64, block: BlockHash, signers: &[u16]) -> QuorumCertificate {
        let shares: Vec<bls::Signature> =
            signers.iter().map(|signer| self.vote(*signer, phase, view, block).signature).collect();
        QuorumCertificate {
            phase,
            epoch: EPOCH,
            view: View(view),
            block,
            signers: signers.iter().copied().map(Position).collect(),
            signature: self.setup.set().scheme().aggregate(&shares).expect("shares"),
        }
    }

    /// A TC by these signers, ascending, each naming a view.
    pub(super) fn tc(
        &self,
        view: u64,
        named: &[(u16, u64)],
        high_qc: Option<QuorumCertificate>,
    ) -> TimeoutCertificate {
        let share = |(signer, high): &(u16, u64)| {
            self.sign(*signer, &timeout_bytes(self.setup.chain_id(), EPOCH, View(view), View(*high)))
        };
        let shares: Vec<bls::Signature> = named.iter().map(share).collect();
        TimeoutCertificate {
            epoch: EPOCH,
            view: View(view),
            signers: named.iter().map(|(signer, _)| Position(*signer)).collect(),
            high_views: named.iter().map(|(_, high)| View(*high)).collect(),
            high_qc,
            signature: self.setup.set().scheme().aggregate(&shares).expect("shares"),
        }
    }

    /// A TC by all members, who all hold this high QC.
    pub(super) fn unanimous_tc(&self, view: u64, high_qc: Option<QuorumCertificate>) -> TimeoutCertificate {
        let high = view_of(high_qc.as_ref()).0;
        let named: Vec<(u16, u64)> = self.everyone().into_iter().map(|signer| (signer, high)).collect();
        self.tc(view, &named, high_qc)
    }

    pub(super) fn timeout(
        &self,
        signer: u16,
        view: u64,
        high_qc: Option<QuorumCertificate>,
        entry: Option<Certificate>,
    ) -> TimeoutVote {
        let (view, high) = (View(view), view_of(high_qc.as_ref()));
        let signature = self.sign(signer, &timeout_bytes(self.setup.chain_id(), EPOCH, view, high));
        TimeoutVote { epoch: EPOCH, view, signer: Position(signer), signature, high_qc, entry }
    }

    pub(super) fn proposal(
        &self,
        signer: u16,
        block: Block,
        justify: Option<QuorumCertificate>,
        tc: Option<TimeoutCertificate>,
    ) -> Proposal {
        let (view, signature) = (block.header.view, ed25519::Signature::from_bytes([0; 64]));
        self.signed(Proposal { view, block, justify, tc, commit: None, signer: Position(signer), signature })
    }

    /// A proposal, signed as it is now.
    pub(super) fn signed(&self, mut proposal: Proposal) -> Proposal {
        let bytes = proposal_bytes(self.setup.chain_id(), &proposal.statement());
        proposal.signature = self.setup.identity(proposal.signer).sign(&bytes);
        proposal
    }

    /// A block on this one, as the leader of `view` makes it who has executed nothing.
    pub(super) fn block(&self, view: u64, parent: &Block, justify: View, txs: &[u8]) -> Block {
        let txs: Vec<TxHash> = txs.iter().map(|tx| TxHash(sha256(&[*tx]))).collect();
        let header = Header {
            epoch: EPOCH,
            height: parent.header.height.next(),
            view: View(view),
            parent: parent.hash(),
            justify_view: justify,
            time_ms: parent.header.time_ms + 1,
            payload_root: payload_root(&txs),
            absent: self.absent_after(parent, justify, View(view)),
            ..parent.header.clone()
        };
        Block { header, txs, notices: Vec::new() }
    }

    pub(super) fn everyone(&self) -> Vec<u16> {
        (0..self.setup.set().len() as u16).collect()
    }

    pub(super) fn leader(&self, view: u64, absent: &[Absence]) -> u16 {
        let set = self.setup.set();
        let election = Election { chain_id: self.setup.chain_id(), epoch: EPOCH, set, given: &[] };
        election.leader(View(view), absent).0
    }

    /// L4, read anew.
    fn absent_after(&self, parent: &Block, q: View, view: View) -> Vec<Absence> {
        let before = &parent.header.absent;
        let mut after = before.clone();
        for failed in (q.0 + 1..view.0).take(4 * self.setup.set().len()) {
            let leader = Position(self.leader(failed, before));
            match after.iter_mut().find(|one| one.member == leader) {
                Some(one) => (one.last, one.failures) = (View(failed), one.failures + 1),
                None => after.push(Absence { member: leader, last: View(failed), failures: 1 }),
            }
        }
        after.sort_by_key(|one| one.member);
        after.retain(|one| one.member.0 != self.leader(view.0, before));
        after
    }

    /// What member 0's door says to a message from this member.
    pub(super) fn admit(&self, from: u16, message: Message) -> Result<Admitted, Rejection> {
        self.setup.door(Position(0)).admit(Some(Position(from)), message)
    }

    pub(super) fn verified_qc(&self, qc: &QuorumCertificate) -> Verified<QuorumCertificate> {
        self.setup.door(Position(0)).verify_quorum(qc).expect("well signed")
    }

    pub(super) fn verified_tc(&self, tc: &TimeoutCertificate) -> Verified<TimeoutCertificate> {
        self.setup.door(Position(0)).verify_timeout_certificate(tc).expect("well signed")
    }

    /// None if the door refuses it.
    pub(super) fn verified_proposal(&self, proposal: Proposal) -> Option<Verified<Proposal>> {
        match self.admit(proposal.signer.0, Message::Proposal(Box::new(proposal))) {
            Ok(Admitted::Proposal(proposal)) => Some(proposal),
            _ => None,
        }
    }
}
