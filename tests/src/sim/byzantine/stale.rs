//! Proposals on an old certificate although a newer one is held: what would undo a block that may have been committed.

use althing_consensus::{Message, Proposal, View};
use althing_node::wire::Wire;

use super::notes::Notes;
use super::retold::Retold;
use super::{Behaviour, Traitor};
use crate::sim::random::Random;

/// As leader, proposes on an older block than it could, valid in every other respect, and votes for it.
pub(super) struct StaleJustify {
    percent: u64,
    /// How many certificates further back.
    back: usize,
    /// What becomes of the TC.
    tc: Tc,
    salt: u64,
    notes: Notes,
    retold: Retold,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tc {
    /// As the rules want it, of the view before, if there is one.
    Newest,
    /// The oldest one at hand, whose list may permit the old certificate.
    Oldest,
    /// None.
    Without,
}

impl StaleJustify {
    pub(super) fn draw(random: &mut Random) -> Box<dyn Behaviour> {
        Box::new(Self {
            percent: random.between(30, 100),
            back: random.between(1, 4) as usize,
            tc: [Tc::Newest, Tc::Oldest, Tc::Without][random.index(3)],
            salt: random.word(),
            notes: Notes::default(),
            retold: Retold::default(),
        })
    }

    /// The proposal on an older certificate, if one is at hand.
    fn step_back(&self, me: &Traitor<'_>, proposal: &Proposal) -> Option<Proposal> {
        let mut random = Random::new(self.salt ^ proposal.view.0);
        if !random.percent(self.percent) {
            return None;
        }
        let mut below = proposal.justify_view();
        let mut found = None;
        for _ in 0..self.back {
            let (qc, parent) = self.notes.justify_below(me, below)?;
            below = qc.as_ref().map_or(View(0), |qc| qc.view);
            found = Some((qc, parent));
            if below == View(0) {
                break;
            }
        }
        let (qc, parent) = found.filter(|_| below < proposal.justify_view())?;
        let block = me.block_on(&parent, qc.as_ref(), proposal.view);
        let mut stale = me.proposal(proposal.view, block, qc);
        stale.commit.clone_from(&proposal.commit);
        stale.tc = match self.tc {
            Tc::Newest => self.notes.tcs.get(&View(proposal.view.0.saturating_sub(1))).cloned(),
            Tc::Oldest => self.notes.tcs.values().next().cloned(),
            Tc::Without => None,
        };
        Some(me.signed_proposal(stale))
    }
}

impl Behaviour for StaleJustify {
    fn name(&self) -> &'static str {
        "stale-justify"
    }

    fn hear(&mut self, me: &mut Traitor<'_>, _from: usize, wire: &Wire) -> Vec<(usize, Wire)> {
        self.notes.take(me, wire);
        Vec::new()
    }

    fn send(&mut self, me: &mut Traitor<'_>, to: usize, wire: Wire) -> Vec<(usize, Wire)> {
        self.notes.take(me, &wire);
        if let Some(proposal) = me.own_proposal(&wire)
            && let Some(stale) = self.step_back(me, proposal)
        {
            self.retold.note(proposal.view, proposal.block.hash(), stale.block.hash());
            return vec![(to, Message::Proposal(Box::new(stale)).into())];
        }
        let retold = self.retold.vote(me, &wire);
        vec![(to, retold.unwrap_or(wire))]
    }
}

#[cfg(test)]
mod tests {
    use althing_consensus::{Certificate, Phase};

    use super::super::stage::Stage;
    use super::*;

    fn liar(tc: Tc) -> StaleJustify {
        StaleJustify {
            percent: 100,
            back: 1,
            tc,
            salt: 0,
            notes: Notes::default(),
            retold: Retold::default(),
        }
    }

    /// Blocks of views 1 and 2 are certified; the traitor leads view 4, view 3 was given up.
    fn told(stage: &mut Stage, tc: Tc, named: bool) -> Wire {
        let mut liar = liar(tc);
        let genesis = stage.genesis();
        let one = stage.proposal(1, 1, &genesis, None);
        let first = stage.qc(Phase::Vote, 1, one.block.hash());
        let two = stage.proposal(2, 2, &one.block.header, Some(first.clone()));
        let second = stage.qc(Phase::Vote, 2, two.block.hash());
        let tc = stage.tc(3, Some(if named { second.clone() } else { first }));
        let mut four = stage.proposal(0, 4, &two.block.header, Some(second));
        four.tc = Some(tc.clone());
        for message in [
            Message::Proposal(Box::new(one)),
            Message::Proposal(Box::new(two)),
            Message::Certificate(Box::new(Certificate::Timeout(tc))),
        ] {
            stage.hears(&mut liar, message);
        }
        stage.sent(&mut liar, Message::Proposal(Box::new(four))).remove(0).1
    }

    #[test]
    fn it_steps_back_behind_its_newest_certificate() {
        let mut stage = Stage::new();
        for (tc, named, passes) in
            [(Tc::Newest, false, true), (Tc::Newest, true, false), (Tc::Without, false, false)]
        {
            let wire = told(&mut stage, tc, named);
            let Wire::Consensus(Message::Proposal(stale)) = &wire else { panic!("{wire:?}") };
            assert_eq!((stale.justify_view(), stale.block.header.height.0), (View(1), 2));
            assert_eq!(stage.admit(&wire).is_ok(), passes, "only where the TC's list permits it");
        }
    }
}
