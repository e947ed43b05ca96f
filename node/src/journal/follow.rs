//! What blocks hold: told to the journal once it can be read, and through it to whoever waits.

use althing_consensus::Height;
use althing_crypto::TxHash;

use super::{Ending, Journal, now_ms};
use crate::handle::NodeHandle;
use crate::storage::StoreError;

/// Transactions told together: the driver's thread waits meanwhile if it has something to tell.
const TOLD_AT_ONCE: usize = 256;

/// Looks through the blocks from where the journal stands, until the node stops. `chain_tells`: the chain's own index answers for a
/// transaction as long as the journal would.
pub(crate) async fn follow(node: NodeHandle, chain_tells: bool) {
    let journal = node.journal().clone();
    let mut executed = node.executed();
    let newest = *executed.borrow_and_update();
    let mut done = journal.0.lock().book.follow_from(newest);
    loop {
        let newest = *executed.borrow_and_update();
        while done < newest {
            done = done.next();
            let wanted = journal.0.lock().book.wants_blocks();
            if wanted && !look_through(&node, &journal, done, chain_tells).await {
                return;
            }
            journal.change(|book| book.follow(done));
        }
        if executed.changed().await.is_err() {
            return;
        }
    }
}

/// A transaction of a block, and the code of its result.
type Found = Vec<(TxHash, u32)>;

/// False if the node stops.
async fn look_through(node: &NodeHandle, journal: &Journal, height: Height, chain_tells: bool) -> bool {
    let reader = node.clone();
    let found = match tokio::task::spawn_blocking(move || read(&reader, height)).await {
        Ok(found) => found,
        // The runtime ends.
        Err(_) => return false,
    };
    match found {
        Ok(found) => {
            let (now_ms, mut places) = (now_ms(), 0u32..);
            for slice in found.chunks(TOLD_AT_ONCE) {
                journal.change(|book| {
                    for ((tx, code), index) in slice.iter().zip(places.by_ref()) {
                        book.executed(tx, Ending::executed(height, index, *code), chain_tells, now_ms);
                    }
                });
            }
        }
        Err(error) => {
            tracing::error!(%height, %error, "cannot tell clients what became of a block's transactions");
        }
    }
    true
}

/// Nothing of a block that is no longer kept.
fn read(node: &NodeHandle, height: Height) -> Result<Found, StoreError> {
    let chain = node.chain();
    let (Some(body), Some(results)) = (chain.shared_block(height)?, chain.results(height)?) else {
        return Ok(Found::new());
    };
    Ok(body.block.txs.iter().copied().zip(results.tx_results.iter().map(|result| result.code)).collect())
}
