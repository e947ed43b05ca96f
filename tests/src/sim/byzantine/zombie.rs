//! Votes in views that it has given up, and views given up that it has voted in: each pair is evidence (E3, E4), and each would
//! break safety if a third of the members did it.

use std::collections::BTreeSet;

use althing_consensus::{Certificate, Message, Phase, View};
use althing_node::wire::Wire;

use super::circle::Circle;
use super::notes::Notes;
use super::{Behaviour, Traitor};
use crate::sim::random::Random;

/// Votes and commit-votes on in given-up views, and gives up views that it has commit-voted in, naming an older QC.
pub(super) struct Zombie {
    to: Circle,
    percent: u64,
    /// How often it lets its own turn pass, so that there is a view to give up.
    idle_percent: u64,
    notes: Notes,
    /// Said already.
    voted: BTreeSet<(View, Phase)>,
    gave_up: View,
}

impl Zombie {
    pub(super) fn draw(random: &mut Random) -> Box<dyn Behaviour> {
        Box::new(Self {
            to: Circle::draw_or_all(random, 2),
            percent: random.between(20, 100),
            idle_percent: random.below(80),
            notes: Notes::default(),
            voted: BTreeSet::new(),
            gave_up: View(0),
        })
    }

    fn to_some(&self, me: &Traitor<'_>, message: &Message) -> Vec<(usize, Wire)> {
        me.to_all(message).into_iter().filter(|(to, _)| self.to.has(*to)).collect()
    }

    /// Votes for what it knows of views up to the last that it gave up.
    fn vote_on(&mut self, me: &Traitor<'_>) -> Vec<(usize, Wire)> {
        let mut votes = Vec::new();
        for ((view, _), proposal) in &self.notes.proposals {
            if *view <= self.gave_up && self.voted.insert((*view, Phase::Vote)) {
                votes.push(me.vote(Phase::Vote, *view, proposal.block.hash()));
            }
        }
        for (view, qc) in &self.notes.qcs {
            if *view <= self.gave_up && self.voted.insert((*view, Phase::Commit)) {
                votes.push(me.vote(Phase::Commit, *view, qc.block));
            }
        }
        while self.voted.len() > 256 {
            self.voted.pop_first();
        }
        votes.into_iter().flat_map(|vote| self.to_some(me, &Message::Vote(vote))).collect()
    }
}

impl Behaviour for Zombie {
    fn name(&self) -> &'static str {
        "zombie"
    }

    fn hear(&mut self, me: &mut Traitor<'_>, _from: usize, wire: &Wire) -> Vec<(usize, Wire)> {
        self.notes.take(me, wire);
        Vec::new()
    }

    fn send(&mut self, me: &mut Traitor<'_>, to: usize, wire: Wire) -> Vec<(usize, Wire)> {
        self.notes.take(me, &wire);
        if me.own_proposal(&wire).is_some() && me.random.percent(self.idle_percent) {
            return Vec::new();
        }
        if let Some(timeout) = me.own_timeout(&wire) {
            self.gave_up = self.gave_up.max(timeout.view);
        }
        let committed = me.own_vote(&wire).filter(|vote| vote.phase == Phase::Commit).map(|vote| vote.view);
        let Some(view) = committed.filter(|_| self.to.has(to) && me.random.percent(self.percent)) else {
            return vec![(to, wire)];
        };
        // Entered with the QC of the view before, which is also the QC it names: below the view it commit-votes in.
        let before = self.notes.qcs.get(&View(view.0.saturating_sub(1))).cloned();
        if before.is_none() && view.0 > 1 {
            return vec![(to, wire)];
        }
        let timeout = me.timeout(view, before.clone(), before.map(Certificate::Quorum));
        vec![(to, wire), (to, Message::Timeout(Box::new(timeout)).into())]
    }

    fn tick(&mut self, me: &mut Traitor<'_>) -> Vec<(usize, Wire)> {
        if me.random.percent(self.percent) { self.vote_on(me) } else { Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use althing_crypto::{BlockHash, Hash};

    use super::super::stage::Stage;
    use super::*;

    fn zombie() -> Zombie {
        let (notes, voted) = (Notes::default(), BTreeSet::new());
        Zombie { to: Circle::ALL, percent: 100, idle_percent: 0, notes, voted, gave_up: View(0) }
    }

    #[test]
    fn it_commit_votes_in_a_view_that_it_gave_up() {
        let mut stage = Stage::new();
        let mut liar = zombie();
        let block = BlockHash(Hash::ZERO);
        let qc = stage.qc(Phase::Vote, 3, block);
        stage.hears(&mut liar, Message::Certificate(Box::new(Certificate::Quorum(qc))));
        assert_eq!(stage.ticked(&mut liar, 1), [], "not given up yet");
        let timeout = stage.timeout(0, 3, None, None);
        stage.sent(&mut liar, Message::Timeout(Box::new(timeout)));
        let vote = Message::Vote(stage.vote(0, Phase::Commit, 3, block));
        assert_eq!(
            stage.ticked(&mut liar, 1),
            (1..4).map(|to| (to, vote.clone().into())).collect::<Vec<_>>()
        );
        assert_eq!(stage.ticked(&mut liar, 1), [], "once");
    }

    #[test]
    fn it_gives_up_a_view_that_it_commit_voted_in() {
        let mut stage = Stage::new();
        let mut liar = zombie();
        let block = BlockHash(Hash::ZERO);
        let before = stage.qc(Phase::Vote, 2, block);
        stage.hears(&mut liar, Message::Certificate(Box::new(Certificate::Quorum(before))));
        let commit = stage.vote(0, Phase::Commit, 3, block);
        let sent = stage.sent(&mut liar, Message::Vote(commit));
        let timeouts: Vec<&Wire> = sent
            .iter()
            .map(|(_, wire)| wire)
            .filter(|wire| matches!(wire, Wire::Consensus(Message::Timeout(_))))
            .collect();
        assert_eq!(timeouts.len(), 3);
        assert!(timeouts.iter().all(|wire| stage.admit(wire).is_ok()));
    }
}
