//! Searches all that the real engine and safety rules can be made to do in a few views, and walks at random beyond.

#![allow(clippy::print_stdout)]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use althing_tests::modelcheck::{Bound, Happens, Votes, Walked, walk};
use clap::Parser;
use serde_json::json;
use stateright::{Checker, HasDiscoveries, Model};

/// Searches every behaviour of four members, one of them faulty, within a bound; or, with --walks, walks at random beyond it. Exit
/// code 1: a law is broken.
#[derive(Parser)]
struct Arguments {
    /// Views.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=4))]
    views: u64,
    /// Blocks of each view on each parent.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=2))]
    names: u8,
    /// Casts commit votes and timeout votes of the last view as well, from which nothing can follow within the bound.
    #[arg(long)]
    whole: bool,
    /// Of the four members, so many are faulty. With two, forks must be found.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=2))]
    faulty: u8,
    /// Gives up the search after so many seconds, and says that it is not complete.
    #[arg(long, default_value_t = 1_200)]
    seconds: u64,
    /// Threads of the search.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Goes the steps of a counter-example again.
    #[arg(long, value_name = "STEPS")]
    replay: Option<String>,
    /// Walks at random instead, so many times.
    #[arg(long)]
    walks: Option<u64>,
    /// The first walk's seed; the others follow.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Steps of a walk.
    #[arg(long, default_value_t = 1_500)]
    steps: u64,
    /// Prints what happens in a walk to standard error.
    #[arg(long, requires = "walks")]
    trace: bool,
    /// Ends with one JSON object.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(walks) = arguments.walks {
        return walks_found(&arguments, walks);
    }
    let faulty = usize::from(arguments.faulty);
    let Arguments { views, names, whole, .. } = arguments;
    let model = Votes::new(Bound { members: 4, faulty, views, names, whole, exact: false });
    match &arguments.replay {
        Some(steps) => replay(&model, steps),
        None => search(&arguments, model),
    }
}

fn search(arguments: &Arguments, model: Votes) -> ExitCode {
    let begun = Instant::now();
    let checker = model.checker().threads(arguments.threads).finish_when(HasDiscoveries::Any).spawn_bfs();
    let mut said = Instant::now();
    while !checker.is_done() {
        std::thread::sleep(Duration::from_millis(50));
        if begun.elapsed().as_secs() >= arguments.seconds {
            checker.model().stop();
        }
        if said.elapsed() > Duration::from_secs(5) {
            said = Instant::now();
            let (states, depth) = (checker.unique_state_count(), checker.max_depth());
            eprintln!("{states} states, {depth} steps deep, {} seconds", begun.elapsed().as_secs());
        }
    }
    let checker = checker.join();
    let found = checker.discoveries();
    for (law, path) in &found {
        let steps = path.clone().into_actions();
        let (told, _) = checker.model().replay(&steps);
        println!("broken: {law}\n{}", told.join("\n"));
        let encoded: Vec<String> = steps.iter().map(|step| format!("{}:{}", step.to, step.what)).collect();
        let Arguments { views, names, faulty, .. } = arguments;
        let whole = if arguments.whole { " --whole" } else { "" };
        let replay = format!(
            "--views {views} --names {names} --faulty {faulty}{whole} --replay {}",
            encoded.join(",")
        );
        println!("replay: cargo run --release -p althing-tests --bin modelcheck -- {replay}");
    }
    let complete = checker.model().is_whole() && found.is_empty();
    let states = checker.unique_state_count();
    println!("{states} states, {} steps at most, complete: {complete}", checker.max_depth());
    if arguments.json {
        let report = json!({
            "views": arguments.views,
            "states": states,
            "complete": complete,
            "violations": found.len(),
            "transitions": checker.state_count(),
            "depth": checker.max_depth(),
            "member_states": checker.model().member_states().0,
            "member_variants": checker.model().member_states().1,
            "seconds": begun.elapsed().as_secs(),
        });
        println!("{report}");
    }
    if found.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn replay(model: &Votes, steps: &str) -> ExitCode {
    let step = |step: &str| {
        let (to, what) = step.split_once(':')?;
        Some(Happens { to: to.parse().ok()?, what: what.parse().ok()? })
    };
    let Some(steps) = steps.split(',').map(step).collect::<Option<Vec<Happens>>>() else {
        eprintln!("error: --replay wants what a counter-example printed, like 0:3,1:3");
        return ExitCode::from(2);
    };
    let (told, broken) = model.replay(&steps);
    println!("{}\nbroken: {broken:?}", told.join("\n"));
    if broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn walks_found(arguments: &Arguments, walks: u64) -> ExitCode {
    let (begun, mut said) = (Instant::now(), Instant::now());
    let (mut total, mut violations) = (Walked::default(), 0);
    for seed in arguments.seed..arguments.seed.saturating_add(walks) {
        let walked = walk(seed, arguments.steps, arguments.trace);
        walked.trace.iter().for_each(|line| eprintln!("{line}"));
        if let Some(violation) = &walked.violation {
            violations += 1;
            println!("{violation}");
            let steps = arguments.steps;
            let replay = format!("--walks 1 --seed {seed} --steps {steps} --trace");
            println!("replay: cargo run --release -p althing-tests --bin modelcheck -- {replay}");
        }
        total.steps += walked.steps;
        total.view = total.view.max(walked.view);
        total.height += walked.height;
        total.crashes += walked.crashes;
        if said.elapsed() > Duration::from_secs(5) {
            said = Instant::now();
            eprintln!("seed {seed}, {} seconds", begun.elapsed().as_secs());
        }
    }
    println!("{walks} walks, {} steps, {} blocks, {violations} violations", total.steps, total.height);
    if arguments.json {
        let report = json!({
            "walks": walks,
            "seed": arguments.seed,
            "steps": total.steps,
            "last_view": total.view,
            "blocks": total.height,
            "crashes": total.crashes,
            "violations": violations,
        });
        println!("{report}");
    }
    if violations == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
