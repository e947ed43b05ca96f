//! What was acknowledged and has no end yet: offered to the mempool where that does not have it, as after a restart, and sent to the
//! peers again, whose gossip may have missed it.
//!
//! Each transaction has its own time to be looked at again, later each time: one that finds no room holds up no other.

use std::time::Duration;

use althing_crypto::Encoding;
use althing_p2p::Network;
use tokio::time::sleep;

use super::book::Due;
use super::{Ending, now_ms};
use crate::handle::NodeHandle;
use crate::storage::StoreError;
use crate::wire::Wire;

/// Transactions looked at together.
const AT_ONCE: usize = 64;
/// Transactions forgotten together.
const FORGOTTEN_AT_ONCE: usize = 1_000;
/// Bytes in one message to the peers, beyond one transaction.
pub(super) const MESSAGE_BYTES: usize = 128 << 10;
/// Between messages: what is pending for long must not fill the network, and peers take no more than one in half of this.
const PAUSE_MS: u64 = 200;
/// So often is looked what is due, and what was told for long enough.
const LOOK: Duration = Duration::from_secs(1);

/// Offers and sends until the node stops. `chain_tells` as for [`follow`](super::follow).
pub(crate) async fn again(node: NodeHandle, network: Option<Network>, chain_tells: bool) {
    tokio::select! {
        () = look(&node, network.as_ref(), chain_tells) => {}
        () = ended(&node) => {}
    }
}

/// The heights end with the node.
async fn ended(node: &NodeHandle) {
    let mut executed = node.executed();
    while executed.changed().await.is_ok() {}
}

async fn look(node: &NodeHandle, network: Option<&Network>, chain_tells: bool) {
    let (journal, mut send_at) = (node.journal(), 0);
    loop {
        let now = journal.0.now();
        // In slices: the driver's thread tells the journal things meanwhile.
        while journal.0.lock().book.sweep(now_ms(), FORGOTTEN_AT_ONCE) {
            tokio::task::yield_now().await;
        }
        let (due, next) = journal.0.lock().book.take_due(now, AT_ONCE, send_at);
        if due.is_empty() {
            let pause = next.map_or(LOOK, |at| Duration::from_millis(at.saturating_sub(now).max(1)));
            sleep(pause.min(LOOK)).await;
            continue;
        }
        let Some(open) = open(node, due, chain_tells).await else { continue };
        let (pooled, outside): (Vec<Due>, Vec<Due>) = open.into_iter().partition(|due| due.pooled);
        if let Some(network) = network.filter(|_| !pooled.is_empty()) {
            // To all connected peers, as the oldest pending ones go while the chain is stuck.
            let wire = Wire::Transactions(pooled.into_iter().map(|due| due.bytes).collect());
            network.broadcast(wire.class(), wire.encode().into());
            send_at = now.saturating_add(PAUSE_MS);
        }
        offer(node, outside).await;
    }
}

/// To the mempool, in order; the journal hears what it makes of them as everyone's answers come.
async fn offer(node: &NodeHandle, outside: Vec<Due>) {
    let mut asked = Vec::with_capacity(outside.len());
    for due in outside {
        // With a full queue the rest comes again later.
        let Ok(answer) = node.offer_again(due.bytes.to_vec()) else { break };
        asked.push(answer);
    }
    for answer in asked {
        // The node may be stopping.
        _ = answer.await;
    }
}

/// Those that have no end yet; nothing where that cannot be said now.
async fn open(node: &NodeHandle, due: Vec<Due>, chain_tells: bool) -> Option<Vec<Due>> {
    let reader = node.clone();
    match tokio::task::spawn_blocking(move || not_executed(&reader, due, chain_tells)).await {
        Ok(Ok(open)) => Some(open),
        Ok(Err(error)) => {
            tracing::error!(%error, "cannot look after acknowledged transactions");
            None
        }
        // The runtime ends.
        Err(_) => None,
    }
}

/// Those that the chain does not have: where an application does not mind, they would be executed twice. And not those that were taken
/// at a later height than this node stands at now: it may have lost its chain, and the state is too old to judge them.
fn not_executed(node: &NodeHandle, due: Vec<Due>, chain_tells: bool) -> Result<Vec<Due>, StoreError> {
    let executed = *node.executed().borrow();
    let mut open = Vec::with_capacity(due.len());
    for due in due {
        let Some(at) = node.chain().tx_location(&due.tx)? else {
            if due.above <= executed {
                open.push(due);
            }
            continue;
        };
        // Nobody is told before its results can be read.
        if at.height > executed {
            continue;
        }
        let results = node.chain().results(at.height)?;
        let code = results.and_then(|results| results.tx_results.get(at.index as usize).map(|one| one.code));
        // Pruned just now: what it came to is not to be guessed.
        let Some(code) = code else { continue };
        let ending = Ending::executed(at.height, at.index, code);
        node.journal().change(|book| book.executed(&due.tx, ending, chain_tells, now_ms()));
    }
    Ok(open)
}
