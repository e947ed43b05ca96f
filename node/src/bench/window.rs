//! What is under way, what was seen of it, and what counts: what happened within a window of time.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    iter,
    time::Duration,
};

use hdrhistogram::Histogram;
use tokio::time::Instant;

/// Heights of a node that are remembered with the time at which it had executed them.
const STEPS: usize = 10_000;
/// The longest latency that is told apart from longer ones, in microseconds.
const LONGEST_US: u64 = 600_000_000;

/// A block as it was seen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    pub(super) height: u64,
    /// By its leader's clock, in milliseconds since 1970.
    pub(super) time_ms: u64,
    pub(super) txs: usize,
    at: Instant,
}

/// What became of the transactions that were due within a window, and what was seen in it.
#[derive(Debug, Clone)]
pub(super) struct Counts {
    /// When that began and ended.
    window: (Instant, Instant),
    /// Seen executed within it, by the nodes that they were handed to.
    pub(super) committed: u64,
    /// Refused for good.
    pub(super) failed: u64,
    /// Why the last one was.
    pub(super) fault: Option<String>,
    /// Due within it and not executed when it was given up: they count in the latencies with the time that they had waited.
    pub(super) unanswered: u64,
    /// From the time each was due, in microseconds.
    pub(super) latencies: Histogram<u64>,
    /// The same until its node had acknowledged it.
    pub(super) taken: Histogram<u64>,
    pub(super) blocks: Vec<Seen>,
    /// The latency of each by when it was due, if that is asked for.
    pub(super) each: Vec<(Instant, Duration)>,
}

impl Counts {
    fn new(window: (Instant, Instant)) -> Self {
        let empty = || Histogram::new_with_bounds(1, LONGEST_US, 3).expect("these bounds are in order");
        let (latencies, taken) = (empty(), empty());
        Self {
            window,
            committed: 0,
            failed: 0,
            fault: None,
            unanswered: 0,
            latencies,
            taken,
            blocks: Vec::new(),
            each: Vec::new(),
        }
    }

    /// Times without a block, as they were seen here: when each began and ended. The first begins with the window and the last ends with
    /// it, so that a chain which stops is one that leaves a gap.
    pub(super) fn gaps(&self) -> impl Iterator<Item = (Instant, Instant)> + '_ {
        let (from, until) = self.window;
        let seen = || self.blocks.iter().map(|block| block.at);
        iter::once(from).chain(seen()).zip(seen().chain(iter::once(until)))
    }
}

/// A histogram knows no 0.
fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX).max(1)
}

#[derive(Debug, Clone, Copy)]
struct Due {
    at: Instant,
    lane: usize,
}

/// All that is followed. Bounded by what the load has under way.
pub(super) struct Track {
    pending: HashMap<u64, Due>,
    /// By node: how far it had come when.
    steps: Vec<VecDeque<(u64, Instant)>>,
    /// By height: when those were due that a node has in a block which it has not executed yet.
    ahead: BTreeMap<u64, Vec<Due>>,
    window: (Instant, Instant),
    /// Whether each latency is kept.
    keeps_each: bool,
    counts: Counts,
}

impl Track {
    pub(super) fn new(lanes: usize) -> Self {
        let now = Instant::now();
        let steps = vec![VecDeque::new(); lanes];
        Self {
            pending: HashMap::new(),
            steps,
            ahead: BTreeMap::new(),
            window: (now, now),
            keeps_each: false,
            counts: Counts::new((now, now)),
        }
    }

    /// From now on this window counts.
    pub(super) fn begin(&mut self, from: Instant, to: Instant) {
        self.window = (from, to);
        self.counts = Counts::new(self.window);
    }

    /// What it came to. What is still under way is not waited for any longer.
    pub(super) fn end(&mut self) -> Counts {
        let now = Instant::now();
        let open: Vec<Due> =
            self.pending.values().copied().chain(self.ahead.values().flatten().copied()).collect();
        for due in open {
            if !self.holds(due.at) {
                continue;
            }
            self.counts.unanswered += 1;
            self.took(due, now);
        }
        std::mem::replace(&mut self.counts, Counts::new(self.window))
    }

