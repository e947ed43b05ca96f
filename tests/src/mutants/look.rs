//! The ways to look for a fault, inside the process that makes it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use super::scenarios::{self, Scenario};
use crate::sim::swarm;

/// What was found, by whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The checker or scenario; with "assertion" where the product's own code noticed.
    pub checker: String,
    /// What contradicts what.
    pub what: String,
}

/// What came of looking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Looked {
    /// None: nothing is wrong, as far as was looked.
    pub finding: Option<Finding>,
    /// Scenarios or seeds tried.
    pub tried: u64,
}

/// Runs what goes by this name: a scenario, all `scenarios`, or the simulator's `swarm`, which begins with seed `base` and goes on for
/// so many seeds or as long as the budget lasts. None if there is no such thing.
pub fn look(name: &str, base: u64, seeds: u64, budget: Duration) -> Option<Looked> {
    match name {
        "scenarios" => Some(run_scenarios(scenarios::ALL)),
        "swarm" => Some(run_swarm(base, seeds, budget)),
        _ => {
            let scenario = scenarios::ALL.iter().find(|one| one.name == name)?;
            Some(run_scenarios(std::slice::from_ref(scenario)))
        }
    }
}

fn run_scenarios(all: &[Scenario]) -> Looked {
    let mut tried = 0;
    for scenario in all {
        tried += 1;
        let ended = catch_unwind(AssertUnwindSafe(scenario.run));
        let finding = match ended {
            Ok(Ok(())) => continue,
            Ok(Err(what)) => Finding { checker: scenario.name.to_owned(), what },
            Err(panic) => {
                let what = panic.downcast_ref::<String>().map(String::as_str);
                let what = what.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without words");
                Finding { checker: format!("{} (assertion)", scenario.name), what: what.to_owned() }
            }
        };
        return Looked { finding: Some(finding), tried };
    }
    Looked { finding: None, tried }
}

fn run_swarm(base: u64, seeds: u64, budget: Duration) -> Looked {
    let began = Instant::now();
    let mut tried = 0;
    while tried < seeds && began.elapsed() < budget {
        let seed = base.wrapping_add(tried);
        tried += 1;
        if let Some(violation) = swarm::run(seed, false).violation {
            let checker = if violation.checker == "panic" { "assertion" } else { violation.checker };
            let finding =
                Finding { checker: format!("swarm: {checker}"), what: format!("seed {seed}: {violation}") };
            return Looked { finding: Some(finding), tried };
        }
    }
    Looked { finding: None, tried }
}
