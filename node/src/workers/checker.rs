//! The mempool's questions to the application, and to the chain: old bytes must not come again once the mempool has forgotten them.

use std::sync::Arc;

use althing_consensus::Height;
use althing_crypto::TxHash;
use althing_ledger::{Application, CheckKind};
use althing_mempool::{CheckedTx, Code, Refusal, TxBytes};

use super::Fatal;
use super::application::{precheck_part, refusal};
use crate::driver::{CheckJob, Done, PrecheckJob};
use crate::storage::ChainStore;

/// Asks the application.
#[derive(Clone)]
pub struct Checker {
    chain: ChainStore,
    application: Arc<dyn Application>,
}

impl Checker {
    /// One that asks this application, on this chain.
    pub fn new(chain: ChainStore, application: Arc<dyn Application>) -> Self {
        Self { chain, application }
    }

    /// Asks for the stateless verdicts.
    pub fn precheck(&self, job: PrecheckJob) -> Result<Done, Fatal> {
        let PrecheckJob { batch, txs } = job;
        let bytes: Vec<_> = txs.iter().map(|(_, tx)| tx).collect();
        let verdicts = precheck_part(&*self.application, &bytes)?;
        Ok(Done::Prechecked { batch, results: txs.iter().map(|(hash, _)| *hash).zip(verdicts).collect() })
    }

    /// Asks for the verdicts against the committed state.
    pub fn check(&self, CheckJob(txs): CheckJob) -> Result<Done, Fatal> {
        let check = |(hash, tx, again): (TxHash, TxBytes, bool)| {
            if let Some(height) = self.succeeded(&hash)? {
                let reason = format!("the transaction is committed already, at height {height}");
                return Ok((hash, Err(Refusal::own(Code::Committed, reason))));
            }
            let kind = if again { CheckKind::Recheck } else { CheckKind::New };
            let verdict = self.application.check_tx(&tx, kind);
            let verdict = verdict.map(|one| CheckedTx { next_sequence: one.next_sequence });
            Ok((hash, verdict.map_err(refusal)))
        };
        Ok(Done::Checked(txs.into_iter().map(check).collect::<Result<_, Fatal>>()?))
    }

    /// The height at which this transaction did what it says. One that failed may come again: whether it has used anything up is the
    /// application's to say.
    fn succeeded(&self, hash: &TxHash) -> Result<Option<Height>, Fatal> {
        let Some(at) = self.chain.tx_location(hash)? else { return Ok(None) };
        let results = self.chain.results(at.height)?;
        let result = results.as_ref().and_then(|results| results.tx_results.get(at.index as usize));
        Ok(result.filter(|result| result.code == 0).map(|_| at.height))
    }
}
