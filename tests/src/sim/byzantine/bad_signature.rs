//! Bad signatures: on its own words, on certificates, and in other members' places.

use althing_consensus::{Certificate, Message, Position};
use althing_crypto::BlockHash;
use althing_node::wire::Wire;

use super::forge::{any_hash, spoilt, spoilt_proposal};
use super::{Behaviour, Traitor};
use crate::sim::random::Random;

/// Spoils signatures of what it sends, and signs for others with its own key.
pub(super) struct BadSignature {
    own_percent: u64,
    others_percent: u64,
}

impl BadSignature {
    pub(super) fn draw(random: &mut Random) -> Box<dyn Behaviour> {
        let own_percent = [0, 20, 100][random.index(3)];
        let others_percent = if own_percent == 0 { random.between(20, 100) } else { random.below(60) };
        Box::new(Self { own_percent, others_percent })
    }
}

impl Behaviour for BadSignature {
    fn name(&self) -> &'static str {
        "bad-signature"
    }

    /// What another says is contradicted in its name.
    fn hear(&mut self, me: &mut Traitor<'_>, from: usize, wire: &Wire) -> Vec<(usize, Wire)> {
        let Wire::Consensus(message) = wire else { return Vec::new() };
        if !me.random.percent(self.others_percent) {
            return Vec::new();
        }
        let forged = match message.clone() {
            Message::Vote(mut vote) => {
                vote.block = BlockHash(any_hash(me.random));
                Message::Vote(me.signed_vote(vote))
            }
            Message::Timeout(mut timeout) => {
                timeout.high_qc = None;
                Message::Timeout(Box::new(me.signed_timeout(*timeout)))
            }
            Message::Proposal(mut proposal) => {
                proposal.block.header.time_ms += 1;
                Message::Proposal(Box::new(me.signed_proposal(*proposal)))
            }
            Message::Certificate(_) | Message::Status(_) | Message::Memory(_) => return Vec::new(),
        };
        me.to_all(&forged).into_iter().filter(|(to, _)| *to != from).collect()
    }

    fn send(&mut self, me: &mut Traitor<'_>, to: usize, wire: Wire) -> Vec<(usize, Wire)> {
        let Wire::Consensus(mut message) = wire else { return vec![(to, wire)] };
        if me.random.percent(self.own_percent) {
            let bit = me.random.below(96 * 8);
            match &mut message {
                Message::Proposal(proposal) => proposal.signature = spoilt_proposal(&proposal.signature, bit),
                Message::Vote(vote) if me.random.percent(80) => {
                    vote.signature = spoilt(&vote.signature, bit);
                }
                // Under another's name, from its own connection.
                Message::Vote(vote) => vote.signer = Position(me.random.below(7) as u16),
                Message::Timeout(timeout) => timeout.signature = spoilt(&timeout.signature, bit),
                Message::Certificate(certificate) => match &mut **certificate {
                    Certificate::Quorum(qc) => qc.signature = spoilt(&qc.signature, bit),
                    Certificate::Timeout(tc) => tc.signature = spoilt(&tc.signature, bit),
                },
                Message::Status(_) | Message::Memory(_) => {}
            }
        }
        vec![(to, message.into())]
    }
}

#[cfg(test)]
mod tests {
    use althing_consensus::Phase;
    use althing_crypto::Hash;

    use super::super::stage::Stage;
    use super::*;

    #[test]
    fn in_others_names_and_spoilt_nothing_of_it_verifies() {
        let mut stage = Stage::new();
        let mut liar = BadSignature { own_percent: 100, others_percent: 100 };
        let block = BlockHash(Hash::ZERO);
        let theirs = stage.vote(1, Phase::Vote, 3, block);
        let contradicted = stage.hears(&mut liar, Message::Vote(theirs));
        assert_eq!(contradicted.len(), 2, "not towards its sender");
        assert!(contradicted.iter().all(|(_, wire)| stage.admit(wire).is_err()));

        let qc = Certificate::Quorum(stage.qc(Phase::Vote, 3, block));
        let sent = stage.sent(&mut liar, Message::Certificate(Box::new(qc)));
        assert!(sent.iter().all(|(_, wire)| stage.admit(wire).is_err()));
        // A vote from its signer's own connection is not checked at the door: it spoils an aggregate.
        let vote = stage.vote(0, Phase::Vote, 3, block);
        let sent =
            (0..10).flat_map(|_| stage.sent(&mut liar, Message::Vote(vote.clone()))).collect::<Vec<_>>();
        assert!(sent.iter().all(|(_, wire)| *wire != Message::Vote(vote.clone()).into()));
        assert!(sent.iter().any(|(_, wire)| stage.admit(wire).is_ok()));
    }
}
