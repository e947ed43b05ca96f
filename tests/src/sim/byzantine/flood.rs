//! Floods: as many messages of views to come as a peer can send, no two alike, each with a good signature of its own.

use althing_consensus::{
    Certificate, Height, Message, Phase, QuorumCertificate, Status, TimeoutCertificate, View,
};
use althing_crypto::BlockHash;
use althing_node::wire::Wire;

use super::forge::any_hash;
use super::{Behaviour, Traitor};
use crate::sim::random::Random;

/// The most messages of a tick, to each member.
const MOST: u64 = 20;

/// Floods the others with votes, timeout votes, proposals, certificates, statuses and garbage.
pub(super) struct Flood {
    messages: u64,
    /// Bits of how far ahead it goes: 4 stays in the window in which votes are kept.
    bits: u64,
    /// Only this kind of [`Flood::message`], or any.
    kind: Option<u64>,
}

impl Flood {
    pub(super) fn draw(random: &mut Random) -> Box<dyn Behaviour> {
        Box::new(Self {
            messages: random.between(1, MOST),
            bits: [3, 4, 10, 60][random.index(4)],
            kind: random.percent(40).then(|| random.below(7)),
        })
    }

    fn message(&self, me: &mut Traitor<'_>) -> Wire {
        let view = View(me.view().0 + me.random.below(1 << self.bits));
        let block = BlockHash(any_hash(me.random));
        let before = View(view.0.saturating_sub(1));
        let message = match self.kind.unwrap_or_else(|| me.random.below(7)) {
            0 => Message::Vote(me.vote(Phase::Vote, view, block)),
            1 => Message::Vote(me.vote(Phase::Commit, view, block)),
            2 => {
                let entry = Certificate::Quorum(own_qc(me, Phase::Vote, before, block));
                Message::Timeout(Box::new(me.timeout(view, None, Some(entry))))
            }
            3 => {
                let qc = own_qc(me, Phase::Vote, before, block);
                let parent = me.driver.engine().committed().clone();
                let block = me.block_on(&parent, Some(&qc), view);
                Message::Proposal(Box::new(me.proposal(view, block, Some(qc))))
            }
            4 => {
                let phase = if me.random.percent(50) { Phase::Vote } else { Phase::Commit };
                Message::Certificate(Box::new(Certificate::Quorum(own_qc(me, phase, view, block))))
            }
            5 => Message::Certificate(Box::new(Certificate::Timeout(own_tc(me, view)))),
            _ if me.random.percent(50) => {
                let bytes: Vec<u8> = me.random.word().to_be_bytes().to_vec();
                return Wire::Transactions(vec![bytes.into()]);
            }
            _ => Message::Status(Status {
                epoch: me.epoch,
                view,
                committed: Height(view.0),
                high_view: view,
                tc_view: before,
                commit_view: before,
                resuming: me.random.percent(20),
            }),
        };
        message.into()
    }
}

/// A certificate that names everyone, made of its own signature.
fn own_qc(me: &Traitor<'_>, phase: Phase, view: View, block: BlockHash) -> QuorumCertificate {
    let vote = me.vote(phase, view, block);
    let signers = me.set.positions().collect();
    QuorumCertificate { phase, epoch: vote.epoch, view, block, signers, signature: vote.signature }
}

fn own_tc(me: &Traitor<'_>, view: View) -> TimeoutCertificate {
    let vote = me.timeout(view, None, None);
    TimeoutCertificate {
        epoch: vote.epoch,
        view,
        signers: me.set.positions().collect(),
        high_views: me.set.positions().map(|_| View(0)).collect(),
        high_qc: None,
        signature: vote.signature,
    }
}

impl Behaviour for Flood {
    fn name(&self) -> &'static str {
        "flood"
    }

    fn tick(&mut self, me: &mut Traitor<'_>) -> Vec<(usize, Wire)> {
        let mut flood = Vec::new();
        for _ in 0..self.messages {
            let wire = self.message(me);
            flood.extend(me.others().map(|to| (to, wire.clone())));
        }
        flood
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use althing_crypto::Encoding;

    use super::super::stage::Stage;
    use super::*;

    #[test]
    fn no_two_are_alike_and_its_votes_pass_the_door() {
        let mut stage = Stage::new();
        for bits in [4, 60] {
            let mut liar = Flood { messages: MOST, bits, kind: None };
            let sent = stage.ticked(&mut liar, 10);
            assert_eq!(sent.len(), 10 * MOST as usize * 3);
            let distinct: BTreeSet<Vec<u8>> = sent.iter().map(|(_, wire)| wire.encode()).collect();
            assert!(distinct.len() > 150, "{}", distinct.len());
        }
        let mut voter = Flood { messages: MOST, bits: 4, kind: Some(0) };
        let votes = stage.ticked(&mut voter, 1);
        assert!(votes.iter().filter(|(_, wire)| stage.admit(wire).is_ok()).count() >= 55, "view 0 aside");
        let mut forger = Flood { messages: MOST, bits: 4, kind: Some(4) };
        assert!(stage.ticked(&mut forger, 1).iter().all(|(_, wire)| stage.admit(wire).is_err()));
    }
}
