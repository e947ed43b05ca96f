//! The mempool's questions to the application, and to the chain: old bytes must not come again once the mempool has forgotten them.

use std::sync::Arc;

use althing_crypto::TxHash;
use althing_ledger::{Application, CheckKind};
use althing_mempool::{CheckedTx, Code, Refusal};

use super::Fatal;
use super::application::{precheck_part, refusal};
use crate::driver::{CheckJob, Done, PrecheckJob};
use crate::storage::{ChainStore, TxLocation};

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

    /// Asks for the verdicts against the committed state. What was in a block is not taken again, whatever came of it: its bytes are
    /// everybody's since, and who was told that it failed may have signed another. Also when it is checked again: a node that is far
    /// behind may have taken it when its block was committed, forgotten by the mempool and not executed yet.
    pub fn check(&self, CheckJob(txs): CheckJob) -> Result<Done, Fatal> {
        let hashes: Vec<TxHash> = txs.iter().map(|(hash, ..)| *hash).collect();
        // Before the application is asked: what is executed meanwhile it refuses by its own state.
        let found = self.chain.tx_locations(&hashes)?;
        let kind = |again: bool| if again { CheckKind::Recheck } else { CheckKind::New };
        let asked: Vec<(&[u8], CheckKind)> = txs
            .iter()
            .zip(&found)
            .filter(|(_, found)| found.is_none())
            .map(|((_, tx, again), _)| (&**tx, kind(*again)))
            .collect();
        let verdicts = self.application.check_txs(&asked);
        if verdicts.len() != asked.len() {
            let (asked, got) = (asked.len(), verdicts.len());
            return Err(Fatal::Contract(format!("check_txs gave {got} verdicts for {asked} transactions")));
        }
        let mut verdicts = verdicts.into_iter();
        let check = |(hash, found): (TxHash, Option<TxLocation>)| {
            let committed = |at: TxLocation| {
                let reason = format!("the transaction is in a block already, at height {}", at.height);
                Err(Refusal::own(Code::Committed, reason))
            };
            let mut verdict = || {
                let verdict = verdicts.next().expect("there are as many as were asked for");
                verdict.map(|one| CheckedTx { next_sequence: one.next_sequence }).map_err(refusal)
            };
            (hash, found.map_or_else(&mut verdict, committed))
        };
        Ok(Done::Checked(hashes.into_iter().zip(found).map(check).collect()))
    }
}