    fn holds(&self, at: Instant) -> bool {
        self.window.0 <= at && at < self.window.1
    }

    /// How many are under way.
    pub(super) fn under_way(&self) -> usize {
        self.pending.len() + self.ahead.values().map(Vec::len).sum::<usize>()
    }

    /// It is handed in to a node.
    pub(super) fn sent(&mut self, id: u64, at: Instant, lane: usize) {
        self.pending.insert(id, Due { at, lane });
    }

    /// Its node has acknowledged one that was due then.
    pub(super) fn taken(&mut self, at: Instant) {
        if self.holds(at) {
            self.counts.taken.saturating_record(micros(at.elapsed()));
        }
    }

    /// Keeps the latency of each one from now on.
    pub(super) fn keep_each(&mut self) {
        self.keeps_each = true;
    }

    /// Whether it is under way and in no block yet.
    pub(super) fn is_pending(&self, id: u64) -> bool {
        self.pending.contains_key(&id)
    }

    /// What was handed to a node that is no more is awaited from another.
    pub(super) fn moved(&mut self, from: usize, to: usize) {
        let dues = self.pending.values_mut().chain(self.ahead.values_mut().flatten());
        dues.filter(|due| due.lane == from).for_each(|due| due.lane = to);
        let Some((height, _)) = self.steps.get(to).and_then(|steps| steps.back().copied()) else { return };
        self.executed(to, height, Instant::now());
    }

    /// It is not under way any more, and may come again.
    pub(super) fn taken_back(&mut self, id: u64) {
        self.pending.remove(&id);
    }

    /// It is refused for good.
    pub(super) fn failed(&mut self, id: u64, reason: String) {
        if self.pending.remove(&id).is_some_and(|due| self.holds(due.at)) {
            self.counts.failed += 1;
        }
        self.counts.fault = Some(reason);
    }

    /// A block that was seen then has these.
    pub(super) fn block(
        &mut self,
        height: u64,
        time_ms: u64,
        ids: impl ExactSizeIterator<Item = u64>,
        at: Instant,
    ) {
        if self.holds(at) {
            self.counts.blocks.push(Seen { height, time_ms, txs: ids.len(), at });
        }
        for id in ids {
            let Some(due) = self.pending.remove(&id) else { continue };
            match self.executed_at(due.lane, height) {
                Some(at) => self.count(due, at),
                None => self.ahead.entry(height).or_default().push(due),
            }
        }
    }

    /// A node has executed all up to this height.
    pub(super) fn executed(&mut self, lane: usize, height: u64, at: Instant) {
        let Some(steps) = self.steps.get_mut(lane) else { return };
        steps.push_back((height, at));
        if steps.len() > STEPS {
            steps.pop_front();
        }
        let mut done = Vec::new();
        for dues in self.ahead.range_mut(..=height).map(|(_, dues)| dues) {
            dues.retain(|due| {
                if due.lane == lane {
                    done.push(*due);
                }
                due.lane != lane
            });
        }
        self.ahead.retain(|_, dues| !dues.is_empty());
        done.into_iter().for_each(|due| self.count(due, at));
    }

    fn executed_at(&self, lane: usize, height: u64) -> Option<Instant> {
        let steps = self.steps.get(lane)?;
        let first = steps.partition_point(|(executed, _)| *executed < height);
        steps.get(first).map(|(_, at)| *at)
    }

    fn count(&mut self, due: Due, at: Instant) {
        if self.holds(at) {
            self.counts.committed += 1;
        }
        if self.holds(due.at) {
            self.took(due, at);
        }
    }

    fn took(&mut self, due: Due, at: Instant) {
        let latency = at.saturating_duration_since(due.at);
        self.counts.latencies.saturating_record(micros(latency));
        if self.keeps_each {
            self.counts.each.push((due.at, latency));
        }
    }
}

