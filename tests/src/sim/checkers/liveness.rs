//! Once all faults have ended but the Byzantine members, and there is work, every correct node commits a new block soon: before too
//! much time has passed, and before too many views have failed that correct members lead.

use std::collections::BTreeMap;

use althing_consensus::{Epoch, Message, Micros, View};

use super::election::leader;
use super::work::Work;
use super::{Checker, Seen};
use crate::sim::world::World;

/// Views that may pass without a commit though correct members lead them: the one in which work appears somewhere ends for that node
/// alone, which then sends its pending transactions to all (R8); the same view ends for the others; the next one's leader may be
/// judged differently by members whose high QCs still differ; in the one after that all agree, and commit.
const VIEWS: u64 = 4;
/// Messages that a view takes one after the other beyond its timer: timeout votes, the TC, a fetch and its answer.
const DELTAS: u64 = 4;
/// What jobs take in all that, generously: the simulator's take up to 20 ms each.
const JOBS: Micros = Micros::from_millis(500);
/// Between one status and the next (R9): who lacks a certificate gets it then at the latest.
const STATUS: Micros = Micros::from_millis(2_000);
/// Proposals of correct members that may fail once all nodes have caught up: in the first view their high QCs may differ, and in the
/// second they all commit.
const PROPOSALS: usize = 1;

/// Where nodes stand, and what they still have to reach.
#[derive(Default)]
pub(super) struct Liveness {
    work: Work,
    /// View and stored height of each node.
    nodes: BTreeMap<usize, (View, u64)>,
    /// How long messages take, once all is healed.
    delta: Option<Micros>,
    healed_at: Micros,
    /// The view of the newest committed block: the timer doubles with each view since.
    progress_view: u64,
    /// Beyond the first epoch, the newest that a correct node is in: in it views are counted, from its beginning on.
    later: Option<Epoch>,
    goal: Option<Goal>,
}

/// A commit that is due.
struct Goal {
    /// Since when there is work and no commit on every correct node.
    since: Micros,
    /// The height that all must reach.
    height: u64,
    /// The highest view of a correct node then, and the highest seen since.
    began_in: u64,
    reached: u64,
    /// Views above `began_in` in which a faulty member led.
    faulty: u64,
    /// Views in which a correct member proposed after all had reached the height below, and since when all correct members are two
    /// views beyond: a faulty one that leads the next view may bring them there while the commit votes still travel.
    proposed: BTreeMap<View, Option<Micros>>,
}

impl Liveness {
    fn epoch(&self) -> Epoch {
        self.later.unwrap_or(Epoch(1))
    }

    fn correct<'a>(&'a self, world: &'a World) -> impl Iterator<Item = (View, u64)> + 'a {
        self.nodes.iter().filter(|(node, _)| world.is_correct(**node)).map(|(_, place)| *place)
    }

    /// Sets, reaches or drops the goal, as work and heights demand.
    fn aim(&mut self, world: &World, at: Micros) {
        let lowest = self.correct(world).map(|(_, height)| height).min().unwrap_or(0);
        let highest_view = self.correct(world).map(|(view, _)| view.0).max().unwrap_or(0);
        if !self.work.is_due(world) || self.goal.as_ref().is_some_and(|goal| lowest >= goal.height) {
            self.goal = None;
        }
        if self.goal.is_none() && self.work.is_due(world) {
            let height = self.work.chain.height.0 + 1;
            let (began_in, reached) = (highest_view, highest_view);
            let proposed = BTreeMap::new();
            self.goal = Some(Goal { since: at, height, began_in, reached, faulty: 0, proposed });
        }
    }

    /// Counts the views that have begun since the goal was set.
    fn count_views(&mut self, world: &World) {
        let highest = self.correct(world).map(|(view, _)| view.0).max().unwrap_or(0);
        let epoch = self.epoch();
        let Some(goal) = &mut self.goal else { return };
        // The absent list of the newest block may leave a failed member out that led in fact: it counts as it would on either.
        let Some(in_epoch) = &world.at(epoch) else { return };
        let leads = |view: u64| world.node_of(epoch, leader(in_epoch, View(view), &[]));
        let faulty = |view: &u64| !leads(*view).is_some_and(|node| world.is_correct(node));
        goal.faulty += (goal.reached + 1..=highest).filter(faulty).count() as u64;
        goal.reached = goal.reached.max(highest);
    }

    /// Notes which proposals all correct members have left behind.
    fn leave_behind(&mut self, world: &World, at: Micros) {
        let lowest = self.correct(world).map(|(view, _)| view.0).min().unwrap_or(0);
        let Some(goal) = &mut self.goal else { return };
        for (_, left) in goal.proposed.iter_mut().filter(|(view, _)| view.0 + 2 <= lowest) {
            left.get_or_insert(at);
        }
    }

    /// The longest that the view timer can be in the view so many after the newest committed block's (T1).
    fn timer(world: &World, since_progress: u64) -> u64 {
        let doubled = world.params.timeout_base_max_ms << since_progress.min(20);
        doubled.min(world.params.timeout_max_ms) * 1_000
    }

