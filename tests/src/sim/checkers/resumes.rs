//! After each start a validator signs nothing, and repeats nothing, before others have told it what they hold of its key: so many that
//! they are a quorum together with itself (S7). Members whose disks forgot are those that need it most.

use std::collections::{BTreeMap, BTreeSet};

use althing_consensus::{Epoch, Message, Micros, Position};

use super::{Checker, Seen};
use crate::sim::world::{Standing, World};

/// Who has answered those that have signed nothing since they started.
#[derive(Default)]
pub(super) struct Resumes(BTreeMap<usize, BTreeSet<(Epoch, usize)>>);

/// Whether with the node itself so many have answered in some epoch that they were a quorum in it: what was known then holds on.
fn is_quorum(world: &World, node: usize, answered: &BTreeSet<(Epoch, usize)>) -> bool {
    world.sets.keys().any(|epoch| {
        let others = answered.iter().filter(|(of, other)| of == epoch && *other != node);
        let power: u128 = others.map(|(_, other)| world.power(*epoch, *other)).sum();
        3 * (power + world.power(*epoch, node)) > 2 * world.total(*epoch)
    })
}

fn signer(message: &Message) -> Option<Position> {
    match message {
        Message::Proposal(proposal) => Some(proposal.signer),
        Message::Vote(vote) => Some(vote.signer),
        Message::Timeout(timeout) => Some(timeout.signer),
        Message::Certificate(_) | Message::Status(_) | Message::Memory(_) => None,
    }
}

fn is_own(world: &World, node: usize, message: &Message) -> bool {
    let signer = || world.node_of(message.epoch()?, signer(message)?);
    signer() == Some(node)
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
            Seen::Started { .. } => drop(self.0.insert(node, BTreeSet::new())),
            Seen::Received { from, message: Message::Memory(memory) } => {
                if let Some(answered) = self.0.get_mut(&node) {
                    answered.insert((memory.epoch, *from));
                }
            }
            Seen::Sent { message, .. } if is_own(world, node, message) => {
                if let Some(answered) = self.0.remove(&node)
                    && !is_quorum(world, node, &answered)
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
            let message = Message::Memory(Box::new(Memory { epoch: Epoch(1), ..Memory::default() }));
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
        found(starts(&bench, &[0, 0]), &["node 1 has started", "{(Epoch(1), 0)}"]);
        bench.world.standing[1] = Standing::Forgetful;
        found(starts(&bench, &[2]), &["node 1 has started"]);
        bench.world.standing[1] = Standing::Byzantine;
        starts(&bench, &[]).expect("it does what it likes");
    }
}
