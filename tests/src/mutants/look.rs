//! The ways to look for a fault, inside the process that makes it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use super::scenarios::{self, Scenario};
use crate::modelcheck;
use crate::sim::swarm;
use crate::twins::Twins;

/// What was found, by whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The scenario, or the machine with its checker; with "assertion" where the product's own code noticed.
    pub checker: String,
    /// What contradicts what.
    pub what: String,
}

/// What came of looking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Looked {
    /// None: nothing is wrong, as far as was looked.
    pub finding: Option<Finding>,
    /// Scenarios, walks or seeds tried.
    pub tried: u64,
}

/// What looks for any fault: all directed scenarios, then the machines that draw what they try.
pub const GENERAL: [&str; 4] = ["scenarios", "walks", "twins", "swarm"];

/// Steps of a random walk.
const STEPS: u64 = 1_500;
/// Views of a Twins scenario.
const VIEWS: usize = 6;

/// Looks with what goes by this name: a scenario or one of [`GENERAL`], of which the machines begin with seed `base` and go on for as long
/// as the budget lasts. None if there is no such thing.
pub fn look(name: &str, base: u64, budget: Duration) -> Option<Looked> {
    let machine = |attempt: &dyn Fn(u64) -> Option<Finding>| Some(try_seeds(base, budget, attempt));
    match name {
        "scenarios" => Some(run_scenarios(scenarios::ALL)),
        "walks" => machine(&walk),
        "twins" => {
            let twins = Twins::new(1, VIEWS);
            machine(&|place| play_twins(&twins, base, place))
        }
        "swarm" => machine(&simulate),
        _ => {
            let scenario = scenarios::ALL.iter().find(|one| one.name == name)?;
            Some(run_scenarios(std::slice::from_ref(scenario)))
        }
    }
}

fn try_seeds(base: u64, budget: Duration, attempt: &dyn Fn(u64) -> Option<Finding>) -> Looked {
    let (began, mut tried) = (Instant::now(), 0);
    while began.elapsed() < budget {
        let finding = attempt(base.wrapping_add(tried));
        tried += 1;
        if finding.is_some() {
            return Looked { finding, tried };
        }
    }
    Looked { finding: None, tried }
}

fn run_scenarios(all: &[Scenario]) -> Looked {
    let outcome = |one: &Scenario| caught(one.name, || (one.run)().err());
    for (scenario, tried) in all.iter().zip(1..) {
        let finding = outcome(scenario);
        if finding.is_some() {
            return Looked { finding, tried };
        }
    }
    Looked { finding: None, tried: all.len() as u64 }
}

/// A random walk of bare members, one of them faulty.
fn walk(seed: u64) -> Option<Finding> {
    caught("walks", || {
        modelcheck::walk(seed, STEPS, false).violation.map(|what| format!("seed {seed}: {what}"))
    })
}

fn play_twins(twins: &Twins, order: u64, place: u64) -> Option<Finding> {
    let number = twins.space.shuffled(place.into(), order);
    caught("twins", || twins.play(number).err().map(|what| format!("scenario {number}: {what}")))
}

fn simulate(seed: u64) -> Option<Finding> {
    let violation = swarm::run(seed, false).violation?;
    let checker = if violation.checker == "panic" { "assertion" } else { violation.checker };
    Some(Finding { checker: format!("swarm: {checker}"), what: format!("seed {seed}: {violation}") })
}

/// What this finds wrong; a panic is a finding of its own.
fn caught(name: &str, find: impl FnOnce() -> Option<String>) -> Option<Finding> {
    let (checker, what) = match catch_unwind(AssertUnwindSafe(find)) {
        Ok(what) => (name.to_owned(), what?),
        Err(panic) => {
            let what = panic.downcast_ref::<String>().map(String::as_str);
            let what = what.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without words");
            (format!("{name}: assertion"), what.to_owned())
        }
    };
    Some(Finding { checker, what })
}
