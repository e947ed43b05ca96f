//! The application boundary: one trait, its methods grouped by who calls them, in the manner of ABCI 2.0.

use crate::{
    Admission, AppError, AppHash, Bytes, CheckKind, CheckedTx, ChunkApplied, CommitResult, FinalizeBlock,
    FinalizedBlock, Info, InitChain, InitChainResult, Link, NoVote, PrepareProposal, ProcessProposal, Query,
    QueryResult, Snapshot, SnapshotOffer, TxError,
};

/// What a chain runs. The node brings transactions into one order; the application says what they mean.
///
/// **Calls.** Every method takes `&self` and may be called from any thread; an application guards its own state.
/// `init_chain`, `finalize_block` and `commit` come one at a time and in that order; all others may run beside them
/// and beside one another. Methods may block: the node never calls them from its event loops.
///
/// **Determinism.** Where a method's doc says *deterministic*, its answer must be the same on every validator, today
/// and on replay in years: a function of the arguments and of the committed state (or of the arguments and the chain
/// id, where it says *stateless*). No clock, no randomness, no floats, no order of a hash map, no local setting.
///
/// **Crashes.** State becomes durable in `init_chain` and in `commit`, nowhere else. At start the node asks `info`
/// and brings the application to its own height: `init_chain` if it is not `initialised`, then `finalize_block` and
/// `commit` for every committed block above `last_height`.
///
/// **Errors.** A [`TxError`] refuses one transaction and is the sender's affair. An [`AppError`] is a fault of the
/// application or its disk: the node stops with that message rather than go on from a state it does not know.
pub trait Application: Send + Sync + 'static {
    // Asked by JSON-RPC, and by the node at start.

    /// Where the application stands. Reads what is durable, so that after a crash it tells the truth; a block that
    /// is finalized but not committed does not show. Any number of calls at any time, before `init_chain` too.
    fn info(&self) -> Result<Info, AppError>;

    /// Answers a question about the committed state. Not part of consensus: it may depend on the version or settings
    /// of this node. `q` is hostile; what cannot be answered gets a code, codespace and log in the result. `height` and
    /// `value` of an answer belong together also when a commit runs beside it.
    fn query(&self, q: &Query) -> QueryResult;

    /// The way to it, if it is a process of its own. Only then may methods fail with [`AppError::Unavailable`].
    fn link(&self) -> Option<&dyn Link> {
        None
    }

    // Asked by the mempool, and when a proposal is checked.

    /// The stateless half of admission, for a batch: format, size, signatures. One verdict per transaction, in order.
    ///
    /// *Deterministic and stateless*: a block is valid only if all its transactions pass, so verdicts that differ
    /// between validators halt the chain. (Only the words of a log may differ.) `txs` are hostile bytes of any length. The node caches verdicts by hash and calls this in parallel; the same bytes may come again after a
    /// restart. Only called when `info().initialised`.
    fn precheck(&self, txs: &[&[u8]]) -> Vec<Result<Admission, TxError>>;

    /// The stateful half of admission, against the last committed state: would it execute if its turn came now?
    ///
    /// A filter, not a promise: by the time its block executes the state may differ, so `finalize_block` judges anew.
    /// Need not be deterministic across nodes (they stand at different heights). Called only for bytes that passed
    /// `precheck`, again ([`CheckKind::Recheck`]) after blocks that touched the sender (without a sender: that hold a
    /// transaction without one), and again after a restart.
    fn check_tx(&self, tx: &[u8], kind: CheckKind) -> Result<CheckedTx, TxError>;

    /// As [`check_tx`](Self::check_tx), of several: one verdict for each, in order, as if each had been asked for alone.
    fn check_txs(&self, txs: &[(&[u8], CheckKind)]) -> Vec<Result<CheckedTx, TxError>> {
        txs.iter().map(|(tx, kind)| self.check_tx(tx, *kind)).collect()
    }

    /// Whether `check_tx` reads the state. Where it does not, no block changes its verdicts, and the mempool does not ask again for those
    /// without a sender.
    fn check_reads_state(&self) -> bool {
        true
    }

    /// Who sent a transaction that passed `precheck`, as people write it, for the node's index (`tx.sender`). Only read from the bytes: no
    /// signature is checked again. Not part of consensus.
    fn sender(&self, _tx: &[u8]) -> Option<String> {
        None
    }

    /// Whether the transaction can never again do what it says, whatever blocks come: its sequence is used, its time is past. A client
    /// that is told so may safely send something else.
    ///
    /// Of the last committed state, for bytes that passed `precheck` once; changes no state. `None` where the application does not know,
    /// as by default: then what failed in a block counts as over, and what no block has does not.
    fn is_over(&self, _tx: &[u8]) -> Option<bool> {
        None
    }

    // Asked by consensus.

    /// Makes the initial state from the genesis document, durably, and returns its hash.
    ///
    /// *Deterministic.* Called before any block, once; again if the node crashed before it learnt of the outcome:
    /// while no block is committed, the same call must give the same answer and state. With another genesis, or after a
    /// commit, an error. An error means that the genesis is not acceptable or the disk failed; the node does not start.
    fn init_chain(&self, init: &InitChain) -> Result<InitChainResult, AppError>;

    /// As leader: which transactions go into the block, in which order. May drop, reorder and add; each that comes out
    /// must pass `precheck`, together they must fit `max_bytes`, none may come twice. If not, the node proposes an empty
    /// block. Need not be deterministic, changes no state; may be called any number of times for one height.
    ///
    /// By default: as given, up to the first that does not fit.
    fn prepare_proposal(&self, p: &PrepareProposal<'_>) -> Vec<Bytes> {
        as_given(p)
    }

    /// As voter: a reason not to vote for a block. Refusals stop the chain when they are many, so this is for what
    /// `precheck` cannot see and every honest leader avoids.
    ///
    /// *Deterministic*, a function of the proposal and of the committed state of the height before it; only called
    /// where the chain's `max_unexecuted_blocks` is 0, since otherwise voters stand at different heights. Changes no
    /// state; may be called any number of times for one height, with different blocks, also after a crash.
    fn process_proposal(&self, _p: &ProcessProposal<'_>) -> Result<(), NoVote> {
        Ok(())
    }

    /// Executes a committed block on the committed state and returns what came of it.
    ///
    /// *Deterministic*: codes, data, gas, the application hash and the validator updates are vouched for in later
    /// headers, and a validator that computes others stops. (Logs and events should be deterministic too, since
    /// people compare them.) A transaction that does not apply fails with a code and does not fail the block.
    ///
    /// Computes only: nothing is visible to the other methods or durable before `commit`. May be called again for the
    /// same height, after a crash or without one, with the same block, and must give the same answer; the last call
    /// counts. Honest leaders bring no transaction that is in a block already, a faulty one may: an application that old bytes could harm
    /// numbers its transactions. An error (a height other than the next one, a disk that cannot be read) stops the node.
    fn finalize_block(&self, b: &FinalizeBlock<'_>) -> Result<FinalizedBlock, AppError>;

    /// Makes the finalized block's state durable, in one atomic step with its height, and visible to all methods.
    ///
    /// Once this returns, `info` names the new height for good. If the node crashes within, the state is wholly before
    /// or wholly after the block, `info` tells which, and in the first case the node finalizes it again. An
    /// error leaves it at that too: the node stops, and asks `info` when it is started anew.
    fn commit(&self) -> Result<CommitResult, AppError>;

    // Asked by state sync. By default an application offers and takes no snapshots.

    /// The snapshots at hand. Need not be deterministic.
    fn list_snapshots(&self) -> Vec<Snapshot> {
        Vec::new()
    }

    /// Whether to restore from this snapshot, whose state must have `app_hash` (vouched for by a certificate; the rest
    /// of `snapshot` is a peer's word). Called on an application without state; begins anew if called again.
    fn offer_snapshot(&self, _snapshot: &Snapshot, _app_hash: &AppHash) -> Result<SnapshotOffer, AppError> {
        Ok(SnapshotOffer::Abort)
    }

    /// Chunk number `chunk` of a snapshot, or `None` if it is not at hand (any more).
    fn load_snapshot_chunk(&self, _height: u64, _format: u32, _chunk: u32) -> Option<Bytes> {
        None
    }

    /// Takes the chunk number `index` of the snapshot accepted last, as some peer sent it: hostile until the
    /// restored state shows the hash of the offer. After a crash the node starts over with an offer.
    fn apply_snapshot_chunk(&self, _index: u32, _chunk: &[u8]) -> Result<ChunkApplied, AppError> {
        Ok(ChunkApplied::Abort)
    }
}

/// The transactions in the mempool's order, up to the first that does not fit.
pub(crate) fn as_given(p: &PrepareProposal<'_>) -> Vec<Bytes> {
    let mut room = p.max_bytes;
    let fits = |tx: &&&[u8]| match room.checked_sub(tx.len()) {
        Some(rest) => {
            room = rest;
            true
        }
        None => false,
    };
    p.txs.iter().take_while(fits).map(|tx| tx.to_vec()).collect()
}
