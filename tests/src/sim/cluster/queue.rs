//! What will happen, in the order of its time; what is due at one instant comes in the order in which it was scheduled.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use althing_consensus::Micros;
use althing_node::driver::{Event, Job};

/// Something that will happen. `run` tells the starts of a node apart: what was meant for an earlier one is lost.
pub(super) enum Happening {
    /// A node is handed an event.
    Event { to: usize, run: u64, event: Box<Event> },
    /// A node has done a job.
    Job { node: usize, run: u64, job: Box<Job> },
    /// A node's timer fires, if it has not been set anew.
    Wake { to: usize, wake: u64 },
    /// Nobody has answered a request yet.
    TimedOut { asker: usize, run: u64, id: u64 },
    /// A node comes back.
    Restart { node: usize },
    /// A Byzantine member may speak unasked.
    Tick { node: usize },
}

impl Happening {
    /// At which node it happens.
    pub(super) fn node(&self) -> usize {
        match self {
            Self::Event { to, .. } | Self::Wake { to, .. } => *to,
            Self::Job { node, .. } | Self::Restart { node } | Self::Tick { node } => *node,
            Self::TimedOut { asker, .. } => *asker,
        }
    }
}

struct Due {
    at: Micros,
    order: u64,
    happening: Happening,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    /// The earliest is the greatest, as the heap gives out the greatest first.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.order).cmp(&(self.at, self.order))
    }
}

/// More than any run has waiting, and more than any has in all: one that has is going round in circles.
const MOST_WAITING: usize = 1_000_000;
const MOST_IN_ALL: u64 = 30_000_000;

/// The queue.
#[derive(Default)]
pub(super) struct Queue {
    scheduled: u64,
    heap: BinaryHeap<Due>,
}

impl Queue {
    pub(super) fn schedule(&mut self, at: Micros, happening: Happening) {
        self.scheduled += 1;
        assert!(self.scheduled < MOST_IN_ALL, "{MOST_IN_ALL} happenings, and no end");
        assert!(self.heap.len() < MOST_WAITING, "{MOST_WAITING} happenings wait at one time");
        self.heap.push(Due { at, order: self.scheduled, happening });
    }

    /// What is due at a node at one instant comes at an earlier one.
    pub(super) fn hasten(&mut self, node: usize, from: Micros, to: Micros) {
        let hastened = |due: Due| match due.at == from && from > to && due.happening.node() == node {
            true => Due { at: to, ..due },
            false => due,
        };
        self.heap = std::mem::take(&mut self.heap).into_iter().map(hastened).collect();
    }

    /// When the next one is due.
    pub(super) fn next(&self) -> Option<Micros> {
        self.heap.peek().map(|due| due.at)
    }

    /// The next one, if it is due by `end`.
    pub(super) fn pop_until(&mut self, end: Micros) -> Option<(Micros, Happening)> {
        let due = self.next().is_some_and(|at| at <= end);
        due.then(|| self.heap.pop()).flatten().map(|due| (due.at, due.happening))
    }
}
