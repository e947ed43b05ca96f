//! Where a transaction stands, put together from what knows of it: the chain, this node's journal, the mempool.

use std::sync::Arc;

use althing_consensus::Height;
use althing_crypto::TxHash;
use althing_ledger::TxResult;
use althing_mempool::{Refusal, Status as Standing, TxBytes};
use serde_json::{Value, json};

use super::{Context, RpcError, caller::Caller, json::hex};
use crate::{handle::NodeHandle, journal::Ending};

/// What is known of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    /// Nothing.
    Unknown,
    /// It was taken, and no block that is executed holds it.
    Pending,
    /// A block holds it.
    Executed { result: TxResult, height: Height, index: u32, is_final: bool },
    /// This node has dropped it, and no block that is executed holds it.
    Dropped { refusal: Refusal, word: &'static str, is_final: bool },
}

/// A transaction in a block.
struct Found {
    result: TxResult,
    height: Height,
    index: u32,
    end: End,
}

/// Whether it can be executed once more.
enum End {
    /// It did what it says.
    Final,
    /// It failed; the application says of these bytes whether that is final.
    Ask(TxBytes),
    /// It failed, and its block is gone.
    Unsure,
}

/// Whether a block holds a transaction.
enum Place {
    None,
    /// Its results are stored, and nobody has been told of the block.
    NotYet,
    Executed(Found),
}

impl Fate {
    /// Whether it came to an end, be it one that another node may still undo.
    pub(super) fn is_end(&self) -> bool {
        matches!(self, Self::Executed { .. } | Self::Dropped { .. })
    }

    /// In JSON, for clients.
    pub(super) fn shown(&self, tx: &TxHash) -> Value {
        let (status, is_final, place, refusal) = match self {
            Self::Unknown => ("unknown", false, None, None),
            Self::Pending => ("pending", false, None, None),
            Self::Executed { result, height, index, is_final } => {
                let TxResult { code, codespace, log, .. } = result.clone();
                let refusal = Refusal { code, codespace, log };
                let status = if code == 0 { "committed" } else { "failed" };
                (status, *is_final, Some((*height, *index)), Some(refusal))
            }
            Self::Dropped { refusal, word, is_final } => (*word, *is_final, None, Some(refusal.clone())),
        };
        let (code, codespace, reason) =
            refusal.map_or_else(Default::default, |it| (it.code, it.codespace, it.log));
        json!({
            "hash": hex(tx),
            "status": status,
            "final": is_final,
            "height": place.map(|(height, _)| height.to_string()),
            "index": place.map(|(_, index)| index),
            "code": code,
            "codespace": codespace,
            "reason": reason,
        })
    }
}

/// Where a transaction stands now.
pub(super) async fn fate(context: &Arc<Context>, caller: &Caller, tx: TxHash) -> Result<Fate, RpcError> {
    // First the journal, then the chain: what is executed in between is found there.
    let known = context.node.journal().get(&tx);
    let dropped = match &known {
        Some((bytes, Some(Ending::Dropped { code, codespace, log }))) => {
            let refusal = Refusal { code: *code, codespace: codespace.clone(), log: log.clone() };
            // Before the chain is asked: that it was executed would be a reason, too.
            Some((is_over(context, caller, bytes.clone()).await? == Some(true), refusal))
        }
        _ => None,
    };
    let ended = known.as_ref().and_then(|(_, ending)| ending.clone());
    let its_end = ended.clone();
    match context.look(caller, move |node| place(node, &tx, its_end)).await? {
        Place::Executed(found) => return executed(context, caller, tx, found, ended).await,
        // That it is over may be by this very block.
        Place::NotYet => return Ok(Fate::Pending),
        Place::None => {}
    }
    if let Some((is_over, refusal)) = dropped {
        let word = Ending::dropped(&refusal).word();
        return Ok(Fate::Dropped { refusal, word, is_final: is_over || word == "expired" });
    }
    if known.is_some() {
        return Ok(Fate::Pending);
    }
    match context.node.standing(tx).await? {
        Standing::Unknown => Ok(Fate::Unknown),
        Standing::Checking | Standing::Ready | Standing::Held { .. } => Ok(Fate::Pending),
        // It was dropped before anyone handed it in here.
        Standing::Dropped(refusal) => {
            let word = Ending::dropped(&refusal).word();
            Ok(Fate::Dropped { refusal, word, is_final: word == "expired" })
        }
        Standing::Committed { height } => {
            let height = Height(height);
            match context.look(caller, move |node| in_block(node, &tx, height)).await? {
                Some(found) => executed(context, caller, tx, found, None).await,
                // Not executed yet.
                None => Ok(Fate::Pending),
            }
        }
    }
}

