//! Whoever votes, commit-votes or proposes twice in a view is convicted (E1, E2), by every node that saw both messages in a way that
//! it must have noticed.
//!
//! A node must notice two votes of a faulty member if neither it nor its queue was past its bounds: both came while their view was
//! within [`NEAR`] of the node's own (the engine keeps a window twice as wide), and a second later it still was within the window; no
//! vote with a bad signature came for that slot from its signer, which may fill the slot; fewer messages of the sender came within
//! [`SPAN`] than the door takes at once. Of proposals the engine remembers each signer's newest only: both came in order, in full
//! order to pass the door, and none of a higher view within the second after. A node that ends remembers nothing, nor one that enters an
//! epoch of the one before; what came too early may wait in a slot of the next, so that is not sure to be noticed.

mod watch;

use std::collections::BTreeMap;

use althing_consensus::{Epoch, Evidence, Message, Micros, Phase, View};

use self::watch::{Kind, Watch};
use super::{Checker, Seen};
use crate::sim::world::World;

/// How many views from its own a node is sure to look at a vote.
const NEAR: u64 = 8;
/// How many views above a vote's the engine goes before it forgets the vote.
const WINDOW: u64 = 16;
/// How long after its arrival a message has surely passed the door, and evidence its check.
const SETTLED: Micros = Micros::from_millis(1_000);
/// A node that takes no event for so long may stand still.
const PAUSED: Micros = Micros::from_millis(200);
/// Messages queue at the door for less than this.
const SPAN: Micros = Micros::from_millis(100);
/// So many messages of all peers the door takes at once, each peer having an equal share, so many of one peer, and so many proposals
/// among them.
const AT_DOOR_TOTAL: u64 = 4_096;
const AT_DOOR: u64 = 128;
const PROPOSALS_AT_DOOR: u64 = 8;
/// So many messages of the next epoch are looked at again when it is entered; a node keeps fewer.
const MOST_EARLY: usize = 4_096;

/// What each node has seen of faulty members.
#[derive(Default)]
pub(super) struct Convictions(BTreeMap<usize, Watch>);

impl Convictions {
    fn received(&mut self, world: &World, at: Micros, node: usize, from: usize, message: &Message) {
        let watch = self.0.entry(node).or_default();
        let heard = watch.hears(world, at, from, matches!(message, Message::Proposal(_)));
        let (epoch, signer) = match message {
            Message::Vote(vote) => (vote.epoch, vote.signer),
            Message::Proposal(proposal) => (proposal.block.header.epoch, proposal.signer),
            _ => return,
        };
        if epoch.0 == watch.epoch.0 + 1 {
            return watch.keep_early(from, message);
        }
        let faulty = |signer: usize| signer != node && !world.is_correct(signer);
        if epoch == watch.epoch && world.node_of(epoch, signer).is_some_and(faulty) {
            watch.take(&world.at(epoch).expect("it has members"), at, from, message, heard);
        }
    }

    /// A node has taken an event. What it holds of an epoch it forgets when it enters the next.
    fn stepped(&mut self, world: &World, at: Micros, node: usize, (epoch, view): (Epoch, View)) {
        let watch = self.0.entry(node).or_default();
        if watch.epoch != epoch
            && let Some(world) = world.at(epoch)
        {
            watch.enter(&world, at, epoch);
        }
        watch.enters(at, view);
    }
}

impl Checker for Convictions {
    fn name(&self) -> &'static str {
        "convictions"
    }

    fn see(&mut self, world: &World, at: Micros, node: usize, seen: &Seen<'_>) -> Result<(), String> {
        match seen {
            Seen::Received { from, message } => self.received(world, at, node, *from, message),
            Seen::Stepped { driver } => {
                self.stepped(world, at, node, (driver.engine().epoch(), driver.engine().view()));
            }
            Seen::Stopped => drop(self.0.remove(&node)),
            Seen::Convicted { evidence } => {
                let (kind, view) = match evidence {
                    Evidence::Votes(vote, _) if vote.phase == Phase::Vote => (Kind::Vote, vote.view),
                    Evidence::Votes(vote, _) => (Kind::CommitVote, vote.view),
                    Evidence::Proposals { first, .. } => (Kind::Proposal, first.0.view),
                    Evidence::CommitAndTimeout(..) | Evidence::VoteAndTimeout(..) => return Ok(()),
                };
                let watch = self.0.entry(node).or_default();
                if evidence.epoch() == watch.epoch {
                    watch.convicted(view, evidence.signer(), kind);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn finished(&mut self, _: &World, at: Micros) -> Result<(), String> {
        for (node, watch) in &self.0 {
            if let Some((view, signer, kind)) = watch.overdue(at) {
                return Err(format!(
                    "node {node} saw two {kind:?}s of member {signer} in view {view} of epoch {} for different blocks, and convicted nobody",
                    watch.epoch
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
