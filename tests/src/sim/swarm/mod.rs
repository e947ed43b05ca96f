//! Swarm testing (Groce et al. 2012): each seed draws a cluster of its own and the few kinds of faults that this run has. Faults come
//! first, while clients submit; then all heals, and the cluster must go on, finish everything and come to rest.

mod changes;
mod mishaps;
mod plan;

use std::panic::{AssertUnwindSafe, catch_unwind};

use althing_consensus::Micros;

use super::checkers::Violation;
use super::cluster::Cluster;
use super::trace::Trace;
use mishaps::Mishaps;
pub use plan::Plan;

/// What came of a seed.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// What a checker objected to.
    pub violation: Option<Violation>,
    /// Of everything that happened.
    pub trace_hash: u64,
    /// How many validators there were.
    pub validators: usize,
    /// Blocks committed.
    pub commits: u64,
    /// Epochs entered after the first.
    pub epochs: u64,
    /// The simulated time.
    pub simulated: Micros,
}

/// After healing clients go on for so long,
const GO_ON: Micros = Micros::from_millis(8_000);
/// and then all have so long to come to rest.
const REST: Micros = Micros::from_millis(20_000);
/// Where timers are long, leaders faulty and blocks small, what is owed takes longer: until so long nothing of it was committed,
const MORE: Micros = Micros::from_millis(60_000);
/// or until this is over: else a chain that commits a transaction a minute would pass, however many are owed.
const MOST: Micros = Micros::from_millis(600_000);

/// Runs a seed. With `print`, everything that happens is a line on standard error.
pub fn run(seed: u64, print: bool) -> Outcome {
    let plan = Plan::of(seed);
    if print {
        eprintln!("{plan}");
    }
    let mut cluster = None;
    let ended = catch_unwind(AssertUnwindSafe(|| {
        let cluster = cluster.insert(Cluster::start(plan.options(Trace::new(print))));
        play(&plan, cluster)
    }));
    let (now, commits, trace_hash) = cluster.as_ref().map_or((Micros(0), 0, 0), |cluster| {
        let commits = cluster.record.committed.iter().map(|one| one.height.0).max().unwrap_or(0);
        (cluster.now(), commits, cluster.trace().hash())
    });
    let violation = ended.unwrap_or_else(|panic| {
        let what = panic.downcast_ref::<String>().map(String::as_str);
        let what = what.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without words");
        Some(Violation { checker: "panic", at: now, what: what.to_owned() })
    });
    let epochs = cluster.as_ref().map_or(0, |cluster| cluster.world().sets.len() as u64 - 1);
    Outcome { seed, violation, trace_hash, validators: plan.validators(), commits, epochs, simulated: now }
}

fn play(plan: &Plan, cluster: &mut Cluster) -> Option<Violation> {
    let mut mishaps = Mishaps::new(plan);
    mishaps.befall(cluster);
    cluster.trace_line(0, format_args!("all is healed"));
    cluster.heal(plan.healed_delay);
    mishaps.submit_again(cluster);
    mishaps.submit_for(cluster, GO_ON);
    cluster.run_for(GO_ON);
    cluster.run_for(REST);
    let last = cluster.now().after(MOST);
    let (mut fewest, mut end) = (usize::MAX, last);
    while cluster.has_ready_promises() && cluster.violation().is_none() {
        let waiting = cluster.waiting_promises();
        if waiting < fewest {
            (fewest, end) = (waiting, last.min(cluster.now().after(MORE)));
        }
        if cluster.now() >= end {
            break;
        }
        cluster.run_for(Micros::from_millis(1_000));
    }
    let found = cluster.finish_run();
    let beyond = || "more than a third of the power of an epoch was faulty: the run shows nothing".to_owned();
    let bearable = found.is_some() || mishaps.were_bearable(cluster);
    let at = cluster.now();
    found.or_else(|| (!bearable).then(|| Violation { checker: "budget", at, what: beyond() }))
}
