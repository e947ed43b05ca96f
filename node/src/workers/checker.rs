//! The mempool's questions to the application.

use std::sync::Arc;

use althing_ledger::{Application, CheckKind};
use althing_mempool::{CheckedTx, TxBytes};

use super::Fatal;
use super::application::{precheck_part, refusal};
use crate::driver::{CheckJob, Done, PrecheckJob};

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

    /// Asks for the stateless verdicts.
    pub fn precheck(&self, job: PrecheckJob) -> Result<Done, Fatal> {
        let PrecheckJob { batch, txs } = job;
        let bytes: Vec<_> = txs.iter().map(|(_, tx)| tx).collect();
        let verdicts = precheck_part(&*self.application, &bytes)?;
        Ok(Done::Prechecked { batch, results: txs.iter().map(|(hash, _)| *hash).zip(verdicts).collect() })
    }

    /// Asks for the verdicts against the committed state.
    pub fn check(&self, CheckJob(txs): CheckJob) -> Done {
        let check = |(hash, tx, again): (_, TxBytes, bool)| {
            let kind = if again { CheckKind::Recheck } else { CheckKind::New };
            let verdict = self.application.check_tx(&tx, kind);
            let verdict = verdict.map(|one| CheckedTx { next_sequence: one.next_sequence });
            (hash, verdict.map_err(refusal))
        };
        Done::Checked(txs.into_iter().map(check).collect())
    }
}
