//! The mempool's questions to the application.

use std::sync::Arc;

use althing_ledger::{Application, CheckKind};
use althing_mempool::CheckedTx;

use super::Fatal;
use super::application::{precheck, refusal};
use crate::driver::{CheckJob, Done};

/// Asks the application.
#[derive(Clone)]
pub struct Checker {
    application: Arc<dyn Application>,
}

impl Checker {
    /// One that asks this application.
    pub fn new(application: Arc<dyn Application>) -> Self {
        Self { application }
    }

    /// Does a job.
    pub fn run(&self, job: CheckJob) -> Result<Done, Fatal> {
        match job {
            CheckJob::Precheck(txs) => {
                let bytes: Vec<_> = txs.iter().map(|(_, tx)| tx).collect();
                let verdicts = precheck(&*self.application, &bytes)?;
                Ok(Done::Prechecked(txs.iter().map(|(hash, _)| *hash).zip(verdicts).collect()))
            }
            CheckJob::Check(txs) => {
                let check = |(hash, tx, again): (_, althing_mempool::TxBytes, bool)| {
                    let kind = if again { CheckKind::Recheck } else { CheckKind::New };
                    let verdict = self.application.check_tx(&tx, kind);
                    let verdict = verdict.map(|one| CheckedTx { next_sequence: one.next_sequence });
                    (hash, verdict.map_err(refusal))
                };
                Ok(Done::Checked(txs.into_iter().map(check).collect()))
            }
        }
    }
}
