//! Words for some ears: every message good, and some members never get those of some kinds.

use althing_consensus::{Message, Phase};
use althing_node::wire::Wire;

use super::circle::Circle;
use super::{Behaviour, Traitor};
use crate::sim::random::Random;

/// Votes, commit votes, timeout votes, certificates, proposals or statuses go to some only.
pub(super) struct Selective {
    /// By [`kind`].
    kinds: [bool; 7],
    told: Circle,
    /// Others in every view, so that nobody lags for good.
    moves: bool,
}

impl Selective {
    pub(super) fn draw(random: &mut Random) -> Box<dyn Behaviour> {
        let mut kinds = [false; 7].map(|_| random.percent(40));
        kinds[random.index(7)] = true;
        Box::new(Self { kinds, told: Circle::draw(random), moves: random.percent(50) })
    }
}

fn kind(wire: &Wire) -> usize {
    match wire {
        Wire::Consensus(Message::Proposal(_)) => 0,
        Wire::Consensus(Message::Vote(vote)) if vote.phase == Phase::Vote => 1,
        Wire::Consensus(Message::Vote(_)) => 2,
        Wire::Consensus(Message::Timeout(_)) => 3,
        Wire::Consensus(Message::Certificate(_)) => 4,
        Wire::Consensus(Message::Status(_) | Message::Memory(_)) | Wire::Session(_) => 5,
        Wire::Transactions(_) | Wire::Notice(_) => 6,
    }
}

impl Behaviour for Selective {
    fn name(&self) -> &'static str {
        "selective"
    }

    fn send(&mut self, me: &mut Traitor<'_>, to: usize, wire: Wire) -> Vec<(usize, Wire)> {
        let turn = if self.moves { me.view().0 as usize } else { 0 };
        let told = !self.kinds[kind(&wire)] || self.told.has(to + turn);
        if told { vec![(to, wire)] } else { Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use althing_consensus::Status;
    use althing_crypto::{BlockHash, Hash};

    use super::super::stage::Stage;
    use super::*;

    #[test]
    fn only_some_get_its_commit_votes_and_all_the_rest() {
        let mut stage = Stage::new();
        let mut kinds = [false; 7];
        kinds[2] = true;
        let mut liar = Selective { kinds, told: Circle::draw(&mut Random::new(2)), moves: false };
        let commit = stage.vote(0, Phase::Commit, 1, BlockHash(Hash::ZERO));
        let vote = stage.vote(0, Phase::Vote, 1, BlockHash(Hash::ZERO));
        let told = (1..4).filter(|to| liar.told.has(*to)).count();
        assert_eq!(stage.sent(&mut liar, Message::Vote(commit)).len(), told);
        assert!(told < 3);
        assert_eq!(stage.sent(&mut liar, Message::Vote(vote)).len(), 3);
        assert_eq!(stage.sent(&mut liar, Message::Status(Status::default())).len(), 3);
    }
}
