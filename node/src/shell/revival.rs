//! Execution beside an application that is a process of its own: it may die and come back with less state than it had.

use std::sync::{Arc, Mutex, PoisonError};

use althing_genesis::Genesis;
use althing_ledger::{AppError, Application};

use super::lanes::Outcome;
use crate::{
    driver::ExecuteJob,
    recovery::{RecoveryError, bring_up},
    storage::ChainStore,
    workers::{Executor, Fatal},
};

/// What it takes to repeat the handshake.
#[derive(Clone)]
pub(crate) struct Revival {
    pub(crate) genesis: Arc<Genesis>,
    pub(crate) chain: ChainStore,
    pub(crate) application: Arc<dyn Application>,
}

/// Executes blocks, and brings the application back to its height whenever it was lost, one after the other.
pub(super) struct Execution {
    executor: Mutex<Executor>,
    revival: Revival,
}

impl Execution {
    pub(super) fn new(executor: Executor, revival: Revival) -> Self {
        Self { executor: Mutex::new(executor), revival }
    }

    /// Does a job, however often the application is lost meanwhile.
    pub(super) fn run(&self, job: ExecuteJob) -> Outcome {
        let executor = self.executor.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            match executor.run(job) {
                Err(Fatal::Application(AppError::Unavailable { reason })) => self.revive(&reason)?,
                outcome => return outcome,
            }
        }
    }

    /// Until the end of the link: whenever the application is lost, brings it back, so that it can be asked again also on a chain at rest.
    pub(super) fn watch(&self) -> Result<(), Fatal> {
        let Some(link) = self.revival.application.link() else { return Ok(()) };
        while link.lost() {
            let _turn = self.executor.lock().unwrap_or_else(PoisonError::into_inner);
            // Who had the turn before may have done it.
            if !link.is_up() {
                self.revive(&link.trouble().unwrap_or_default())?;
            }
        }
        Ok(())
    }

    /// Says why it was lost, too: one that breaks off each time and is back at once leaves no other trace.
    fn revive(&self, reason: &str) -> Result<(), Fatal> {
        tracing::warn!("lost: {reason}");
        let Revival { genesis, chain, application } = &self.revival;
        bring_up(genesis, chain, application).map(drop).map_err(|error| match error {
            RecoveryError::Fatal(fatal) => fatal,
            other => Fatal::Contract(other.to_string()),
        })
    }
}
