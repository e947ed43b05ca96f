//! Plays Twins scenarios: four members, one of them duplicated, leaders and splits of the network enumerated.

#![allow(clippy::print_stdout)]

use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Duration;

use althing_tests::side_by_side::{self, processor_time, random_base};
use althing_tests::twins::{Outcome, Space, Twins};
use clap::Parser;
use serde_json::json;

/// Plays scenarios of four members, one of them duplicated: who leads and who hears whom, view by view. Exit code 1: the protocol broke.
#[derive(Parser)]
struct Arguments {
    /// How many scenarios, out of all, in an order that the base seed gives.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..))]
    scenarios: u64,
    /// Which order; random if not given.
    #[arg(long)]
    base_seed: Option<u64>,
    /// Views with a leader and a split of their own.
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u64).range(1..=Space::MOST_VIEWS as u64))]
    views: u64,
    /// Duplicated members; with more than one, forks are to be expected.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(0..=3))]
    duplicated: u64,
    /// Plays the scenario of this number alone, and prints all that happens.
    #[arg(long, conflicts_with_all = ["scenarios", "base_seed"])]
    replay: Option<u128>,
    /// Scenarios played side by side.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=256))]
    threads: u64,
    /// Ends with one JSON object.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let twins = Twins::new(arguments.duplicated as usize, arguments.views as usize);
    // A node that ends is reported as its scenario's violation.
    std::panic::set_hook(Box::new(|_| {}));
    match arguments.replay {
        Some(number) if number >= twins.space.size() => {
            eprintln!("there are {} scenarios, from 0: no scenario {number}", twins.space.size());
            ExitCode::from(2)
        }
        Some(number) => replay(&twins, number, &arguments),
        None => search(&twins, &arguments),
    }
}

fn replay(twins: &Twins, number: u128, arguments: &Arguments) -> ExitCode {
    let (outcome, lines) = twins.replay(number);
    lines.iter().for_each(|line| println!("{line}"));
    match &outcome {
        Ok(outcome) => println!("no violation: {outcome:?}"),
        Err(violation) => println!("{violation}"),
    }
    if arguments.json {
        println!("{}", json!({"scenario": number.to_string(), "violation": outcome.as_ref().err()}));
    }
    if outcome.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What a search has found so far.
#[derive(Default)]
struct Tally {
    scenarios: u64,
    commits: u64,
    views_to_heal: u64,
    violations: u64,
    /// Processor time: the machine may have other things to do.
    took: Duration,
}

fn search(twins: &Twins, arguments: &Arguments) -> ExitCode {
    let seed = arguments.base_seed.unwrap_or_else(random_base);
    let size = twins.space.size();
    let scenarios = u64::try_from(size).unwrap_or(u64::MAX).min(arguments.scenarios);
    eprintln!("{scenarios} of {size} scenarios, order {seed}");
    let tally = Mutex::new(Tally::default());
    let play = |place: u64| {
        let number = twins.space.shuffled(place.into(), seed);
        let began = processor_time();
        let outcome = twins.play(number);
        let mut tally = tally.lock().expect("no thread panics here");
        tally.took += processor_time().saturating_sub(began);
        take(&mut tally, number, outcome, arguments);
    };
    let progress = || {
        let Tally { scenarios: done, violations, .. } = *tally.lock().expect("no thread panics here");
        eprintln!("{done} of {scenarios} scenarios, {violations} violations");
    };
    side_by_side::run(arguments.threads as usize, scenarios, play, progress);
    let tally = tally.into_inner().expect("no thread panics here");
    report(arguments, seed, &tally)
}

fn take(tally: &mut Tally, number: u128, outcome: Result<Outcome, String>, arguments: &Arguments) {
    tally.scenarios += 1;
    match outcome {
        Ok(outcome) => {
            tally.commits += outcome.commits;
            tally.views_to_heal = tally.views_to_heal.max(outcome.views_to_heal);
        }
        Err(violation) => {
            tally.violations += 1;
            // The first ones tell all.
            if tally.violations <= 10 {
                eprintln!("scenario {number}: {violation}");
                eprintln!(
                    "  cargo run --release -p althing-tests --bin twins -- --views {} --duplicated {} --replay {number}",
                    arguments.views, arguments.duplicated
                );
            }
        }
    }
}

fn report(arguments: &Arguments, seed: u64, tally: &Tally) -> ExitCode {
    let Tally { scenarios, commits, views_to_heal, violations, took } = tally;
    let per_second = u128::from(*scenarios) * 1_000_000 / took.as_micros().max(1);
    println!(
        "{scenarios} scenarios in order {seed}: {violations} violations, {commits} blocks while split, healed within {views_to_heal} \
         views, {per_second} scenarios a second and core"
    );
    if arguments.json {
        println!(
            "{}",
            json!({
                "scenarios": scenarios,
                "violations": violations,
                "per_second": per_second as u64,
                "threads": arguments.threads,
                "views": arguments.views,
                "duplicated": arguments.duplicated,
                "base_seed": seed,
                "commits": commits,
                "views_to_heal": views_to_heal,
            })
        );
    }
    if *violations == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