    fn deadline(&self, world: &World, goal: &Goal, delta: Micros) -> Micros {
        let since_progress = goal.began_in.saturating_sub(self.progress_view);
        let view = |index| Self::timer(world, since_progress + index) + DELTAS * delta.0 + JOBS.0;
        let views: u64 = (0..VIEWS + goal.faulty).map(view).sum();
        // Blocks may be as far ahead of the clocks as these were off: voters wait for their times (R3).
        let skew = Micros::from_millis(2 * world.max_skew_ms).0;
        let repeat = Micros::from_millis(world.params.repeat_interval_ms).0;
        Micros(goal.since.0 + views + repeat + 2 * STATUS.0 + skew)
    }

    /// How many proposals of correct members may fail: until the timer holds a round, it doubles with each.
    fn proposals(world: &World, delta: Micros) -> usize {
        let round = 3 * delta.0 + JOBS.0;
        // An eighth of the least where the leader failed before (T1): who is listed so in the block of a node's high QC, which a faulty
        // member may have made and nobody here have seen, is not known. It is taken for granted, and lets three more fail where nobody is.
        let mut timer = world.params.timeout_min_ms * 1_000 / 8;
        let mut doublings = 0;
        // A leader waits for a third of the timer before it makes an empty block; twice two thirds must be left for the round.
        while 4 * timer < 3 * round {
            timer *= 2;
            doublings += 1;
        }
        PROPOSALS + doublings
    }

    fn judge(&self, world: &World, at: Micros) -> Result<(), String> {
        let (Some(goal), Some(delta)) = (&self.goal, self.delta) else { return Ok(()) };
        let Goal { since, height, .. } = goal;
        let since_ms = since.0 / 1_000;
        if at > self.deadline(world, goal, delta) {
            let places: Vec<_> =
                self.nodes.iter().map(|(node, (view, height))| (node, view.0, height)).collect();
            return Err(format!(
                "there is work since {since_ms} ms, and not every correct node has committed height {height}: nodes, views and \
                 heights are {places:?}"
            ));
        }
        let arrived = |left: &Option<Micros>| left.is_some_and(|left| left.after(delta).after(JOBS) <= at);
        let failed: Vec<u64> =
            goal.proposed.iter().filter(|(_, left)| arrived(left)).map(|(view, _)| view.0).collect();
        let most = Self::proposals(world, delta);
        // Where some have committed, the others have only blocks to fetch: that takes time, not views.
        if failed.len() > most && self.work.chain.height.0 < *height {
            return Err(format!(
                "correct members proposed in views {failed:?}, at most {most} of which may fail, and nobody has committed \
                 height {height}, for which there is work since {since_ms} ms"
            ));
        }
        Ok(())
    }

    /// A correct member proposes: it counts if all have what the proposal builds on, and clocks no longer matter.
    fn proposes(&mut self, world: &World, at: Micros, node: usize, message: &Message) {
        let Message::Proposal(proposal) = message else { return };
        let settled = self.healed_at.after(Micros::from_millis(2 * world.max_skew_ms));
        let lowest = self.correct(world).map(|(_, height)| height).min().unwrap_or(0);
        let epoch = proposal.block.header.epoch;
        let own = epoch == self.epoch() && world.node_of(epoch, proposal.signer) == Some(node);
        let counts = own && world.is_correct(node) && at >= settled;
        if let Some(goal) = self.goal.as_mut().filter(|goal| counts && lowest + 1 >= goal.height)
            && proposal.view.0 > goal.began_in
        {
            goal.proposed.entry(proposal.view).or_default();
        }
    }
}

impl Checker for Liveness {
    fn name(&self) -> &'static str {
        "liveness"
    }

    fn see(&mut self, world: &World, at: Micros, node: usize, seen: &Seen<'_>) -> Result<(), String> {
        if let Some(grown) = self.work.see(node, seen) {
            self.progress_view = if grown.epoch == self.epoch() { grown.view } else { 0 };
        }
        if let Seen::Sent { message, .. } = seen {
            self.proposes(world, at, node, message);
        }
        let Seen::Stepped { driver } = seen else { return Ok(()) };
        let engine = driver.engine();
        if engine.epoch() > self.epoch() {
            // Views begin anew, and whoever is not there yet is in none of them.
            self.later = Some(engine.epoch());
            self.nodes.values_mut().for_each(|(view, _)| *view = View(0));
            (self.progress_view, self.goal) = (0, None);
        }
        let view = if engine.epoch() == self.epoch() { engine.view() } else { View(0) };
        let place = (view, driver.stored_height().0);
        if self.nodes.insert(node, place) == Some(place) || self.delta.is_none() {
            return Ok(());
        }
        self.aim(world, at);
        self.count_views(world);
        self.leave_behind(world, at);
        self.judge(world, at)
    }

    fn healed(&mut self, world: &World, at: Micros, delta: Micros) {
        (self.delta, self.healed_at, self.goal) = (Some(delta), at, None);
        self.aim(world, at);
    }

    fn finished(&mut self, world: &World, at: Micros) -> Result<(), String> {
        self.aim(world, at);
        self.judge(world, at)
    }
}

#[cfg(test)]
mod tests;
