//! How long paths take here and now, by the clock: for a look at one machine. What guards against loss is [`count`](super::count).

use std::time::{Duration, Instant};

use super::Path;

/// A path is run again for so long, preparation included, but so often at least.
const TRIED: Duration = Duration::from_millis(1_500);
const LEAST_RUNS: usize = 5;
const MOST_RUNS: usize = 2_000;

/// What came of the runs of a path.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// How many there were, beside the first, which does not count.
    pub runs: usize,
    /// The time in the middle.
    pub median: Duration,
    /// The shortest.
    pub least: Duration,
}

/// Runs a path again and again.
pub fn measure(path: &Path) -> Times {
    let mut times = Vec::new();
    once(path);
    let begun = Instant::now();
    while times.len() < LEAST_RUNS || (times.len() < MOST_RUNS && begun.elapsed() < TRIED) {
        times.push(once(path));
    }
    times.sort_unstable();
    Times { runs: times.len(), median: times[times.len() / 2], least: times[0] }
}

/// Prepares a path and runs it once; the time of the run.
pub fn once(path: &Path) -> Duration {
    let run = (path.prepare)();
    let begun = Instant::now();
    let left = run();
    let time = begun.elapsed();
    drop(left);
    time
}
