//! What befalls nodes and disks, and how all of it ends.

use althing_consensus::Micros;
use althing_node::driver::Event;

use super::queue::Happening;
use super::{Cluster, show};
use crate::sim::checkers::Seen;
use crate::sim::disk::Image;
use crate::sim::node::Node;
use crate::sim::world::Standing;

/// A copy of a node's disk.
pub struct Backup {
    image: Image,
    rotten: bool,
}

impl Cluster {
    /// Ends a node at once, its disk keeps what was written. It comes back when told to.
    pub fn kill(&mut self, node: usize) {
        self.end(node, false);
    }

    /// Ends a node with its power: what was not synced may be lost, kept or torn.
    pub fn cut_power(&mut self, node: usize) {
        self.end(node, true);
    }

    fn end(&mut self, node: usize, power: bool) {
        let slot = &mut self.slots[node];
        let Some(up) = slot.node.take() else { return };
        slot.run += 1;
        slot.disk.crash(power.then_some(&mut self.random));
        // Only now: a database that is dropped would close its file in good order.
        drop(up);
        slot.disk.take_failed();
        slot.lanes = Default::default();
        self.trace.line(self.now, node, format_args!("down, power cut: {power}"));
        self.see(node, &Seen::Stopped);
        self.promises.retain(|(_, by)| *by != node);
        let peer = self.peer(node);
        for other in self.others(node) {
            self.hand(other, self.now, Event::PeerDisconnected(peer));
        }
    }

    /// A node's disk or what it read there has ended it.
    pub(super) fn ended_by_disk(&mut self, node: usize, error: &str) {
        let failed = self.slots[node].disk.take_failed();
        let power = self.random.percent(50);
        self.end(node, power);
        if !failed {
            if !self.slots[node].rotten {
                return self.object("failure", format!("node {node} fails: {error}"));
            }
            self.replace_data(node);
        }
        self.come_back(node);
    }

    /// What an operator does about data that is damaged: throws it away, keeps the safety file, syncs anew.
    fn replace_data(&mut self, node: usize) {
        self.trace.line(self.now, node, format_args!("data replaced"));
        self.forget(node);
        self.slots[node].disk.wipe(false);
        self.slots[node].rotten = false;
    }

    /// Starts a node after [`Cluster::restart_after`].
    pub fn come_back(&mut self, node: usize) {
        self.queue.schedule(self.now.after(self.restart_after), Happening::Restart { node });
    }

    /// Starts a node that is down, from its disk.
    pub fn restart(&mut self, node: usize) {
        let slot = &mut self.slots[node];
        if slot.node.is_some() {
            return;
        }
        slot.run += 1;
        // A twin on purpose keeps quiet about being one.
        let honest = slot.treason.is_none() && slot.member == node;
        let began = honest.then(|| self.world.genesis_time_ms + self.now.0 / 1_000);
        let (member, limits) = (&self.members[slot.member], self.limits.clone());
        let opened = Node::open(member, &self.genesis, &slot.disk, limits, began);
        self.see_synced(node);
        let slot = &mut self.slots[node];
        match opened {
            Ok((open, record)) => {
                let (epoch, set) = open.driver.validators();
                let set = set.clone();
                slot.node = Some(open);
                self.entered(node, epoch, &set);
                self.trace.line(self.now, node, format_args!("up"));
                show(
                    &self.world,
                    &mut self.checkers,
                    &mut self.violation,
                    self.now,
                    node,
                    &Seen::Started { record: &record },
                );
            }
            Err(error) => {
                let failed = slot.disk.take_failed();
                slot.disk.crash(self.random.percent(50).then_some(&mut self.random));
                if !failed {
                    if !slot.rotten {
                        return self.object("start", format!("node {node} does not start: {error}"));
                    }
                    self.replace_data(node);
                }
                return self.come_back(node);
            }
        }
        self.feed(node, Event::Started);
        let peer = self.peer(node);
        for other in self.others(node) {
            if self.slots[other].node.is_some() {
                let other_peer = self.peer(other);
                for (at, of) in [(node, other_peer), (other, peer)] {
                    self.hand(at, self.now, Event::PeerConnected(of));
                    self.hand(at, self.now, Event::PeerListens(of));
                }
            }
        }
    }

    /// A backup of a node's disk, as it is now: what has rotten is so in the backup, too.
    pub fn backup(&self, node: usize) -> Backup {
        let slot = &self.slots[node];
        Backup { image: slot.disk.image().expect("memory can be read"), rotten: slot.rotten }
    }

    /// Ends a node, sets its disk back to a backup, and starts it.
    pub fn restore(&mut self, node: usize, backup: &Backup) {
        self.cut_power(node);
        self.forget(node);
        self.slots[node].disk.restore(&backup.image);
        self.slots[node].rotten = backup.rotten;
        self.restart(node);
    }

    /// Ends a node, loses all that it kept (but the safety file, if told so), and starts it.
    pub fn wipe(&mut self, node: usize, safety: bool) {
        self.cut_power(node);
        self.forget(node);
        self.slots[node].disk.wipe(safety);
        self.restart(node);
    }

    /// Ends a node that is up, flips a bit in one slot of its safety file, and starts it: as if nothing had been. (A slot that a power
    /// cut has torn as well would be one fault too many.)
    pub fn rot_safety(&mut self, node: usize) {
        if self.slots[node].node.is_some() {
            self.kill(node);
            self.slots[node].disk.rot_safety(&mut self.random);
            self.restart(node);
        }
    }

    /// Ends a node, flips some bits in its data, and starts it. It may notice at any time; its operator then replaces them.
    pub fn rot_data(&mut self, node: usize) {
        self.cut_power(node);
        self.slots[node].disk.rot_data(&mut self.random);
        self.forget(node);
        self.slots[node].rotten = true;
        self.restart(node);
    }

    /// From now on what its key has signed may be unknown to it.
    fn forget(&mut self, node: usize) {
        let standing = &mut self.world.standing[node];
        if *standing == Standing::Correct {
            *standing = Standing::Forgetful;
        }
        self.see(node, &Seen::Forgot);
    }

    /// Nothing happens at a node until this instant; then all of it. A node that stands still already goes on when it would have: what
    /// waits for it would else be overtaken by what comes later.
    pub fn pause_until(&mut self, node: usize, until: Micros) {
        let slot = &mut self.slots[node];
        if slot.paused_until <= self.now {
            slot.paused_until = until;
        }
    }

    /// Sets a node's clock: how far it is ahead of the others', in milliseconds.
    pub fn set_skew(&mut self, node: usize, skew_ms: i64) {
        assert!(skew_ms.unsigned_abs() <= self.world.max_skew_ms, "a skew of {skew_ms} ms");
        self.slots[node].skew_ms = skew_ms;
    }

    /// All faults end but the Byzantine members: every node is up on a disk that works, messages take at most `delay.1`.
    pub fn heal(&mut self, delay: (Micros, Micros)) {
        self.network.heal(delay);
        for node in 0..self.slots.len() {
            let slot = &mut self.slots[node];
            slot.disk.set_full(false);
            slot.disk.spare();
            if slot.node.is_some() && slot.disk.take_failed() {
                self.end(node, false);
            }
            let slot = &mut self.slots[node];
            // What it slept through comes before what happens from now on: a connection does not end after the next one has begun.
            self.queue.hasten(node, slot.paused_until, self.now);
            slot.paused_until = self.now;
            slot.skew_ms = 0;
            self.restart(node);
        }
        for checker in &mut self.checkers {
            checker.healed(&self.world, self.now, delay.1);
        }
    }
}
