//! After each start a validator signs nothing, and repeats nothing, before others have told it what they hold of its key: so many that
//! they are a quorum together with itself (S7). Members whose disks forgot are those that need it most.

use std::collections::{BTreeMap, BTreeSet};

use althing_consensus::{Message, Micros, Position};

use super::{Checker, Seen};
use crate::sim::world::{Standing, World};

/// Who has answered those that have signed nothing since they started.
#[derive(Default)]
pub(super) struct Resumes(BTreeMap<usize, BTreeSet<usize>>);

fn is_quorum(world: &World, members: &BTreeSet<usize>) -> bool {
    let power = |member: usize| u128::from(world.set.members()[member].power.0);
    let total: u128 = (0..world.set.members().len()).map(power).sum();
    3 * members.iter().map(|member| power(*member)).sum::<u128>() > 2 * total
}

fn signer(message: &Message) -> Option<Position> {
    match message {
        Message::Proposal(proposal) => Some(proposal.signer),
        Message::Vote(vote) => Some(vote.signer),
        Message::Timeout(timeout) => Some(timeout.signer),
        Message::Certificate(_) | Message::Status(_) | Message::Memory(_) => None,
    }
}

impl Checker for Resumes {
    fn name(&self) -> &'static str {
        "resumes"
    }

    fn see(&mut self, world: &World, _: Micros, node: usize, seen: &Seen<'_>) -> Result<(), String> {
        if world.standing.get(node).is_none_or(|standing| *standing == Standing::Byzantine) {
            return Ok(());
        }
        match seen {
            Seen::Started { .. } => drop(self.0.insert(node, BTreeSet::from([node]))),
            Seen::Received { from, message: Message::Memory(_) } => {
                if let Some(answered) = self.0.get_mut(&node) {
                    answered.insert(*from);
                }
            }
            Seen::Sent { message, .. } if signer(message).is_some_and(|one| usize::from(one.0) == node) => {
                if let Some(answered) = self.0.remove(&node)
                    && !is_quorum(world, &answered)
                {
                    return Err(format!(
                        "node {node} has started and sends {message:?}, though of its own messages only {answered:?} have told it"
                    ));
                }
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use althing_consensus::{Memory, Phase};

    use super::super::testing::{Bench, block, found};
    use super::*;

    fn starts(bench: &Bench, answers: &[usize]) -> Result<(), String> {
        let mut checker = Resumes::default();
        bench.see(&mut checker, 1, &Seen::Started { record: &bench.record(1) })?;
        for from in answers {
            let message = Message::Memory(Box::<Memory>::default());
            bench.see(&mut checker, 1, &Seen::Received { from: *from, message: &message })?;
        }
        bench.sends(&mut checker, 1, &Message::Vote(bench.vote(Phase::Vote, 2, 3, block("relayed"))))?;
        bench.sends(&mut checker, 1, &Message::Vote(bench.vote(Phase::Vote, 1, 3, block("own"))))
    }

    #[test]
    fn a_quorum_with_itself_is_enough() {
        starts(&Bench::new(), &[0, 3]).expect("three of four");
    }

    #[test]
    fn fewer_are_not_even_for_one_whose_disk_forgot() {
        let mut bench = Bench::new();
        found(starts(&bench, &[0, 0]), &["node 1 has started", "{0, 1}"]);
        bench.world.standing[1] = Standing::Forgetful;
        found(starts(&bench, &[2]), &["node 1 has started"]);
        bench.world.standing[1] = Standing::Byzantine;
        starts(&bench, &[]).expect("it does what it likes");
    }
}
