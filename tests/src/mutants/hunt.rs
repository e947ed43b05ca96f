//! Looks for every fault, each in a process of its own.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::look::{Finding, GENERAL, Looked};
use super::{Mutant, child};

/// How long and how far is looked for one fault.
#[derive(Clone, Debug)]
pub struct Effort {
    /// What alone looks; none: first what is expected to find the fault, then all that looks for any.
    pub by: Option<String>,
    /// The first seed of machines.
    pub base_seed: u64,
    /// How long a machine goes on for one fault.
    pub budget: Duration,
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
        for name in self.looks(Some(mutant)) {
            let looked = self.look(mutant.name, name)?;
            tried += looked.tried;
            if looked.finding.is_some() {
                return Ok(Hunted { mutant, finding: looked.finding, tried, took: began.elapsed() });
            }
        }
        Ok(Hunted { mutant, finding: None, tried, took: began.elapsed() })
    }

    /// What looks for this fault, in order; for none, what could look for any.
    fn looks(&self, mutant: Option<&Mutant>) -> Vec<&str> {
        if let Some(by) = &self.effort.by {
            return vec![by];
        }
        let expected = mutant.map(|one| one.expected);
        let general = GENERAL.into_iter().filter(|one| Some(*one) != expected);
        expected.into_iter().chain(general).collect()
    }

    /// Looks in a process that makes no fault: nothing may be found, or what is found in others means nothing.
    pub fn unmutated(&self) -> std::io::Result<Option<Finding>> {
        for name in self.looks(None) {
            let looked = self.look("", name)?;
            if looked.finding.is_some() {
                return Ok(looked.finding);
            }
        }
        Ok(None)
    }

    fn look(&self, mutant: &str, name: &str) -> std::io::Result<Looked> {
        let Effort { base_seed, budget, limit, .. } = &self.effort;
        let arguments = [
            "--look".to_owned(),
            name.to_owned(),
            format!("--base-seed={base_seed}"),
            format!("--seconds={}", budget.as_secs()),
        ];
        child::run(&self.program, mutant, &arguments, *budget + *limit)
    }
}

/// The command that shows one fault being found.
pub fn replay(program: &Path, mutant: &str, look: &str) -> String {
    format!("{}={mutant} {} --look {look}", althing_crypto::mutant::VARIABLE, program.display())
}
