//! Which of several nodes is asked: one as long as it answers, then the next that does not want to be left alone for a while.

use std::time::Duration;

use tokio::time::Instant;

use super::{Access, NodeUrl, connection::Connection};

/// What a node says of its own return counts for no longer than this.
const LONGEST_ABSENCE: Duration = Duration::from_secs(3_600);

/// The ways to the nodes of a chain; at least one.
#[derive(Debug)]
pub(super) struct Nodes {
    all: Vec<Connection>,
    current: usize,
}

impl Nodes {
    pub(super) fn new(first: NodeUrl, others: impl IntoIterator<Item = NodeUrl>, access: &Access) -> Self {
        let nodes = [first].into_iter().chain(others);
        Self { all: nodes.map(|node| Connection::new(node, access.clone())).collect(), current: 0 }
    }

    pub(super) fn count(&self) -> usize {
        self.all.len()
    }

    pub(super) fn current(&self) -> &Connection {
        &self.all[self.current]
    }

    pub(super) fn current_mut(&mut self) -> &mut Connection {
        &mut self.all[self.current]
    }

    /// The next one's turn, as this one is down, or busy until after this time: the first that wants to be asked now, or that wants it first.
    pub(super) fn turn(&mut self, retry_after: Option<Duration>) {
        let now = Instant::now();
        self.all[self.current].not_before = retry_after.map(|after| now + after.min(LONGEST_ABSENCE));
        let order = (1..=self.count()).map(|step| (self.current + step) % self.count());
        let next = order.min_by_key(|index| self.all[*index].not_before.filter(|at| *at > now));
        self.current = next.unwrap_or(self.current);
    }

    /// How long the one whose turn it is wants to hear nothing.
    pub(super) fn absent(&self) -> Option<Duration> {
        self.current().not_before.map(|at| at.saturating_duration_since(Instant::now()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_node_is_passed_over_until_its_time() {
        let url = |port: u16| format!("http://127.0.0.1:{port}").parse::<NodeUrl>().unwrap();
        let mut nodes = Nodes::new(url(1), [url(2), url(3)], &Access::default());
        let mut after = |seconds: Option<u64>| {
            nodes.turn(seconds.map(Duration::from_secs));
            (nodes.current, nodes.absent().is_some_and(|absent| !absent.is_zero()))
        };
        assert_eq!(after(Some(300)), (1, false));
        assert_eq!(after(None), (2, false), "the first is busy, this one was only down");
        assert_eq!(after(None), (1, false));
        assert_eq!(after(Some(100)), (2, false));
        assert_eq!(after(Some(u64::MAX)), (1, true), "all are busy: the one that is back first");
    }
}
