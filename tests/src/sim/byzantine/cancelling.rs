//! Bad shares whose errors cancel out: two such members' votes together make a good aggregate, each alone a bad one. So who sees
//! both has a certificate and never learns that either vote was bad; who sees one has to find the culprit.

use althing_consensus::Message;
use althing_node::wire::Wire;

use super::forge::spoilt;
use super::{Behaviour, Traitor};
use crate::sim::random::Random;

/// Adds the same error to its votes, or to its timeout votes, as every other member of this kind: of an even number of them the sum
/// is right in the scheme of the simulation, where an aggregate is an exclusive or.
pub(super) struct Cancelling {
    votes: bool,
    timeouts: bool,
}

/// The bit that is wrong.
const BIT: u64 = 7;

impl Cancelling {
    pub(super) fn draw(random: &mut Random) -> Box<dyn Behaviour> {
        let votes = random.percent(70);
        Box::new(Self { votes, timeouts: !votes || random.percent(50) })
    }
}

impl Behaviour for Cancelling {
    fn name(&self) -> &'static str {
        "cancelling"
    }

    fn send(&mut self, me: &mut Traitor<'_>, to: usize, wire: Wire) -> Vec<(usize, Wire)> {
        if let Some(vote) = me.own_vote(&wire).filter(|_| self.votes) {
            let mut vote = vote.clone();
            vote.signature = spoilt(&vote.signature, BIT);
            return vec![(to, Message::Vote(vote).into())];
        }
        if let Some(timeout) = me.own_timeout(&wire).filter(|_| self.timeouts) {
            let mut timeout = timeout.clone();
            timeout.signature = spoilt(&timeout.signature, BIT);
            return vec![(to, Message::Timeout(Box::new(timeout)).into())];
        }
        vec![(to, wire)]
    }
}

#[cfg(test)]
mod tests {
    use althing_consensus::engine::Aggregated;
    use althing_consensus::{Phase, Position, Vote, aggregate_votes};
    use althing_crypto::{BlockHash, Hash};

    use super::super::stage::Stage;
    use super::*;

    #[test]
    fn two_of_its_votes_make_a_good_certificate_and_one_does_not() {
        let mut stage = Stage::new();
        let mut liar = Cancelling { votes: true, timeouts: false };
        let block = BlockHash(Hash::ZERO);
        let own = stage.vote(0, Phase::Vote, 1, block);
        let told = stage.sent(&mut liar, Message::Vote(own)).remove(0).1;
        let Wire::Consensus(Message::Vote(told)) = told else { panic!("{told:?}") };
        let mut other = stage.vote(1, Phase::Vote, 1, block);
        let (honest, third) = (other.clone(), stage.vote(2, Phase::Vote, 1, block));
        other.signature = spoilt(&other.signature, BIT);
        let set = stage.me().world.set.clone();
        let made = |votes: Vec<Vote>| match aggregate_votes(&set, stage.me().world.chain_id, votes) {
            Aggregated::Votes { certificate, bad, .. } => (certificate.is_some(), bad),
            other => panic!("{other:?}"),
        };
        let mut made = made;
        assert_eq!(made(vec![told.clone(), other, third.clone()]), (true, vec![]));
        assert_eq!(made(vec![told, honest, third]), (false, vec![Position(0)]));
    }
}
