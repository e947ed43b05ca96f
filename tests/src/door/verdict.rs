//! What a run came to, and what must not be.

use std::time::Duration;

use serde::Serialize;

use super::visitors::Visits;

/// The most that many clients may make the commit of a transfer take: so many hundredths of the time without them.
pub const MAX_RATIO_PERCENT: u64 = 150;

/// How long transfers took, from due to committed.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Latency {
    /// Transfers counted.
    pub count: usize,
    /// Half took at most so many milliseconds.
    pub p50_ms: u64,
    /// 99 of 100 took at most so many.
    pub p99_ms: u64,
}

impl Latency {
    /// The figures of so many durations.
    pub fn of(mut all: Vec<Duration>) -> Self {
        all.sort_unstable();
        let at = |percent: usize| {
            let index = (all.len() * percent).div_ceil(100).saturating_sub(1);
            all.get(index).map_or(0, |latency| latency.as_millis() as u64)
        };
        Self { count: all.len(), p50_ms: at(50), p99_ms: at(99) }
    }
}

/// What a run came to.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// Clients that read.
    pub clients: usize,
    /// Subscribers that did not read what they had asked for.
    pub slow: usize,
    /// Without them, before and after.
    pub alone: Latency,
    /// With them.
    pub crowded: Latency,
    /// The 99th percentile with them, in hundredths of that without.
    pub ratio_percent: u64,
    /// Views without a block, from the first transfer to the last.
    pub views_failed: u64,
    /// Transfers that were due.
    pub sent: u64,
    /// Of these, acknowledged by a node.
    pub acknowledged: u64,
    /// Of these, in no block.
    pub lost: u64,
    /// Of these, executed more than once.
    pub doubled: u64,
    /// Of these, of which `althing_tx_status` does not say that they are committed.
    pub untold: u64,
    /// What the readers heard.
    pub visits: Visits,
    /// Whether half of them, who are one client to a node, want more of it at once than one client may.
    pub over_limit: bool,
    /// Slow subscribers that were told of a gap, with a cursor.
    pub gaps: usize,
    /// Slow subscribers who heard of every transfer in the end: of those in a gap from `althing_events`, from that cursor on.
    pub complete: usize,
    /// The most memory that each node had resident, in MiB.
    pub peak_mib: Vec<u64>,
    /// The height at which the nodes were compared.
    pub height: u64,
    /// Whether all have the same block and application hash there.
    pub agree: bool,
    /// Why a transfer was not committed in the client's sight.
    pub fault: Option<String>,
}

impl Summary {
    /// What must not be, in words. `timed`: whether this machine's times are to be trusted.
    pub fn violations(&self, timed: bool) -> Vec<String> {
        let mut all = Vec::new();
        let mut expect = |holds: bool, what: String| {
            if !holds {
                all.push(what);
            }
        };
        let Self { visits, .. } = self;
        expect(self.agree, format!("the nodes disagree at height {}", self.height));
        expect(self.acknowledged > 0, "no transfer was acknowledged".to_owned());
        expect(self.lost == 0, format!("{} acknowledged transfers are in no block", self.lost));
        expect(self.doubled == 0, format!("{} transfers were executed twice", self.doubled));
        expect(self.untold == 0, format!("{} acknowledged transfers have another status", self.untold));
        expect(
            visits.busy_without_time == 0,
            format!("{} times busy, but not until when", visits.busy_without_time),
        );
        let (slow, gaps, complete) = (self.slow, self.gaps, self.complete);
        expect(complete == slow, format!("{complete} of {slow} slow subscribers heard of all in the end"));
        if timed {
            expect(self.clients == 0 || visits.answers > 0, "no reader was answered".to_owned());
            expect(self.views_failed == 0, format!("{} views failed", self.views_failed));
            expect(visits.busy > 0 || !self.over_limit, "nobody was told that a node is busy".to_owned());
            expect(gaps == slow, format!("{gaps} of {slow} slow subscribers were told of a gap"));
            let ratio = self.ratio_percent;
            expect(ratio < MAX_RATIO_PERCENT, format!("commits took {ratio} % of the time without clients"));
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_sorted() {
        let Latency { count, p50_ms, p99_ms } =
            Latency::of((1..=200).rev().map(Duration::from_millis).collect());
        assert_eq!((count, p50_ms, p99_ms), (200, 100, 198));
        let one = Latency::of(vec![Duration::from_millis(7)]);
        assert_eq!((one.p50_ms, one.p99_ms), (7, 7));
        assert_eq!(Latency::of(Vec::new()).p99_ms, 0);
    }
}
