//! False memories: who asks what its key has signed is told nothing, the past, or what it never signed; and this member asks for
//! ever, as if it had just started.

use althing_consensus::{Epoch, Memory, Message, Phase, Position, Status, View};
use althing_node::wire::Wire;

use super::forge::another;
use super::notes::Notes;
use super::{Behaviour, Traitor};
use crate::sim::random::Random;

/// Answers those who resume wrongly, tells others of their past unasked, and resumes again and again.
pub(super) struct FalseMemory {
    percent: u64,
    resumes: bool,
    notes: Notes,
}

impl FalseMemory {
    pub(super) fn draw(random: &mut Random) -> Box<dyn Behaviour> {
        let (percent, resumes) = (random.between(5, 60), random.percent(50));
        Box::new(Self { percent, resumes, notes: Notes::default() })
    }

    /// What this member has really said, of some view; with luck it has forgotten.
    fn past(&self, random: &mut Random, of: Position) -> Memory {
        let mut votes = self.notes.votes.values().filter(|vote| vote.signer == of);
        let skipped = random.index(4);
        let vote = votes.clone().filter(|vote| vote.phase == Phase::Vote).nth(skipped).cloned();
        let commit_vote = votes.find(|vote| vote.phase == Phase::Commit).cloned();
        let timeout = self.notes.timeouts.values().rfind(|timeout| timeout.signer == of).cloned();
        let proposal = self.notes.proposals.values().rfind(|proposal| proposal.signer == of);
        let proposal = proposal.map(|proposal| (proposal.statement(), proposal.signature));
        let epoch = vote.as_ref().map_or(Epoch(1), |vote| vote.epoch);
        Memory { epoch, vote, commit_vote, timeout, proposal }
    }

    fn lie(&self, me: &mut Traitor<'_>, to: usize) -> Memory {
        let mut memory = self.past(me.random, me.place_of(to));
        match me.random.below(6) {
            0 => return Memory { epoch: memory.epoch, ..Memory::default() },
            1 => {}
            // Later than anything it has signed, with a signature that does not fit.
            2 => {
                memory.vote = memory.vote.map(|mut vote| {
                    vote.view = View(another(me.random, vote.view.0));
                    vote
                })
            }
            3 => {
                memory.timeout = memory.timeout.map(|mut timeout| {
                    timeout.view = View(another(me.random, timeout.view.0));
                    timeout
                })
            }
            4 => {
                memory.proposal = memory.proposal.map(|(mut statement, signature)| {
                    statement.view = View(another(me.random, statement.view.0));
                    (statement, signature)
                })
            }
            // One of its own in the other's place.
            _ => {
                let mut vote =
                    me.vote(Phase::Vote, View(me.view().0 + 5), me.driver.engine().committed().hash());
                vote.signer = me.place_of(to);
                memory.vote = Some(me.signed_vote(vote));
            }
        }
        memory
    }
}

impl Behaviour for FalseMemory {
    fn name(&self) -> &'static str {
        "false-memory"
    }

    fn hear(&mut self, me: &mut Traitor<'_>, _from: usize, wire: &Wire) -> Vec<(usize, Wire)> {
        self.notes.take(me, wire);
        Vec::new()
    }

    fn send(&mut self, me: &mut Traitor<'_>, to: usize, mut wire: Wire) -> Vec<(usize, Wire)> {
        match &mut wire {
            Wire::Consensus(Message::Memory(memory)) => **memory = self.lie(me, to),
            Wire::Consensus(Message::Status(status)) => status.resuming |= self.resumes,
            _ => {}
        }
        vec![(to, wire)]
    }

    fn tick(&mut self, me: &mut Traitor<'_>) -> Vec<(usize, Wire)> {
        if !me.random.percent(self.percent) {
            return Vec::new();
        }
        let mut said = Vec::new();
        for to in me.others() {
            said.push((to, Message::Memory(Box::new(self.lie(me, to))).into()));
            if self.resumes {
                let (epoch, view) = (me.epoch, me.view());
                let status = Status { epoch, view, resuming: true, ..Status::default() };
                said.push((to, Message::Status(status).into()));
            }
        }
        said
    }
}

#[cfg(test)]
mod tests {
    use althing_crypto::{BlockHash, Hash};

    use super::super::stage::{Stage, messages};
    use super::*;

    #[test]
    fn it_tells_of_the_past_of_nothing_and_of_what_never_was() {
        let mut stage = Stage::new();
        let mut liar = FalseMemory { percent: 100, resumes: true, notes: Notes::default() };
        for view in 1..10 {
            let vote = stage.vote(1, Phase::Vote, view, BlockHash(Hash::ZERO));
            stage.hears(&mut liar, Message::Vote(vote));
        }
        let told =
            (0..100).flat_map(|_| stage.sent(&mut liar, Message::Memory(Box::default()))).collect::<Vec<_>>();
        let to_one: Vec<&Wire> = told.iter().filter(|(to, _)| *to == 1).map(|(_, wire)| wire).collect();
        let nothing = Memory { epoch: Epoch(1), ..Memory::default() };
        let empty = Wire::from(Message::Memory(Box::new(nothing)));
        let (good, bad) = to_one.iter().partition::<Vec<&&Wire>, _>(|wire| stage.admit(wire).is_ok());
        assert!(good.iter().any(|wire| ***wire != empty), "an old vote");
        assert!(good.iter().any(|wire| ***wire == empty) && bad.len() > 10);
        let unasked = stage.ticked(&mut liar, 1);
        let resuming = |message: &&Message| matches!(message, Message::Status(status) if status.resuming);
        assert_eq!(messages(&unasked).into_iter().filter(resuming).count(), 3);
    }
}
