//! What a Byzantine member signs its lies with: its own keys, in its own place, over whatever it likes.

use althing_consensus::{
    Absence, Block, Certificate, Election, Header, Message, Phase, Position, Proposal, QuorumCertificate,
    TimeoutVote, View, Vote, no_evidence, payload_root, proposal_bytes, timeout_bytes, view_of, vote_bytes,
};
use althing_crypto::{BlockHash, Hash, bls, ed25519};
use althing_node::wire::Wire;

use super::Traitor;
use crate::sim::random::Random;

impl Traitor<'_> {
    /// Everyone else.
    pub(super) fn others(&self) -> impl Iterator<Item = usize> + use<> {
        let own = self.node;
        (0..self.world.identities.len()).filter(move |other| *other != own)
    }

    /// Where another node is in the epoch; behind all members if it is none.
    pub(super) fn place_of(&self, node: usize) -> Position {
        self.world.place(self.epoch, node).unwrap_or(Position(self.set.len() as u16))
    }

    /// This, to everyone else.
    pub(super) fn to_all(&self, message: &Message) -> Vec<(usize, Wire)> {
        self.others().map(|other| (other, message.clone().into())).collect()
    }

    /// The view that its node is in.
    pub(super) fn view(&self) -> View {
        self.driver.engine().view()
    }

    /// The proposal in this, if it is one by its own node.
    pub(super) fn own_proposal<'w>(&self, wire: &'w Wire) -> Option<&'w Proposal> {
        match wire {
            Wire::Consensus(Message::Proposal(proposal)) if proposal.signer == self.position => {
                Some(proposal)
            }
            _ => None,
        }
    }

    /// The vote in this, if it is one by its own node.
    pub(super) fn own_vote<'w>(&self, wire: &'w Wire) -> Option<&'w Vote> {
        match wire {
            Wire::Consensus(Message::Vote(vote)) if vote.signer == self.position => Some(vote),
            _ => None,
        }
    }

    /// The timeout vote in this, if it is one by its own node.
    pub(super) fn own_timeout<'w>(&self, wire: &'w Wire) -> Option<&'w TimeoutVote> {
        match wire {
            Wire::Consensus(Message::Timeout(timeout)) if timeout.signer == self.position => Some(timeout),
            _ => None,
        }
    }

    /// A vote that is good in itself.
    pub(super) fn vote(&self, phase: Phase, view: View, block: BlockHash) -> Vote {
        self.signed_vote(Vote {
            phase,
            epoch: self.epoch,
            view,
            block,
            signer: self.position,
            signature: bls::Signature::from_bytes([0; 96]),
        })
    }

    /// The vote, signed as it is now.
    pub(super) fn signed_vote(&self, mut vote: Vote) -> Vote {
        let bytes = vote_bytes(self.world.chain_id, vote.phase, vote.epoch, vote.view, vote.block);
        vote.signature = self.key.sign(&bytes);
        vote
    }

    /// A timeout vote that is good in itself.
    pub(super) fn timeout(
        &self,
        view: View,
        high_qc: Option<QuorumCertificate>,
        entry: Option<Certificate>,
    ) -> TimeoutVote {
        let (epoch, signer) = (self.epoch, self.position);
        let signature = bls::Signature::from_bytes([0; 96]);
        self.signed_timeout(TimeoutVote { epoch, view, signer, signature, high_qc, entry })
    }

    /// The timeout vote, signed as it is now.
    pub(super) fn signed_timeout(&self, mut timeout: TimeoutVote) -> TimeoutVote {
        let bytes = timeout_bytes(self.world.chain_id, timeout.epoch, timeout.view, timeout.high_view());
        timeout.signature = self.key.sign(&bytes);
        timeout
    }

    /// The proposal, signed as it is now.
    pub(super) fn signed_proposal(&self, mut proposal: Proposal) -> Proposal {
        proposal.signature = self.identity.sign(&proposal_bytes(self.world.chain_id, &proposal.statement()));
        proposal
    }

    /// A proposal of its own in this view.
    pub(super) fn proposal(&self, view: View, block: Block, justify: Option<QuorumCertificate>) -> Proposal {
        let signature = ed25519::Signature::from_bytes([0; 64]);
        let (signer, tc, commit) = (self.position, None, None);
        self.signed_proposal(Proposal { view, block, justify, tc, commit, signer, signature })
    }

    /// An empty block on this parent that is valid in every respect, if its view's leader proposes it.
    pub(super) fn block_on(&self, parent: &Header, justify: Option<&QuorumCertificate>, view: View) -> Block {
        let justify_view = view_of(justify);
        let unix_ms = self.world.genesis_time_ms + 1 + self.now.0 / 1_000;
        let absent = if parent.epoch == self.epoch { &parent.absent } else { &[][..] };
        let header = Header {
            chain_id: self.world.chain_id.to_owned(),
            epoch: self.epoch,
            height: parent.height.next(),
            view,
            parent: parent.hash(),
            justify_view,
            // The parent may be another traitor's, with any time.
            time_ms: unix_ms.max(parent.time_ms.saturating_add(1)),
            payload_root: payload_root(&[]),
            evidence_root: no_evidence(),
            absent: self.absent_after(absent, justify_view, view),
            vouched: parent.vouched.clone(),
        };
        Block { header, txs: Vec::new(), notices: Vec::new() }
    }

    /// Rule L4.
    fn absent_after(&self, absent: &[Absence], justify: View, view: View) -> Vec<Absence> {
        let set = self.set;
        let election = Election { chain_id: self.world.chain_id, epoch: self.epoch, set, given: &[] };
        let mut next = absent.to_vec();
        let last = view.0.saturating_sub(1).min(justify.0 + 4 * set.len() as u64);
        for failed in (justify.0 + 1..=last).map(View) {
            let member = election.leader(failed, absent);
            match next.binary_search_by_key(&member, |one| one.member) {
                Ok(at) => {
                    next[at] =
                        Absence { member, last: failed, failures: next[at].failures.saturating_add(1) };
                }
                Err(at) => next.insert(at, Absence { member, last: failed, failures: 1 }),
            }
        }
        let proposer = election.leader(view, absent);
        next.retain(|one| one.member != proposer);
        next
    }
}

/// A hash of nothing.
pub(super) fn any_hash(random: &mut Random) -> Hash {
    let mut bytes = [0; 32];
    bytes.chunks_exact_mut(8).for_each(|part| part.copy_from_slice(&random.word().to_le_bytes()));
    Hash::from_bytes(bytes)
}

/// Another number: mostly a near one, at times one at the edge of what is possible.
pub(super) fn another(random: &mut Random, number: u64) -> u64 {
    match random.below(6) {
        0 | 1 => number.wrapping_add(1),
        2 | 3 => number.wrapping_sub(1),
        4 => number.wrapping_add(1 + random.below(40)),
        _ => [0, View::LIMIT.0 - 1, View::LIMIT.0, u64::MAX][random.index(4)],
    }
}

/// The identity's signature with one bit turned over.
pub(super) fn spoilt_proposal(signature: &ed25519::Signature, bit: u64) -> ed25519::Signature {
    let mut bytes = *signature.as_bytes();
    bytes[(bit / 8 % 64) as usize] ^= 1 << (bit % 8);
    ed25519::Signature::from_bytes(bytes)
}

/// The signature with one bit turned over.
pub(super) fn spoilt(signature: &bls::Signature, bit: u64) -> bls::Signature {
    let mut bytes = *signature.as_bytes();
    bytes[(bit / 8 % 96) as usize] ^= 1 << (bit % 8);
    bls::Signature::from_bytes(bytes)
}
