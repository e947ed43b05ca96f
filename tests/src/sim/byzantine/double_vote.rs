//! Two votes, or two commit votes, of one view.

use althing_consensus::{Message, Phase, Position, Vote};
use althing_crypto::{BlockHash, sha256_concat};
use althing_node::wire::Wire;

use super::circle::Circle;
use super::notes::Notes;
use super::{Behaviour, Traitor};
use crate::sim::random::Random;

/// Votes for another block, too, or instead, towards some.
pub(super) struct TwoVotes {
    phase: Phase,
    half: Circle,
    both_percent: u64,
    notes: Notes,
}

impl TwoVotes {
    pub(super) fn draw(random: &mut Random) -> Box<dyn Behaviour> {
        let phase = if random.percent(50) { Phase::Vote } else { Phase::Commit };
        let both_percent = [0, 50, 100][random.index(3)];
        Box::new(Self { phase, half: Circle::draw(random), both_percent, notes: Notes::default() })
    }

    /// Another block proposed in that view, or the parent, or one that does not exist.
    fn other_block(&self, me: &mut Traitor<'_>, vote: &Vote) -> BlockHash {
        let rivals = self.notes.proposals.range((vote.view, Position(0))..);
        let rival = rivals
            .take_while(|((view, _), _)| *view == vote.view)
            .map(|(_, proposal)| proposal.block.hash())
            .find(|block| *block != vote.block);
        let parent = self.notes.header(&vote.block).map(|header| header.parent);
        let nothing = BlockHash(sha256_concat(&[b"no block", vote.block.as_bytes()]));
        rival.or(parent.filter(|_| me.random.percent(50))).unwrap_or(nothing)
    }
}

impl Behaviour for TwoVotes {
    fn name(&self) -> &'static str {
        "two-votes"
    }

    fn hear(&mut self, me: &mut Traitor<'_>, _from: usize, wire: &Wire) -> Vec<(usize, Wire)> {
        self.notes.take(me, wire);
        Vec::new()
    }

    fn send(&mut self, me: &mut Traitor<'_>, to: usize, wire: Wire) -> Vec<(usize, Wire)> {
        let Some(vote) = me.own_vote(&wire).filter(|vote| vote.phase == self.phase) else {
            return vec![(to, wire)];
        };
        if !self.half.has(to) {
            return vec![(to, wire)];
        }
        let block = self.other_block(me, vote);
        let other = (to, Message::Vote(me.vote(vote.phase, vote.view, block)).into());
        if me.random.percent(self.both_percent) { vec![other, (to, wire)] } else { vec![other] }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use althing_crypto::Hash;

    use super::super::stage::Stage;
    use super::*;

    #[test]
    fn one_view_gets_two_commit_votes_of_one_key() {
        let mut stage = Stage::new();
        let half = Circle::draw(&mut Random::new(2));
        let mut liar = TwoVotes { phase: Phase::Commit, half, both_percent: 100, notes: Notes::default() };
        let vote = stage.vote(0, Phase::Commit, 4, BlockHash(Hash::ZERO));
        let sent = stage.sent(&mut liar, Message::Vote(vote));
        let mut blocks = BTreeSet::new();
        for (_, wire) in &sent {
            let Wire::Consensus(Message::Vote(vote)) = wire else { panic!("{wire:?}") };
            assert_eq!(*vote, stage.vote(0, Phase::Commit, 4, vote.block), "signed as it should be");
            blocks.insert(vote.block);
        }
        assert!(blocks.len() == 2 && sent.len() > 3);

        let plain = stage.vote(0, Phase::Vote, 4, BlockHash(Hash::ZERO));
        assert_eq!(
            stage.sent(&mut liar, Message::Vote(plain)).len(),
            3,
            "votes of the other phase are honest"
        );
    }
}