/// How far apart blocks are, by their leaders' clocks, in milliseconds, ascending.
pub(super) fn intervals(blocks: &[Seen]) -> Vec<u64> {
    let mut intervals: Vec<u64> =
        blocks.windows(2).map(|pair| pair[1].time_ms.saturating_sub(pair[0].time_ms)).collect();
    intervals.sort_unstable();
    intervals
}

/// The longest time without a block, in milliseconds.
pub(super) fn longest_gap_ms(gaps: impl Iterator<Item = (Instant, Instant)>) -> Option<u64> {
    let longest = gaps.map(|(begin, end)| end.saturating_duration_since(begin)).max();
    longest.map(|gap| u64::try_from(gap.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latency_ends_when_the_senders_node_has_executed() {
        let begin = Instant::now();
        let at = |ms| begin + Duration::from_millis(ms);
        let mut track = Track::new(2);
        track.begin(begin, at(60_000));
        track.sent(1, at(0), 0);
        track.sent(2, at(0), 1);
        track.sent(3, at(10), 1);
        track.executed(0, 5, at(40));
        track.block(5, 1_000, [1, 2, 99].into_iter(), at(60));
        assert_eq!(track.under_way(), 2, "one node has not executed it, one block has not come");
        track.executed(1, 6, at(80));
        track.block(6, 1_020, [3].into_iter(), at(90));
        assert_eq!(track.under_way(), 0);
        let counts = track.end();
        assert_eq!((counts.committed, counts.failed, counts.unanswered), (3, 0, 0));
        for (percent, ms) in [(1.0, 40), (50.0, 70), (100.0, 80)] {
            let found = counts.latencies.value_at_percentile(percent);
            assert!((ms * 1_000..ms * 1_002).contains(&found), "{percent}: {found}");
        }
        assert_eq!(counts.blocks.iter().map(|block| block.txs).collect::<Vec<_>>(), [3, 1]);
        assert_eq!(intervals(&counts.blocks), [20]);
    }

    #[test]
    fn only_what_is_within_the_window_counts_and_what_is_late_counts_as_late() {
        let now = Instant::now();
        let before = now - Duration::from_secs(2);
        let mut track = Track::new(1);
        track.begin(now - Duration::from_secs(1), now);
        track.sent(1, before, 0);
        track.sent(2, now - Duration::from_millis(500), 0);
        track.sent(3, now - Duration::from_millis(400), 0);
        track.sent(4, now - Duration::from_millis(300), 0);
        track.executed(0, 1, now - Duration::from_millis(100));
        track.block(1, 1, [1].into_iter(), now - Duration::from_millis(50));
        track.failed(3, "no".to_owned());
        track.taken_back(4);
        let counts = track.end();
        assert_eq!((counts.committed, counts.latencies.len()), (1, 1), "one was due before");
        assert_eq!((counts.failed, counts.unanswered), (1, 1));
        assert!(counts.latencies.max() >= 500_000, "that it waits still is not forgotten");
    }

    #[test]
    fn a_chain_that_stops_leaves_a_gap_to_the_end() {
        let begin = Instant::now();
        let at = |ms| begin + Duration::from_millis(ms);
        let mut track = Track::new(1);
        track.begin(at(1_000), at(9_000));
        assert_eq!(longest_gap_ms(track.end().gaps()), Some(8_000), "no block at all");
        for ms in [990, 1_300, 1_500, 9_500] {
            track.block(ms, ms, [].into_iter(), at(ms));
        }
        let counts = track.end();
        let gaps: Vec<_> = counts.gaps().collect();
        assert_eq!(gaps, [(at(1_000), at(1_300)), (at(1_300), at(1_500)), (at(1_500), at(9_000))]);
        assert_eq!(longest_gap_ms(counts.gaps()), Some(7_500));
    }
}
