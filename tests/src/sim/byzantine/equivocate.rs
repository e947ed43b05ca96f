//! Two blocks in one view, to different halves, each half seeing its own voted for.

use althing_consensus::{Message, Proposal};
use althing_node::wire::Wire;

use super::circle::Circle;
use super::retold::Retold;
use super::{Behaviour, Traitor};
use crate::sim::random::Random;

/// As leader, gives some members another block than the rest; some may get both.
pub(super) struct TwoBlocks {
    half: Circle,
    both_percent: u64,
    twins: Retold,
}

impl TwoBlocks {
    pub(super) fn draw(random: &mut Random) -> Box<dyn Behaviour> {
        let both_percent = [0, 0, 30, 100][random.index(4)];
        Box::new(Self { half: Circle::draw(random), both_percent, twins: Retold::default() })
    }

    /// One, the other, or both in either order.
    fn split(&self, me: &mut Traitor<'_>, to: usize, own: Wire, twin: Wire) -> Vec<(usize, Wire)> {
        let (first, second) = if self.half.has(to) { (twin, own) } else { (own, twin) };
        let both = me.random.percent(self.both_percent);
        std::iter::once((to, first)).chain(both.then_some((to, second))).collect()
    }
}

/// As good as the block, a millisecond later.
fn twin(me: &Traitor<'_>, proposal: &Proposal) -> Proposal {
    let mut twin = proposal.clone();
    twin.block.header.time_ms += 1;
    me.signed_proposal(twin)
}

impl Behaviour for TwoBlocks {
    fn name(&self) -> &'static str {
        "two-blocks"
    }

    fn send(&mut self, me: &mut Traitor<'_>, to: usize, wire: Wire) -> Vec<(usize, Wire)> {
        if let Some(proposal) = me.own_proposal(&wire) {
            let twin = twin(me, proposal);
            self.twins.note(proposal.view, proposal.block.hash(), twin.block.hash());
            return self.split(me, to, wire, Message::Proposal(Box::new(twin)).into());
        }
        match self.twins.vote(me, &wire) {
            Some(twin) => self.split(me, to, wire, twin),
            None => vec![(to, wire)],
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use althing_consensus::Phase;

    use super::super::stage::{Stage, messages};
    use super::*;

    #[test]
    fn halves_get_different_blocks_and_votes_to_match() {
        let mut stage = Stage::new();
        let half = Circle::draw(&mut Random::new(2));
        let mut liar = TwoBlocks { half, both_percent: 0, twins: Retold::default() };
        let genesis = stage.genesis();
        let proposal = stage.proposal(0, 1, &genesis, None);
        let block = proposal.block.hash();
        let sent = stage.sent(&mut liar, Message::Proposal(Box::new(proposal)));
        assert!(sent.iter().all(|(_, wire)| stage.admit(wire).is_ok()), "each is good in itself");
        let proposed: Vec<_> = messages(&sent)
            .into_iter()
            .map(|message| match message {
                Message::Proposal(proposal) => proposal.block.hash(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(proposed.iter().collect::<BTreeSet<_>>().len(), 2);

        let vote = stage.vote(0, Phase::Vote, 1, block);
        let votes = stage.sent(&mut liar, Message::Vote(vote));
        let voted: Vec<_> = messages(&votes)
            .into_iter()
            .map(|message| match message {
                Message::Vote(vote) => vote.block,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(voted, proposed);
    }
}
