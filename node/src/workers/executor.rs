//! Stored blocks to the application, in order.
//!
//! For every block: `finalize_block`, which changes nothing; then results, index and executed height to the chain store; then the
//! application's `commit`. So after a crash the application is at the executed height or one below it, never above: what it
//! computed cannot be lost, and a block that it lacks is in the store with the results it must give again.

use std::sync::Arc;

use althing_consensus::engine::EngineConfig;
use althing_consensus::{Execution, Height};
use althing_crypto::{merkle_root, mutant};
use althing_ledger::{Application, FinalizeBlock, FinalizedBlock};

use super::Fatal;
use super::application::{consensus_app_hash, members, proposer};
use crate::body::Body;
use crate::driver::{Done, ExecuteJob};
use crate::storage::{ChainStore, StoredResults};

/// Executes.
pub struct Executor {
    chain: ChainStore,
    application: Arc<dyn Application>,
    engine: EngineConfig,
}

impl Executor {
    /// One that brings the stored chain to this application.
    pub fn new(engine: EngineConfig, chain: ChainStore, application: Arc<dyn Application>) -> Self {
        Self { chain, application, engine }
    }

    /// Does a job; results and state are durable when it returns. A block that was executed meanwhile is not executed again.
    pub fn run(&self, ExecuteJob::Block(height): ExecuteJob) -> Result<Done, Fatal> {
        if height <= self.chain.executed()? {
            let StoredResults { execution, next_epoch, .. } = self.results(height)?;
            return Ok(Done::Executed { execution, next_epoch });
        }
        let body = self.block(height)?;
        let results = self.finalize(&body)?;
        if mutant!("application_commits_before_the_results") {
            self.application.commit()?;
        }
        self.chain.put_results(&body.block.txs, &results)?;
        if !mutant!("application_commits_before_the_results") {
            self.application.commit()?;
        }
        Ok(Done::Executed { execution: results.execution, next_epoch: results.next_epoch })
    }

    /// At a restart: brings the application up to the executed height. What it computes must be what was stored.
    pub fn replay(&self) -> Result<(), Fatal> {
        let executed = self.chain.executed()?;
        let mut height = Height(self.application.info()?.last_height);
        if mutant!("executed_again_after_a_restart") {
            height = Height(height.0.saturating_sub(1));
        }
        if mutant!("no_replay_after_a_restart") {
            height = executed;
        }
        while height < executed {
            height = height.next();
            let results = self.finalize(&self.block(height)?)?;
            let stored = self.results(height)?;
            if results.execution != stored.execution {
                return Err(Fatal::Contract(format!(
                    "executing block {height} again gave application hash {}, the first time {}",
                    results.execution.app_hash, stored.execution.app_hash
                )));
            }
            self.application.commit()?;
        }
        Ok(())
    }

    fn block(&self, height: Height) -> Result<Body, Fatal> {
        self.chain.block(height)?.ok_or_else(|| missing(format!("block {height}")))
    }

    fn results(&self, height: Height) -> Result<StoredResults, Fatal> {
        self.chain.results(height)?.ok_or_else(|| missing(format!("the result of height {height}")))
    }

    fn finalize(&self, body: &Body) -> Result<StoredResults, Fatal> {
        let header = &body.block.header;
        let parent = self.block(Height(header.height.0 - 1))?.block.header;
        let txs: Vec<&[u8]> = body.txs.iter().map(|tx| &**tx).collect();
        let FinalizedBlock { tx_results, app_hash, validator_updates, events } =
            self.application.finalize_block(&FinalizeBlock {
                height: header.height.0,
                time_ms: header.time_ms,
                hash: body.block.hash().0,
                txs: &txs,
                proposer: proposer(&self.engine, header, &parent),
                members: &members(&self.engine, header),
            })?;
        if tx_results.len() != txs.len() {
            let (asked, got) = (txs.len(), tx_results.len());
            return Err(Fatal::Contract(format!(
                "finalize_block gave {got} results for {asked} transactions"
            )));
        }
        if !validator_updates.is_empty() {
            tracing::warn!(height = %header.height, "validator updates are dropped: this version keeps one validator set");
        }
        let leaves: Vec<Vec<u8>> = tx_results.iter().map(|result| result.results_leaf()).collect();
        let execution = Execution {
            height: header.height,
            app_hash: consensus_app_hash(&app_hash),
            results_root: merkle_root(&leaves),
        };
        Ok(StoredResults { execution, next_epoch: self.engine.epoch_hash, tx_results, events })
    }
}

fn missing(what: String) -> Fatal {
    Fatal::Missing { what }
}