/// What failed in a block may still do what it says, if its sequence was not used.
async fn executed(
    context: &Arc<Context>,
    caller: &Caller,
    tx: TxHash,
    found: Found,
    ended: Option<Ending>,
) -> Result<Fate, RpcError> {
    let Found { result, height, index, end } = found;
    let is_final = match end {
        End::Final => true,
        End::Unsure => false,
        End::Ask(bytes) => {
            let is_over = is_over(context, caller, bytes).await? != Some(false);
            // That it has done what it says meanwhile would be a reason, too; the chain says so before the application does.
            match context.look(caller, move |node| place(node, &tx, ended)).await? {
                Place::NotYet => return Ok(Fate::Pending),
                Place::Executed(Found { result, height, index, end: End::Final }) => {
                    return Ok(Fate::Executed { result, height, index, is_final: true });
                }
                Place::Executed(_) | Place::None => is_over,
            }
        }
    };
    Ok(Fate::Executed { result, height, index, is_final })
}

async fn is_over(context: &Arc<Context>, caller: &Caller, bytes: TxBytes) -> Result<Option<bool>, RpcError> {
    context.ask(caller, move |application| application.is_over(&bytes)).await
}

/// Where the chain's index, or else the journal, says that a transaction is.
fn place(node: &NodeHandle, tx: &TxHash, ended: Option<Ending>) -> Result<Place, RpcError> {
    if let Some(at) = node.chain().tx_location(tx)? {
        // First the height, which may rise meanwhile. Results are stored before the application commits: what it finds over because it
        // was executed just now is here already.
        if at.height > *node.executed().borrow() {
            return Ok(Place::NotYet);
        }
        if let Some(found) = in_block(node, tx, at.height)? {
            return Ok(Place::Executed(found));
        }
    }
    let Some(Ending::Executed { height, index, code }) = ended else { return Ok(Place::None) };
    // The block may be gone: then its code is all that is left.
    let end = if code == 0 { End::Final } else { End::Unsure };
    let gone = || Found { result: TxResult { code, ..TxResult::default() }, height, index, end };
    Ok(Place::Executed(in_block(node, tx, height)?.unwrap_or_else(gone)))
}

/// A transaction in the block of this height, if that is executed and kept.
fn in_block(node: &NodeHandle, tx: &TxHash, height: Height) -> Result<Option<Found>, RpcError> {
    if height > *node.executed().borrow() {
        return Ok(None);
    }
    let (Some(mut body), Some(mut results)) = (node.chain().block(height)?, node.chain().results(height)?)
    else {
        return Ok(None);
    };
    let Some(place) = body.block.txs.iter().position(|one| one == tx) else { return Ok(None) };
    if place >= results.tx_results.len() || place >= body.txs.len() {
        return Ok(None);
    }
    let result = results.tx_results.swap_remove(place);
    let end = if result.code == 0 { End::Final } else { End::Ask(body.txs.swap_remove(place)) };
    Ok(Some(Found { result, height, index: u32::try_from(place).unwrap_or(u32::MAX), end }))
}
