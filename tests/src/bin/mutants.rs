//! Makes every named fault in turn and shows that each is found, and by whom.

#![allow(clippy::print_stdout, clippy::float_arithmetic)]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use althing_tests::mutants::hunt::{Effort, Hunt, Hunted, replay};
use althing_tests::mutants::{Mutant, all, build, child, look, table};
use clap::Parser;
use serde_json::json;

/// Builds the node's code with named faults in it, makes each of them in turn, and reports which check finds it, and how fast. Exit code
/// 1: a fault is found by nobody, or something is found where there is none.
#[derive(Parser)]
struct Arguments {
    /// Lists the faults and ends.
    #[arg(long)]
    list: bool,
    /// Only this one; may be given several times.
    #[arg(long)]
    only: Vec<String>,
    /// Writes the table in the README of this crate.
    #[arg(long, conflicts_with = "only")]
    table: bool,
    /// Ends with one JSON object.
    #[arg(long)]
    json: bool,
    /// Faults looked for side by side; as many as there are processors if not given.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Looks with this alone: all directed `scenarios` or one of them by its name, random `walks` of bare members, `twins`, or the
    /// simulator's `swarm`.
    #[arg(long, conflicts_with = "table")]
    by: Option<String>,
    /// The first seed of walks, twins and swarm.
    #[arg(long, default_value_t = 1)]
    base_seed: u64,
    /// Seconds that walks, twins and swarm each go on for one fault.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// In the build with the faults: looks, as --by does, for the one that the environment chose, in this process.
    #[arg(long)]
    look: Option<String>,
}

/// What a process takes at most beyond its seconds.
const LIMIT: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(name) = &arguments.look {
        return look_here(name, &arguments);
    }
    let mutants: Vec<&'static Mutant> = all()
        .filter(|one| arguments.only.is_empty() || arguments.only.iter().any(|name| name == one.name))
        .collect();
    if mutants.len() < arguments.only.len() {
        eprintln!("no such fault: see --list");
        return ExitCode::from(2);
    }
    if arguments.list {
        mutants.iter().for_each(|one| println!("{}: {}", one.name, one.slip));
        return ExitCode::SUCCESS;
    }
    hunt(&arguments, &mutants).unwrap_or_else(|error| {
        eprintln!("{error}");
        ExitCode::from(2)
    })
}

fn look_here(name: &str, arguments: &Arguments) -> ExitCode {
    if let Err(error) = child::bound_memory() {
        eprintln!("the memory of this process cannot be bounded: {error}");
        return ExitCode::from(child::USAGE);
    }
    let Some(looked) = look::look(name, arguments.base_seed, Duration::from_secs(arguments.seconds)) else {
        eprintln!("nothing goes by the name {name}");
        return ExitCode::from(child::USAGE);
    };
    println!("{}", child::print(&looked));
    if looked.finding.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn hunt(arguments: &Arguments, mutants: &[&'static Mutant]) -> std::io::Result<ExitCode> {
    let began = Instant::now();
    eprintln!("building with --cfg althing_mutants");
    let program = build::with_faults()?;
    let built = began.elapsed();
    let Arguments { by, base_seed, .. } = arguments;
    let budget = Duration::from_secs(arguments.seconds);
    let hunt =
        Hunt { program, effort: Effort { by: by.clone(), base_seed: *base_seed, budget, limit: LIMIT } };
    eprintln!("built in {} s; without a fault first", built.as_secs());
    let unmutated = hunt.unmutated()?;
    if let Some(finding) = &unmutated {
        eprintln!("without a fault: {}: {}", finding.checker, finding.what);
    }
    let threads = arguments
        .threads
        .map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), usize::from);
    let hunted = hunt.all(mutants, threads, |one| report(&hunt, one))?;
    if arguments.table {
        table::write(&hunted)?;
    }
    let killed = hunted.iter().filter(|one| one.finding.is_some()).count();
    println!(
        "{killed} of {} faults found in {} s, {} s of them building",
        hunted.len(),
        began.elapsed().as_secs(),
        built.as_secs()
    );
    if arguments.json {
        println!("{}", summary(&hunted, unmutated.is_none(), built, began.elapsed()));
    }
    let well = killed == hunted.len() && unmutated.is_none();
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn report(hunt: &Hunt, one: &Hunted) {
    let Hunted { mutant, finding, tried, took } = one;
    match finding {
        Some(finding) => {
            eprintln!("{}: {} in {:.1} s, {tried} tried", mutant.name, finding.checker, took.as_secs_f64())
        }
        None => eprintln!(
            "{} SURVIVES {tried} scenarios and seeds\n  {}",
            mutant.name,
            replay(&hunt.program, mutant.name, mutant.expected)
        ),
    }
}

fn summary(hunted: &[Hunted], clean: bool, built: Duration, took: Duration) -> serde_json::Value {
    let killed = hunted.iter().filter(|one| one.finding.is_some()).count();
    let survivors: Vec<&str> =
        hunted.iter().filter(|one| one.finding.is_none()).map(|one| one.mutant.name).collect();
    let kills: Vec<_> = hunted
        .iter()
        .filter_map(|one| {
            let finding = one.finding.as_ref()?;
            Some(json!({
                "mutant": one.mutant.name,
                "checker": finding.checker,
                "what": finding.what,
                "tried": one.tried,
                "seconds": one.took.as_secs_f64(),
            }))
        })
        .collect();
    json!({
        "mutants": hunted.len(),
        "killed": killed,
        "survivors": survivors,
        "unmutated_survives": clean,
        "build_seconds": built.as_secs(),
        "seconds": took.as_secs(),
        "kills": kills,
    })
}
