//! Stored blocks to the application, in order.
//!
//! For every block: `finalize_block`, which changes nothing; then results, index and executed height to the chain store; then the
//! application's `commit`. So after a crash the application is at the executed height or one below it, never above: what it
//! computed cannot be lost, and a block that it lacks is in the store with the results it must give again.

use std::sync::Arc;

use althing_consensus::{Executed, Execution, Header, Height};
use althing_crypto::{merkle_root, mutant};
use althing_ledger::{Application, Attribute, CommitResult, Event, FinalizeBlock, FinalizedBlock};

use super::Fatal;
use super::application::{consensus_app_hash, members, proposer};
use super::notices::{misbehaviour, registered};
use crate::body::Body;
use crate::driver::{Done, ExecuteJob};
use crate::epochs::Epochs;
use crate::membership::Membership;
use crate::storage::{ChainStore, Indexing, StoredResults};

/// So many blocks at most go with each that comes: a long past goes little by little, beside the chain's work.
const PRUNED_AT_ONCE: usize = 4;

/// Executes.
pub struct Executor {
    chain: ChainStore,
    application: Arc<dyn Application>,
    epochs: Arc<Epochs>,
    kept_blocks: Option<u64>,
}

impl Executor {
    /// One that brings the stored chain to this application, and keeps all of it.
    pub fn new(epochs: Arc<Epochs>, chain: ChainStore, application: Arc<dyn Application>) -> Self {
        Self { chain, application, epochs, kept_blocks: None }
    }

    /// Lets blocks go that the application retains no longer, but keeps so many of the newest ones; `None`: all.
    #[must_use]
    pub fn keeping(self, kept_blocks: Option<u64>) -> Self {
        Self { kept_blocks, ..self }
    }

    /// Does a job; results and state are durable when it returns. A block that was executed meanwhile is not executed again.
    pub fn run(&self, ExecuteJob::Block(height): ExecuteJob) -> Result<Done, Fatal> {
        if height <= self.chain.executed()? {
            let StoredResults { execution, next_epoch, .. } = self.results(height)?;
            return Ok(Done::Executed(Executed { execution, next_epoch }));
        }
        let body = self.block(height)?;
        let (results, changed) = self.finalize(&body)?;
        if mutant!("application_commits_before_the_results") {
            self.application.commit()?;
        }
        let senders: Vec<_> = match self.chain.indexing() {
            Indexing::On => body.txs.iter().map(|tx| self.application.sender(tx)).collect(),
            Indexing::Off => Vec::new(),
        };
        self.chain.put_sent_results(&body.block.txs, &senders, &results, changed.as_ref())?;
        if !mutant!("application_commits_before_the_results") {
            let CommitResult { retain_height } = self.application.commit()?;
            self.let_go(&body.block.header, Height(retain_height))?;
        }
        Ok(Done::Executed(Executed { execution: results.execution, next_epoch: results.next_epoch }))
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
            let body = self.block(height)?;
            let (results, _) = self.finalize(&body)?;
            let stored = self.results(height)?;
            if results.next_epoch != stored.next_epoch {
                return Err(Fatal::Contract(format!(
                    "executing block {height} again changed the validators or parameters otherwise than the first time"
                )));
            }
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

    /// Removes old blocks, but none that is still needed: by the application, to come back from where it stood when this node last met
    /// it; by this node, to start again; by the operator.
    fn let_go(&self, newest: &Header, retain: Height) -> Result<(), Fatal> {
        let Some(kept) = self.kept_blocks else { return Ok(()) };
        let oldest_kept = Height(newest.height.0.saturating_add(1).saturating_sub(kept));
        let needed = [retain, oldest_kept, newest.vouched.height, self.chain.reported()?];
        let end = needed.into_iter().min().expect("there are four");
        Ok(self.chain.prune(end, PRUNED_AT_ONCE)?)
    }

    fn block(&self, height: Height) -> Result<Arc<Body>, Fatal> {
        self.chain.shared_block(height)?.ok_or_else(|| missing(format!("block {height}")))
    }

    fn results(&self, height: Height) -> Result<StoredResults, Fatal> {
        self.chain.results(height)?.ok_or_else(|| missing(format!("the result of height {height}")))
    }

    /// What executing a block gives; with the membership after it, if that is another than before.
    fn finalize(&self, body: &Body) -> Result<(StoredResults, Option<Membership>), Fatal> {
        let header = &body.block.header;
        let engine = &self.epochs.entered(header.epoch)?.config;
        let parent = &self.block(Height(header.height.0 - 1))?.block.header;
        let txs: Vec<&[u8]> = body.txs.iter().map(|tx| &**tx).collect();
        let FinalizedBlock { tx_results, app_hash, validator_updates, param_updates, mut events } =
            self.application.finalize_block(&FinalizeBlock {
                height: header.height.0,
                time_ms: header.time_ms,
                hash: body.block.hash().0,
                txs: &txs,
                proposer: proposer(engine, header, parent),
                members: &members(engine, header),
                misbehaviour: &misbehaviour(&self.epochs, &body.block.notices)?,
            })?;
        if tx_results.len() != txs.len() {
            let (asked, got) = (txs.len(), tx_results.len());
            return Err(Fatal::Contract(format!(
                "finalize_block gave {got} results for {asked} transactions"
            )));
        }
        let before = self.epochs.membership(parent.height)?;
        // First the registrations: the application may name a newcomer that the same block registers.
        let registered = registered(before.clone(), body, &mut events);
        let after = registered.after(&validator_updates, &param_updates).unwrap_or_else(|reason| {
            tracing::warn!(height = %header.height, reason, "the application's updates are dropped, all of this block's");
            events.push(dropped(reason));
            registered.clone()
        });
        let leaves: Vec<Vec<u8>> = tx_results.iter().map(|result| result.results_leaf()).collect();
        let execution = Execution {
            height: header.height,
            app_hash: consensus_app_hash(&app_hash),
            results_root: merkle_root(&leaves),
        };
        let results = StoredResults { execution, next_epoch: after.hash(), tx_results, events };
        Ok((results, Some(after).filter(|after| *after != before)))
    }
}

/// Tells clients of updates that do not count.
fn dropped(reason: String) -> Event {
    let reason = Attribute { key: "reason".to_owned(), value: reason, index: false };
    Event { kind: "updates_dropped".to_owned(), attributes: vec![reason] }
}

fn missing(what: String) -> Fatal {
    Fatal::Missing { what }
}
