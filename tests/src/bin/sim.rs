//! Runs seeds of the simulator: whole clusters with the real engine, driver, mempool, stores and ledger, under faults drawn from the seed.

#![allow(clippy::print_stdout, clippy::float_arithmetic)]

use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use althing_tests::side_by_side::{self, processor_time, random_base};
use althing_tests::sim::swarm::{self, Outcome};
use clap::Parser;
use serde_json::json;

/// Simulates clusters under faults, one per seed, and checks everything that they do. Exit code 1: a check failed.
#[derive(Parser)]
struct Arguments {
    /// How many seeds.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// The first seed; random if not given.
    #[arg(long)]
    base_seed: Option<u64>,
    /// Runs this seed alone, twice, and prints its trace hash.
    #[arg(long, conflicts_with_all = ["seeds", "base_seed"])]
    replay: Option<u64>,
    /// With --replay: prints everything that happens to standard error.
    #[arg(long, requires = "replay")]
    trace: bool,
    /// Seeds run side by side; as many as there are processors if not given.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Ends with one JSON object.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match arguments.replay {
        Some(seed) => replay(seed, &arguments),
        None => {
            // A run that panics is reported as its seed's violation; where, its replay says.
            std::panic::set_hook(Box::new(|_| {}));
            search(&arguments)
        }
    }
}

fn replay(seed: u64, arguments: &Arguments) -> ExitCode {
    let first = swarm::run(seed, arguments.trace);
    let again = swarm::run(seed, false);
    let same = first.trace_hash == again.trace_hash && first.violation == again.violation;
    let hash = format!("{:016x}", first.trace_hash);
    println!("seed {seed}: trace {hash}, {} blocks, the same twice: {same}", first.commits);
    if let Some(violation) = &first.violation {
        println!("{violation}");
    }
    if arguments.json {
        let violation = first.violation.as_ref().map(ToString::to_string);
        println!(
            "{}",
            json!({"seed": seed, "trace": hash, "same": same, "commits": first.commits, "violation": violation})
        );
    }
    if same && first.violation.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What a search has found so far.
#[derive(Default)]
struct Tally {
    runs: u64,
    commits: u64,
    epochs: u64,
    simulated_us: u64,
    /// Microseconds of processor time: the machine may have other things to do.
    took_us: u64,
    /// Of clusters of four: seeds, blocks, simulated microseconds, processor time.
    four: [u64; 4],
    failures: Vec<Outcome>,
}

fn search(arguments: &Arguments) -> ExitCode {
    let base = arguments.base_seed.unwrap_or_else(random_base);
    let threads = arguments
        .threads
        .map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), usize::from);
    eprintln!("{} seeds from {base} on {threads} threads", arguments.seeds);
    let (tally, began) = (Mutex::new(Tally::default()), Instant::now());
    let play = |index: u64| {
        let started = processor_time();
        let outcome = swarm::run(base.wrapping_add(index), false);
        let took = processor_time().saturating_sub(started);
        take(&mut tally.lock().expect("no thread panics here"), outcome, took);
    };
    let progress = || {
        let Tally { runs, commits, failures, .. } = &*tally.lock().expect("no thread panics here");
        eprintln!("{runs} of {} seeds, {} failures, {commits} blocks", arguments.seeds, failures.len());
    };
    side_by_side::run(threads, arguments.seeds, play, progress);
    let tally = tally.into_inner().expect("no thread panics here");
    eprintln!("{:.0} s", began.elapsed().as_secs_f64());
    report(arguments, base, &tally)
}

fn take(tally: &mut Tally, outcome: Outcome, took: Duration) {
    tally.runs += 1;
    tally.commits += outcome.commits;
    tally.epochs += outcome.epochs;
    tally.simulated_us += outcome.simulated.0;
    tally.took_us += took.as_micros() as u64;
    if outcome.validators == 4 {
        let of_this = [1, outcome.commits, outcome.simulated.0, took.as_micros() as u64];
        tally.four.iter_mut().zip(of_this).for_each(|(sum, one)| *sum += one);
    }
    if let Some(violation) = &outcome.violation {
        eprintln!("seed {}: {violation}", outcome.seed);
        eprintln!("  cargo run --release -p althing-tests --bin sim -- --replay {} --trace", outcome.seed);
        tally.failures.push(outcome);
    }
}

fn report(arguments: &Arguments, base: u64, tally: &Tally) -> ExitCode {
    let simulated = tally.simulated_us as f64 / 1e6;
    let per_core = tally.simulated_us as f64 / (tally.took_us as f64).max(1.0);
    let failures = tally.failures.len();
    let [four_seeds, four_commits, four_simulated, four_took] = tally.four.map(|sum| sum as f64);
    println!(
        "{} seeds from {base}: {failures} failures, {} blocks, {simulated:.0} simulated seconds, {per_core:.0} a second and core; \
         with four validators {:.0}",
        tally.runs,
        tally.commits,
        four_simulated / four_took.max(1.0),
    );
    if arguments.json {
        let seeds: Vec<u64> = tally.failures.iter().map(|outcome| outcome.seed).collect();
        let object = json!({
            "seeds": tally.runs,
            "base_seed": base,
            "failures": failures,
            "failing_seeds": seeds,
            "commits": tally.commits,
            "epochs": tally.epochs,
            "commits_per_sim_second": tally.commits as f64 / simulated.max(1e-6),
            "sim_seconds_per_second": per_core,
            "four_validators": {
                "seeds": four_seeds,
                "commits_per_sim_second": four_commits * 1e6 / four_simulated.max(1.0),
                "sim_seconds_per_second": four_simulated / four_took.max(1.0),
            },
        });
        println!("{object}");
    }
    if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
