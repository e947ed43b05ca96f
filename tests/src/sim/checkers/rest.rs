//! The chain comes to rest, and only when nothing is left to do: in the end all correct nodes stand at one height, everything is
//! executed and vouched for (the closing block), and nobody goes on making blocks or changing views (W1).
//!
//! Byzantine leaders may propose without work, and a valid proposal is work for all; so where there are such members, a node may lag
//! behind by what came last, and the chain need not be still. Behind a heartbeat that came last a node may lag, too.

use std::collections::BTreeMap;

use althing_consensus::{Height, Micros, View};

use super::work::Work;
use super::{Checker, Seen};
use crate::sim::world::{Standing, World};

/// What came later than this before the end may still be on its way where Byzantine members or heartbeats keep the chain going.
const LAG: Micros = Micros::from_millis(10_000);
/// Between one status and the next (R9).
const STATUS: Micros = Micros::from_millis(2_000);

/// Where nodes stand, and when something last moved.
#[derive(Default)]
pub(super) struct Rest {
    work: Work,
    nodes: BTreeMap<usize, Place>,
    /// When the chain grew to its newest heights; one older than [`LAG`] at most.
    growth: Vec<(Micros, Height)>,
    /// When the newest block with transactions was committed.
    worked_at: Micros,
    /// When there was work last, and whether there was after the newest block.
    busy_at: Micros,
    due: bool,
    /// When a node last changed its view, where, and to which.
    moved: (Micros, usize, View),
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Place {
    view: View,
    stored: Height,
    executed: Height,
}

impl Rest {
    /// How long after the last work the chain may still move: the timers' doubling ended with the commit of the closing block (T1), so
    /// a view in which its commit was not known everywhere ends within its base, and so does one more; then a status tells all.
    fn settles_within(world: &World) -> Micros {
        Micros(Micros::from_millis(2 * world.params.timeout_base_max_ms).0 + 2 * STATUS.0)
    }

    fn has_byzantine(world: &World) -> bool {
        world.standing.contains(&Standing::Byzantine)
    }

    fn grew(&mut self, world: &World, at: Micros, with_txs: bool) -> Result<(), String> {
        let height = self.work.chain.height;
        let before = self.growth.last().map(|(at, _)| *at);
        let keep = self.growth.iter().rposition(|(then, _)| then.after(LAG) <= at).unwrap_or(0);
        self.growth.drain(..keep);
        self.growth.push((at, height));
        if with_txs {
            (self.worked_at, self.busy_at) = (at, at);
        }
        let heartbeat = Micros::from_millis(world.params.heartbeat_ms);
        let at_rest = self.busy_at.after(Self::settles_within(world)) < at;
        if !at_rest || Self::has_byzantine(world) || self.work.is_due(world) {
            return Ok(());
        }
        // Half of the interval: the one who makes it counts from a commit that another may have seen later.
        if heartbeat > Micros(0) && before.is_none_or(|before| before.after(Micros(heartbeat.0 / 2)) <= at) {
            return Ok(());
        }
        let busy_ms = self.busy_at.0 / 1_000;
        Err(format!("block {height} is made though there was nothing left to do since {busy_ms} ms"))
    }

    fn stepped(&mut self, at: Micros, node: usize, place: Place) {
        let before = self.nodes.insert(node, place);
        if before.is_none_or(|before| before.view != place.view) {
            self.moved = (at, node, place.view);
        }
    }

    /// What all must have reached by the end.
    fn common_height(&self, world: &World, at: Micros) -> Height {
        if !Self::has_byzantine(world) && world.params.heartbeat_ms == 0 {
            return self.work.chain.height;
        }
        let old = self.growth.iter().rev().find(|(then, _)| then.after(LAG) <= at);
        old.map_or(Height(0), |(_, height)| *height)
    }

    fn all_stand(&self, world: &World, at: Micros) -> Result<(), String> {
        let height = self.common_height(world, at);
        for node in (0..world.standing.len()).filter(|node| world.is_correct(*node)) {
            let Some(place) = self.nodes.get(&node) else {
                return Err(format!("node {node} is not up in the end"));
            };
            let Place { view, stored, executed } = place;
            if *stored < height || *executed < height {
                return Err(format!(
                    "node {node} ends in view {view} at height {stored}, executed {executed}; the chain is at height {height}"
                ));
            }
        }
        Ok(())
    }

    fn is_still(&self, world: &World) -> Result<(), String> {
        let (moved, node, view) = self.moved;
        let still = self.busy_at.after(Self::settles_within(world));
        if Self::has_byzantine(world) || world.params.heartbeat_ms > 0 || moved <= still {
            return Ok(());
        }
        let (busy_ms, moved_ms) = (self.busy_at.0 / 1_000, moved.0 / 1_000);
        Err(format!(
            "node {node} enters view {view} at {moved_ms} ms though there was nothing left to do since {busy_ms} ms"
        ))
    }
}

impl Checker for Rest {
    fn name(&self) -> &'static str {
        "rest"
    }

    fn see(&mut self, world: &World, at: Micros, node: usize, seen: &Seen<'_>) -> Result<(), String> {
        let grown = self.work.see(node, seen);
        match seen {
            Seen::Stepped { driver } => {
                let (view, stored) = (driver.engine().view(), driver.stored_height());
                self.stepped(at, node, Place { view, stored, executed: driver.executed_height() });
            }
            // It has to come back and learn what it missed.
            Seen::Stopped => {
                self.nodes.remove(&node);
                self.busy_at = at;
            }
            Seen::Started { .. } => (self.busy_at, self.due) = (at, self.work.is_due(world)),
            Seen::Convicted { .. } => self.busy_at = at,
            Seen::Acknowledged { .. } => (self.busy_at, self.due) = (at, true),
            Seen::Committed { .. } if grown.is_some() => {
                let was_due = std::mem::replace(&mut self.due, self.work.is_due(world));
                if was_due || self.due {
                    self.busy_at = at;
                }
            }
            _ => {}
        }
        grown.map_or(Ok(()), |grown| self.grew(world, at, grown.with_txs))
    }

