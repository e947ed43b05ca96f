//! Searches all that the real engine and safety rules can be made to do in a few views, and walks at random beyond.

#![allow(clippy::print_stdout)]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use althing_tests::modelcheck::{self, Bound, Deed, Event, Limits, Searched, Signs, Votes, Walked, walk};
use clap::Parser;
use serde_json::json;

/// Searches every behaviour of four members, one of them faulty, within a bound; or, with --walks, walks at random beyond it. Exit
/// code 1: a law is broken.
#[derive(Parser)]
struct Arguments {
    /// Views.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=4))]
    views: u64,
    /// One change of members, with so many views after it: one is gone, one new, one has another key. Views (two at most) are then those
    /// in which the first epoch ends.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=2))]
    then: u64,
    /// Blocks of each view on each parent.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=2))]
    names: u8,
    /// Judges what quorums of commit votes and timeout votes of the last view say as well, with which nobody can do anything within the
    /// bound: many more states.
    #[arg(long)]
    whole: bool,
    /// Tells members apart by everything in them: slow, and to find the same.
    #[arg(long)]
    exact: bool,
    /// Of the four members, so many are faulty. With two, forks must be found.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=2))]
    faulty: u8,
    /// Gives up the search after so many seconds, and says that it is not complete.
    #[arg(long, default_value_t = 1_200)]
    seconds: u64,
    /// Goes a counter-example again.
    #[arg(long, value_name = "EVENTS")]
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
    let Arguments { views, then, names, whole, exact, .. } = arguments;
    if then > 0 && views > 2 {
        eprintln!("error: --then goes with --views 1 or 2");
        return ExitCode::from(2);
    }
    let bound = Bound { members: 4, faulty: usize::from(arguments.faulty), views, then, names, whole, exact };
    match &arguments.replay {
        Some(events) => replay(&Votes::new(bound), events),
        None => search(&arguments, Votes::new(bound)),
    }
}

fn search(arguments: &Arguments, model: Votes) -> ExitCode {
    let begun = Instant::now();
    let mut progress = |searched: &Searched| {
        let (groups, members) = model.members_found();
        let (seconds, Searched { states, depth, .. }) = (begun.elapsed().as_secs(), searched);
        eprintln!("{states} states, {depth} deep, {members} members in {groups} groups, {seconds} seconds");
    };
    let time = Duration::from_secs(arguments.seconds);
    let searched = modelcheck::search(&model, Limits { time, states: usize::MAX, progress: &mut progress });
    let Searched { states, transitions, depth, complete, broken } = searched;
    if let Some((law, path)) = &broken {
        tell(arguments, &model, law, path);
    }
    let (groups, members) = model.members_found();
    println!("{states} states, at most {depth} deep, complete: {complete}");
    if arguments.json {
        let report = json!({
            "views": arguments.views,
            "then": arguments.then,
            "names": arguments.names,
            "states": states,
            "complete": complete,
            "violations": u8::from(broken.is_some()),
            "transitions": transitions,
            "depth": depth,
            "member_groups": groups,
            "members": members,
            "seconds": begun.elapsed().as_secs(),
        });
        println!("{report}");
    }
    if broken.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn tell(arguments: &Arguments, model: &Votes, law: &str, path: &[Signs]) {
    println!("broken: {law}");
    let Some(deeds) = model.retrace(path) else {
        return println!("but no run of real members leads there");
    };
    println!("{}", model.replay(&deeds).0.join("\n"));
    let code = |Deed { member, event }: &Deed| {
        let crash = event.crash.map(|writes| format!(":{writes}")).unwrap_or_default();
        format!("{member}:{}{crash}", event.what)
    };
    let events: Vec<String> = deeds.iter().map(code).collect();
    let Arguments { views, then, names, faulty, .. } = arguments;
    let bound = format!("--views {views} --then {then} --names {names} --faulty {faulty}");
    let replay = format!("{bound} --replay {}", events.join(","));
    println!("replay: cargo run --release -p althing-tests --bin modelcheck -- {replay}");
}

fn replay(model: &Votes, events: &str) -> ExitCode {
    let deed = |deed: &str| {
        let numbers: Vec<usize> = deed.split(':').map(|number| number.parse().ok()).collect::<Option<_>>()?;
        match numbers[..] {
            [member, what] => Some(Deed { member, event: Event { what, crash: None } }),
            [member, what, writes] => Some(Deed { member, event: Event { what, crash: Some(writes) } }),
            _ => None,
        }
    };
    let Some(deeds) = events.split(',').map(deed).collect::<Option<Vec<Deed>>>() else {
        eprintln!("error: --replay wants what a counter-example printed, like 0:3,1:3:1");
        return ExitCode::from(2);
    };
    let (told, broken) = model.replay(&deeds);
    println!("{}\nbroken: {}", told.join("\n"), broken.join(", "));
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
