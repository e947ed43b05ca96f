//! Searches all that the real engine and safety rules can be made to do in a few views, and walks at random beyond.

#![allow(clippy::print_stdout)]

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use althing_tests::modelcheck::{Bound, Deed, Event, Signs, Votes, Walked, walk};
use clap::Parser;
use serde_json::json;
use stateright::report::{ReportData, ReportDiscovery, Reporter};
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
    let Arguments { views, names, whole, exact, .. } = arguments;
    let bound = Bound { members: 4, faulty: usize::from(arguments.faulty), views, names, whole, exact };
    match &arguments.replay {
        Some(events) => replay(&Votes::new(bound), events),
        None => search(&arguments, Votes::new(bound)),
    }
}

fn search(arguments: &Arguments, model: Votes) -> ExitCode {
    let begun = Instant::now();
    let searched = loop {
        let searched = search_once(arguments, &model, begun);
        if !searched.broken.is_empty() || model.was_cut() || !model.has_grown() {
            break searched;
        }
        eprintln!(
            "members did more than was known at first: once more, after {} seconds",
            begun.elapsed().as_secs()
        );
    };
    for (law, path) in &searched.broken {
        tell(arguments, &model, law, path);
    }
    let complete = !model.was_cut() && searched.broken.is_empty();
    let (groups, members) = model.members_found();
    let Searched { states, transitions, depth, broken } = searched;
    println!("{states} states, at most {depth} deep, complete: {complete}");
    if arguments.json {
        let report = json!({
            "views": arguments.views,
            "names": arguments.names,
            "states": states,
            "complete": complete,
            "violations": broken.len(),
            "transitions": transitions,
            "depth": depth,
            "member_groups": groups,
            "members": members,
            "seconds": begun.elapsed().as_secs(),
        });
        println!("{report}");
    }
    if broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

struct Searched {
    states: usize,
    transitions: usize,
    depth: usize,
    /// Laws, each with a way to break it.
    broken: BTreeMap<&'static str, Vec<Signs>>,
}

fn search_once(arguments: &Arguments, model: &Votes, begun: Instant) -> Searched {
    let checker = model.clone().checker().finish_when(HasDiscoveries::AnyFailures).spawn_bfs();
    let checker = checker.join_and_report(&mut Watch { model, begun, seconds: arguments.seconds });
    let found = checker.discoveries().into_iter();
    let broken = found.map(|(law, path)| (law, path.into_actions())).collect();
    let (states, transitions) = (checker.unique_state_count(), checker.state_count());
    Searched { states, transitions, depth: checker.max_depth(), broken }
}

/// Says how far a search is, and gives it up when its time is over.
struct Watch<'a> {
    model: &'a Votes,
    begun: Instant,
    seconds: u64,
}

impl Reporter<Votes> for Watch<'_> {
    fn report_checking(&mut self, ReportData { unique_states, max_depth, done, .. }: ReportData) {
        let seconds = self.begun.elapsed().as_secs();
        if seconds >= self.seconds {
            self.model.stop();
        }
        if !done && seconds > 0 {
            let (groups, members) = self.model.members_found();
            eprintln!(
                "{unique_states} states, {max_depth} deep, {members} members in {groups} groups, {seconds} seconds"
            );
        }
    }

    /// What is found is told once the search is over.
    fn report_discoveries(&mut self, _: &Votes, _: BTreeMap<&'static str, ReportDiscovery<Votes>>) {}
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
    let Arguments { views, names, faulty, .. } = arguments;
    let replay = format!("--views {views} --names {names} --faulty {faulty} --replay {}", events.join(","));
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
