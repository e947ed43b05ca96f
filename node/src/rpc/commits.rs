//! Who waits for which transaction. One task follows the blocks for all of them: what waiting costs does not grow with the number
//! of clients times the number of blocks.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use althing_consensus::Height;
use althing_crypto::TxHash;
use althing_ledger::TxResult;
use althing_mempool::Refusal;
use tokio::sync::{broadcast::error::RecvError, oneshot};

use super::{Context, RpcError, context::stored};
use crate::handle::NodeHandle;

/// What a transaction came to: executed at a height, or no longer pending.
pub(super) type Outcome = Result<(TxResult, Height), Refusal>;

/// The transactions that clients wait for.
#[derive(Default)]
pub(crate) struct Commits {
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    by_tx: BTreeMap<TxHash, BTreeMap<u64, oneshot::Sender<Outcome>>>,
    next: u64,
}

/// One client's place among those who wait; dropped, it is given up.
pub(super) struct Place<'a> {
    commits: &'a Commits,
    tx: TxHash,
    number: u64,
    outcome: oneshot::Receiver<Outcome>,
}

impl Commits {
    /// A place for one who waits. Whoever takes it *then* looks whether the transaction is executed already: what is executed later
    /// does not escape it.
    pub(super) fn wait_for(&self, tx: TxHash) -> Place<'_> {
        let (told, outcome) = oneshot::channel();
        let mut waiting = self.lock();
        let number = waiting.next;
        waiting.next += 1;
        waiting.by_tx.entry(tx).or_default().insert(number, told);
        Place { commits: self, tx, number, outcome }
    }

    fn tell(&self, tx: &TxHash, outcome: impl Fn() -> Outcome) {
        let told = self.lock().by_tx.remove(tx);
        for one in told.into_iter().flat_map(BTreeMap::into_values) {
            // Who has just given up needs no outcome.
            let _ = one.send(outcome());
        }
    }

    fn is_idle(&self) -> bool {
        self.lock().by_tx.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place<'_> {
    /// Waits for the outcome; nothing if the node stops.
    pub(super) async fn outcome(&mut self) -> Option<Outcome> {
        (&mut self.outcome).await.ok()
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut waiting = self.commits.lock();
        if let Some(places) = waiting.by_tx.get_mut(&self.tx) {
            places.remove(&self.number);
            if places.is_empty() {
                waiting.by_tx.remove(&self.tx);
            }
        }
    }
}

/// Tells those who wait, until the node stops.
pub(super) async fn follow(context: Arc<Context>) {
    let mut executed = context.node.executed();
    let mut dropped = context.node.dropped();
    let mut done = *executed.borrow_and_update();
    loop {
        tokio::select! {
            changed = executed.changed() => {
                if changed.is_err() {
                    break;
                }
                let newest = *executed.borrow_and_update();
                while done < newest {
                    done = done.next();
                    if context.commits.is_idle() {
                        done = newest;
                    } else if let Err(error) = tell_of_block(&context, done).await {
                        tracing::error!(height = done.0, error = error.data, "cannot tell clients of a block");
                    }
                }
            }
            one = dropped.recv() => match one {
                Ok((tx, refusal)) => context.commits.tell(&tx, || Err(refusal.clone())),
                // Those missed end by their timeouts.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => break,
            },
        }
    }
    // Without a sender the places end.
    context.commits.lock().by_tx.clear();
}

async fn tell_of_block(context: &Arc<Context>, height: Height) -> Result<(), RpcError> {
    let (block, results) = context
        .read(move |node: &NodeHandle| {
            let block = stored(node.chain().block(height), "block", height)?;
            Ok((block.block, stored(node.chain().results(height), "result", height)?))
        })
        .await?;
    for (tx, result) in block.txs.iter().zip(&results.tx_results) {
        context.commits.tell(tx, || Ok((result.clone(), height)));
    }
    Ok(())
}
