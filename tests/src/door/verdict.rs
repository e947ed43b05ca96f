//! What a run came to, and what must not be.

use std::time::Duration;

use serde::Serialize;

use super::visitors::Visits;

/// The most that many clients may make the commit of a transfer take: so many hundredths of the time without them.
pub const MAX_RATIO_PERCENT: u64 = 150;

/// The most memory that a node may come to, whoever asks, in MiB: `rpc.max_bytes` twice over, as JSON takes more than what is sent, beside
/// what it takes alone.
const MAX_PEAK_MIB: u64 = 512;

/// How long transfers took, from due to committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Latency {
    /// Transfers counted.
    pub count: usize,
    /// Half took at most so many milliseconds.
    pub p50_ms: u64,
    /// 99 of 100 took at most so many.
    pub p99_ms: u64,
}

impl Latency {
    /// The figures of so many durations; none of none.
    pub fn of(mut all: Vec<Duration>) -> Option<Self> {
        all.sort_unstable();
        let at = |percent: usize| {
            let index = (all.len() * percent).div_ceil(100).saturating_sub(1);
            all.get(index).map(|latency| latency.as_millis() as u64)
        };
        Some(Self { count: all.len(), p50_ms: at(50)?, p99_ms: at(99)? })
    }
}

/// What a run came to.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// Clients that read.
    pub clients: usize,
    /// Subscribers that did not read what they had asked for.
    pub slow: usize,
    /// Without them, before and after; none if no transfer of that time was seen to be committed.
    pub alone: Option<Latency>,
    /// With them.
    pub crowded: Option<Latency>,
    /// The 99th percentile with them, in hundredths of that without.
    pub ratio_percent: Option<u64>,
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
    /// The transfers that were not acknowledged, or not seen to be committed: each with the reason.
    pub faults: Vec<String>,
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
        expect(self.sent > 0, "no transfer was due".to_owned());
        let Self { sent, acknowledged, .. } = self;
        expect(acknowledged == sent, format!("only {acknowledged} of {sent} transfers were acknowledged"));
        let (unseen, first) = (self.faults.len(), self.faults.first());
        expect(unseen == 0, format!("{unseen} transfers were not seen to be committed, such as {first:?}"));
        let measured = self.alone.is_some() && self.crowded.is_some();
        expect(measured, "no transfer's time is known, without the clients or with them".to_owned());
        expect(self.lost == 0, format!("{} acknowledged transfers are in no block", self.lost));
        expect(self.doubled == 0, format!("{} transfers were executed twice", self.doubled));
        expect(self.untold == 0, format!("{} acknowledged transfers have another status", self.untold));
        expect(
            visits.busy_without_time == 0,
            format!("{} times busy, but not until when", visits.busy_without_time),
        );
        let (slow, gaps, complete) = (self.slow, self.gaps, self.complete);
        expect(complete == slow, format!("{complete} of {slow} slow subscribers heard of all in the end"));
        // One that was hung up on before it read the notice knows as well: it went on by cursor from what it had heard.
        expect(gaps > 0 || slow == 0, format!("none of {slow} slow subscribers was told of a gap"));
        expect(self.clients == 0 || visits.answers > 0, "no reader was answered".to_owned());
        let unserved = visits.never_served;
        expect(unserved == 0, format!("{unserved} readers with addresses of their own were never answered"));
        expect(visits.busy > 0 || !self.over_limit, "nobody was told that a node is busy".to_owned());
        // 0 is not known.
        let bounded = self.peak_mib.iter().all(|mib| (1..=MAX_PEAK_MIB).contains(mib));
        expect(bounded, format!("nodes took {:?} MiB, {MAX_PEAK_MIB} are allowed", self.peak_mib));
        if timed {
            expect(self.views_failed == 0, format!("{} views failed", self.views_failed));
            // On a slow machine a search may come to the end of its time.
            expect(visits.errors == 0, format!("{} reads were answered with an error", visits.errors));
            if let Some(ratio) = self.ratio_percent {
                let what = format!("commits took {ratio} % of the time without clients");
                expect(ratio < MAX_RATIO_PERCENT, what);
            }
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
            Latency::of((1..=200).rev().map(Duration::from_millis).collect()).unwrap();
        assert_eq!((count, p50_ms, p99_ms), (200, 100, 198));
        let one = Latency::of(vec![Duration::from_millis(7)]).unwrap();
        assert_eq!((one.p50_ms, one.p99_ms), (7, 7));
        assert_eq!(Latency::of(Vec::new()), None);
    }

    fn good() -> Summary {
        let latency = Latency { count: 9, p50_ms: 50, p99_ms: 100 };
        let visits =
            Visits { answers: 1, busy: 1, busy_without_time: 0, errors: 0, broken: 0, never_served: 0 };
        Summary {
            clients: 2,
            slow: 1,
            alone: Some(latency),
            crowded: Some(latency),
            ratio_percent: Some(100),
            views_failed: 0,
            sent: 9,
            acknowledged: 9,
            lost: 0,
            doubled: 0,
            untold: 0,
            visits,
            over_limit: true,
            gaps: 1,
            complete: 1,
            peak_mib: vec![90, 90],
            height: 5,
            agree: true,
            faults: Vec::new(),
        }
    }

    #[test]
    fn each_fault_is_a_violation_and_only_times_may_be_left_out() {
        assert_eq!(good().violations(true), Vec::<String>::new());
        let untimed: [fn(&mut Summary); 17] = [
            |one| one.peak_mib[1] = MAX_PEAK_MIB + 1,
            |one| one.peak_mib[1] = 0,
            |one| one.agree = false,
            |one| (one.sent, one.acknowledged) = (0, 0),
            |one| one.acknowledged = 8,
            |one| one.faults.push("refused".to_owned()),
            |one| one.alone = None,
            |one| one.crowded = None,
            |one| one.lost = 1,
            |one| one.doubled = 1,
            |one| one.untold = 1,
            |one| one.visits.busy_without_time = 1,
            |one| one.complete = 0,
            |one| one.gaps = 0,
            |one| one.visits.answers = 0,
            |one| one.visits.never_served = 1,
            |one| one.visits.busy = 0,
        ];
        for spoil in untimed {
            let mut one = good();
            spoil(&mut one);
            assert_eq!((one.violations(true).len(), one.violations(false).len()), (1, 1), "{one:?}");
        }
        let timed: [fn(&mut Summary); 3] =
            [|one| one.views_failed = 1, |one| one.ratio_percent = Some(150), |one| one.visits.errors = 1];
        for spoil in timed {
            let mut one = good();
            spoil(&mut one);
            assert_eq!((one.violations(true).len(), one.violations(false).len()), (1, 0), "{one:?}");
        }
    }
}
