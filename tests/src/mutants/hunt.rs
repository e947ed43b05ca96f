//! Looks for every fault, each in a process of its own.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::look::{Finding, Looked};
use super::{Mutant, child};

/// How long and how far is looked for one fault.
#[derive(Clone, Debug)]
pub struct Effort {
    /// The first seed of swarms.
    pub base_seed: u64,
    /// Seeds of a swarm at most, for one fault.
    pub seeds: u64,
    /// How long a swarm goes on for one fault.
    pub swarm: Duration,
    /// What a process may take beyond that.
    pub limit: Duration,
}

/// What became of a fault.
#[derive(Clone, Debug)]
pub struct Hunted {
    /// The fault.
    pub mutant: &'static Mutant,
    /// Who found it; none if it survived.
    pub finding: Option<Finding>,
    /// Scenarios and seeds tried, by all that looked.
    pub tried: u64,
    /// How long all that took.
    pub took: Duration,
}

/// A build that contains the faults.
#[derive(Clone, Debug)]
pub struct Hunt {
    /// This very program, built with them.
    pub program: PathBuf,
    /// How hard to look.
    pub effort: Effort,
}

/// What is tried on every fault that what was expected to find it has not found.
const GENERAL: [&str; 2] = ["scenarios", "swarm"];

impl Hunt {
    /// Looks for these faults, on so many threads; `done` hears of each.
    pub fn all(
        &self,
        mutants: &[&'static Mutant],
        threads: usize,
        done: impl Fn(&Hunted) + Sync,
    ) -> std::io::Result<Vec<Hunted>> {
        let queue: Mutex<VecDeque<_>> = Mutex::new(mutants.iter().copied().enumerate().collect());
        let hunted = Mutex::new(Vec::new());
        let work = || -> std::io::Result<()> {
            let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            while let Some((index, mutant)) = next() {
                let one = self.one(mutant)?;
                done(&one);
                hunted.lock().unwrap_or_else(PoisonError::into_inner).push((index, one));
            }
            Ok(())
        };
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            let joined = |worker: std::thread::ScopedJoinHandle<'_, _>| worker.join().expect("no panic");
            workers.into_iter().try_for_each(joined)
        })?;
        let mut hunted = hunted.into_inner().unwrap_or_else(PoisonError::into_inner);
        hunted.sort_by_key(|(index, _)| *index);
        Ok(hunted.into_iter().map(|(_, one)| one).collect())
    }

    fn one(&self, mutant: &'static Mutant) -> std::io::Result<Hunted> {
        let (began, mut tried) = (Instant::now(), 0);
        let general = GENERAL.into_iter().filter(|one| *one != mutant.expected);
        for name in std::iter::once(mutant.expected).chain(general) {
            let looked = self.look(mutant.name, name)?;
            tried += looked.tried;
            if looked.finding.is_some() {
                return Ok(Hunted { mutant, finding: looked.finding, tried, took: began.elapsed() });
            }
        }
        Ok(Hunted { mutant, finding: None, tried, took: began.elapsed() })
    }

    /// Looks in a process that makes no fault: nothing may be found, or what is found in others means nothing.
    pub fn unmutated(&self) -> std::io::Result<Option<Finding>> {
        for name in GENERAL {
            let looked = self.look("", name)?;
            if looked.finding.is_some() {
                return Ok(looked.finding);
            }
        }
        Ok(None)
    }

    fn look(&self, mutant: &str, name: &str) -> std::io::Result<Looked> {
        let Effort { base_seed, seeds, swarm, limit } = &self.effort;
        let arguments = [
            "--look".to_owned(),
            name.to_owned(),
            format!("--base-seed={base_seed}"),
            format!("--seeds={seeds}"),
            format!("--swarm-seconds={}", swarm.as_secs()),
        ];
        child::run(&self.program, mutant, &arguments, *swarm + *limit)
    }
}

/// The command that shows one fault being found.
pub fn replay(program: &Path, mutant: &str, look: &str) -> String {
    format!("{}={mutant} {} --look {look}", althing_crypto::mutant::VARIABLE, program.display())
}
