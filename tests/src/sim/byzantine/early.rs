//! Proposals out of turn: before its own turn, and in the turns of others.

use althing_consensus::{Message, Phase, View};
use althing_node::wire::Wire;

use super::notes::Notes;
use super::{Behaviour, Traitor};
use crate::sim::random::Random;

/// Proposes on the newest certificate it knows, in this view and the next ones, whoever leads them, and votes for it.
pub(super) struct Early {
    percent: u64,
    ahead: u64,
    notes: Notes,
}

impl Early {
    pub(super) fn draw(random: &mut Random) -> Box<dyn Behaviour> {
        let ahead = [0, 1, 3, 16][random.index(4)];
        Box::new(Self { percent: random.between(10, 80), ahead, notes: Notes::default() })
    }
}

impl Behaviour for Early {
    fn name(&self) -> &'static str {
        "early"
    }

    fn hear(&mut self, me: &mut Traitor<'_>, _from: usize, wire: &Wire) -> Vec<(usize, Wire)> {
        self.notes.take(me, wire);
        Vec::new()
    }

    fn send(&mut self, me: &mut Traitor<'_>, to: usize, wire: Wire) -> Vec<(usize, Wire)> {
        self.notes.take(me, &wire);
        vec![(to, wire)]
    }

    fn tick(&mut self, me: &mut Traitor<'_>) -> Vec<(usize, Wire)> {
        if !me.random.percent(self.percent) {
            return Vec::new();
        }
        let view = View(me.view().max(self.notes.high_view()).0 + me.random.below(self.ahead + 1));
        let Some((qc, parent)) = self.notes.justify_below(me, view) else { return Vec::new() };
        let block = me.block_on(&parent, qc.as_ref(), view);
        let vote = me.vote(Phase::Vote, view, block.hash());
        let mut proposal = me.proposal(view, block, qc);
        proposal.tc = self.notes.tcs.get(&View(view.0.saturating_sub(1))).cloned();
        let mut said = me.to_all(&Message::Proposal(Box::new(me.signed_proposal(proposal))));
        if me.random.percent(30) {
            said.extend(me.to_all(&Message::Vote(vote)));
        }
        said
    }
}

#[cfg(test)]
mod tests {
    use super::super::stage::{Stage, messages};
    use super::*;

    #[test]
    fn its_proposals_are_good_but_for_whose_turn_it_is() {
        let mut stage = Stage::new();
        let mut liar = Early { percent: 100, ahead: 0, notes: Notes::default() };
        let genesis = stage.genesis();
        let one = stage.proposal(1, 1, &genesis, None);
        let qc = stage.qc(Phase::Vote, 1, one.block.hash());
        let two = stage.proposal(2, 2, &one.block.header, Some(qc));
        stage.hears(&mut liar, Message::Proposal(Box::new(one)));
        stage.hears(&mut liar, Message::Proposal(Box::new(two)));
        let sent = stage.ticked(&mut liar, 1);
        let proposals =
            messages(&sent).into_iter().filter(|said| matches!(said, Message::Proposal(_))).count();
        assert_eq!(proposals, 3);
        assert!(sent.iter().all(|(_, wire)| stage.admit(wire).is_ok()));
        let mut eager = Early { percent: 100, ahead: 16, notes: Notes::default() };
        assert!(
            stage.ticked(&mut eager, 20).iter().any(|(_, wire)| stage.admit(wire).is_err()),
            "unjustified"
        );
    }
}