    fn healed(&mut self, _: &World, at: Micros, _: Micros) {
        self.busy_at = at;
    }

    fn finished(&mut self, world: &World, at: Micros) -> Result<(), String> {
        self.all_stand(world, at)?;
        let Work { newest_txs, vouched, .. } = &self.work;
        let old = !Self::has_byzantine(world) || self.worked_at.after(LAG) <= at;
        if old && newest_txs > vouched {
            return Err(format!(
                "the newest header vouches for height {vouched} in the end, block {newest_txs} has transactions"
            ));
        }
        self.is_still(world)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use althing_consensus::Phase;
    use althing_node::body::Body;

    use super::super::testing::{Bench, block, found};
    use super::*;

    const END: Micros = Micros::from_millis(60_000);

    fn commit(bench: &Bench, checker: &mut Rest, at_ms: u64, body: &Arc<Body>) -> Result<(), String> {
        let certificate = bench.qc(Phase::Commit, 1, block("any"), &[0, 1, 2]);
        let seen = Seen::Committed { bodies: std::slice::from_ref(body), certificate: &certificate };
        checker.see(&bench.world, Micros::from_millis(at_ms), 0, &seen)
    }

    fn all_stand(checker: &mut Rest, at_ms: u64, view: u64, height: u64) {
        let (view, stored, executed) = (View(view), Height(height), Height(height));
        (0..4).for_each(|node| {
            checker.stepped(Micros::from_millis(at_ms), node, Place { view, stored, executed });
        });
    }

    /// A block with a transaction, and one that closes it, on all nodes after a second.
    fn at_rest(bench: &Bench) -> (Rest, Arc<Body>) {
        let mut checker = Rest::default();
        let one = bench.body(None, &["a"]);
        let two = bench.body_in(Some(&one), 2, &[], |header| header.vouched.height = Height(1));
        commit(bench, &mut checker, 900, &one).expect("work");
        commit(bench, &mut checker, 1_000, &two).expect("closes it");
        all_stand(&mut checker, 1_000, 3, 2);
        (checker, two)
    }

    #[test]
    fn a_chain_at_rest_passes() {
        let bench = Bench::new();
        at_rest(&bench).0.finished(&bench.world, END).expect("at rest");
    }

    #[test]
    fn what_follows_a_first_block_that_came_late_passes() {
        let (bench, mut checker) = (Bench::new(), Rest::default());
        bench.see(&mut checker, 0, &Seen::Started { record: &bench.record(0) }).expect("seen");
        let one = bench.body(None, &[]);
        commit(&bench, &mut checker, 30_000, &one).expect("work since the start");
        commit(&bench, &mut checker, 31_000, &bench.body(Some(&one), &[]))
            .expect("a block that was under way");
    }

    #[test]
    fn a_node_that_is_behind_down_or_has_not_executed_is_found() {
        let bench = Bench::new();
        for (stored, executed) in [(1, 1), (2, 1)] {
            let (mut checker, _) = at_rest(&bench);
            let place = Place { view: View(3), stored: Height(stored), executed: Height(executed) };
            checker.nodes.insert(2, place);
            found(checker.finished(&bench.world, END), &["node 2", "executed 1", "height 2"]);
        }
        let (mut checker, _) = at_rest(&bench);
        bench.see(&mut checker, 1, &Seen::Stopped).expect("seen");
        found(checker.finished(&bench.world, END), &["node 1 is not up"]);
    }

    #[test]
    fn a_chain_that_is_not_closed_is_found() {
        let (bench, mut checker) = (Bench::new(), Rest::default());
        commit(&bench, &mut checker, 1_000, &bench.body(None, &["a"])).expect("work");
        all_stand(&mut checker, 1_000, 2, 1);
        found(checker.finished(&bench.world, END), &["vouches for height 0", "block 1"]);
    }

    #[test]
    fn blocks_and_views_without_work_are_found_but_for_heartbeats() {
        let mut bench = Bench::new();
        let (mut checker, two) = at_rest(&bench);
        all_stand(&mut checker, 30_000, 4, 2);
        found(checker.finished(&bench.world, END), &["enters view 4 at 30000 ms", "since 1"]);

        let (mut checker, _) = at_rest(&bench);
        let three = bench.body(Some(&two), &[]);
        commit(&bench, &mut checker, 2_000, &three).expect("a block that was under way");
        let four = bench.body(Some(&three), &[]);
        found(commit(&bench, &mut checker, 30_000, &four), &["block 4", "nothing left to do"]);

        bench.world.params.heartbeat_ms = 20_000;
        let (mut checker, _) = at_rest(&bench);
        commit(&bench, &mut checker, 21_000, &three).expect("a heartbeat");
        found(commit(&bench, &mut checker, 22_000, &four), &["block 4", "nothing left to do"]);
    }

    #[test]
    fn byzantine_leaders_may_keep_the_chain_going_but_correct_nodes_follow() {
        let mut bench = Bench::new();
        bench.world.standing[3] = Standing::Byzantine;
        let (mut checker, two) = at_rest(&bench);
        let three = bench.body(Some(&two), &[]);
        commit(&bench, &mut checker, 55_000, &three).expect("its doing");
        checker.finished(&bench.world, END).expect("it may be on its way");
        found(checker.finished(&bench.world, Micros::from_millis(66_000)), &["node 0", "height 3"]);
    }
}
