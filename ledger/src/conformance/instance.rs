//! Calls to an application, a panic in which is a failure like any other.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use super::samples::BlockSample;
use crate::{
    Admission, AppError, AppHash, Application, Bytes, CheckKind, CheckedTx, ChunkApplied, FinalizeBlock,
    FinalizedBlock, Info, InitChain, InitChainResult, NoVote, PrepareProposal, ProcessProposal, Query,
    QueryResult, Snapshot, SnapshotOffer, TxError,
};

/// Why a check goes no further.
#[derive(Debug, Clone)]
pub(super) enum Stop {
    /// What was seen that should not be.
    Failed(String),
    /// What the application does not do.
    NotOffered(&'static str),
}

/// What a check, or a step of it, comes to.
pub(super) type Seen<T = ()> = Result<T, Stop>;

/// Ends a check as failed.
pub(super) fn fail<T>(sentence: impl Into<String>) -> Seen<T> {
    Err(Stop::Failed(sentence.into()))
}

/// Fails with a sentence unless something holds.
pub(super) fn ensure(holds: bool, sentence: impl FnOnce() -> String) -> Seen {
    if holds { Ok(()) } else { fail(sentence()) }
}

/// Runs code of the subject's. Its state may be anything after a panic: the caller ends the check.
pub(super) fn guard<T>(call: &str, run: impl FnOnce() -> T) -> Seen<T> {
    catch_unwind(AssertUnwindSafe(run)).or_else(|panic| fail(format!("{call} panicked: {}", words(&*panic))))
}

fn words(panic: &(dyn Any + Send)) -> &str {
    let owned = panic.downcast_ref::<String>().map(String::as_str);
    owned.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without words")
}

/// How long an application elsewhere may take to listen.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running application.
pub(super) struct Instance(Arc<dyn Application>);

impl Instance {
    pub(super) fn start(place: &super::Place) -> Seen<Self> {
        let app = match guard("starting the application", place)? {
            Ok(app) => Self(app),
            Err(error) => return fail(format!("the application does not start: {error}")),
        };
        match app.0.link().map_or(Ok(true), |link| link.connect(PATIENCE)) {
            Ok(true) => Ok(app),
            Ok(false) => fail("the link to the application is closed"),
            Err(error) => fail(format!("the application cannot be reached: {error}")),
        }
    }

    /// A call. What is a panic here is the end of its process for an application elsewhere.
    fn call<T>(&self, name: &str, call: impl FnOnce(&dyn Application) -> T) -> Seen<T> {
        let answer = guard(name, || call(&*self.0))?;
        if let Some(link) = self.0.link().filter(|link| !link.is_up()) {
            return fail(format!("{name} ended the application: {}", link.trouble().unwrap_or_default()));
        }
        Ok(answer)
    }

    pub(super) fn info(&self) -> Seen<Info> {
        self.call("info", |app| app.info())?.or_else(|error| fail(format!("info failed: {error}")))
    }

    pub(super) fn query(&self, q: &Query) -> Seen<QueryResult> {
        self.call("query", |app| app.query(q))
    }

    /// One verdict per transaction, or the check fails.
    pub(super) fn precheck(&self, txs: &[Bytes]) -> Seen<Vec<Result<Admission, TxError>>> {
        let verdicts = self.call("precheck", |app| app.precheck(&slices(txs)))?;
        ensure(verdicts.len() == txs.len(), || {
            format!("precheck gave {} verdicts for {} transactions", verdicts.len(), txs.len())
        })?;
        for refusal in verdicts.iter().filter_map(|verdict| verdict.as_ref().err()) {
            ensure(refusal.code != 0, || format!("precheck refused a transaction with code 0: {refusal}"))?;
        }
        Ok(verdicts)
    }

    pub(super) fn check_tx(&self, tx: &[u8], kind: CheckKind) -> Seen<Result<CheckedTx, TxError>> {
        let verdict = self.call("check_tx", |app| app.check_tx(tx, kind))?;
        ensure(verdict.as_ref().err().is_none_or(|refusal| refusal.code != 0), || {
            "check_tx refused a transaction with code 0".to_owned()
        })?;
        Ok(verdict)
    }

    pub(super) fn check_txs(&self, txs: &[Bytes]) -> Seen<Vec<Result<CheckedTx, TxError>>> {
        let asked: Vec<_> = txs.iter().map(|tx| (&tx[..], CheckKind::New)).collect();
        let verdicts = self.call("check_txs", |app| app.check_txs(&asked))?;
        ensure(verdicts.len() == txs.len(), || {
            format!("check_txs gave {} verdicts for {} transactions", verdicts.len(), txs.len())
        })?;
        Ok(verdicts)
    }

    pub(super) fn init_chain(&self, init: &InitChain) -> Seen<Result<InitChainResult, AppError>> {
        self.call("init_chain", |app| app.init_chain(init))
    }

    pub(super) fn prepare_proposal(&self, block: &BlockSample, max_bytes: usize) -> Seen<Vec<Bytes>> {
        let BlockSample { height, time_ms, proposer, .. } = *block;
        let txs = &slices(&block.txs)[..];
        let asked =
            PrepareProposal { height, time_ms, txs, max_bytes, proposer, misbehaviour: &block.misbehaviour };
        self.call("prepare_proposal", |app| app.prepare_proposal(&asked))
    }

    pub(super) fn process_proposal(&self, block: &BlockSample) -> Seen<Result<(), NoVote>> {
        let BlockSample { height, time_ms, hash, proposer, .. } = *block;
        let txs = &slices(&block.txs)[..];
        let asked =
            ProcessProposal { height, time_ms, hash, txs, proposer, misbehaviour: &block.misbehaviour };
        self.call("process_proposal", |app| app.process_proposal(&asked))
    }

    pub(super) fn finalize_block(&self, block: &BlockSample) -> Seen<Result<FinalizedBlock, AppError>> {
        let BlockSample { height, time_ms, hash, proposer, .. } = *block;
        let txs = &slices(&block.txs)[..];
        let asked = FinalizeBlock {
            height,
            time_ms,
            hash,
            txs,
            proposer,
            members: &block.members,
            misbehaviour: &block.misbehaviour,
        };
        self.call("finalize_block", |app| app.finalize_block(&asked))
    }

    pub(super) fn commit(&self) -> Seen<Result<(), AppError>> {
        self.call("commit", |app| app.commit().map(|_| ()))
    }

    pub(super) fn list_snapshots(&self) -> Seen<Vec<Snapshot>> {
        self.call("list_snapshots", |app| app.list_snapshots())
    }

    pub(super) fn offer_snapshot(
        &self,
        snapshot: &Snapshot,
        hash: &AppHash,
    ) -> Seen<Result<SnapshotOffer, AppError>> {
        self.call("offer_snapshot", |app| app.offer_snapshot(snapshot, hash))
    }

    pub(super) fn load_snapshot_chunk(&self, height: u64, format: u32, chunk: u32) -> Seen<Option<Bytes>> {
        self.call("load_snapshot_chunk", |app| app.load_snapshot_chunk(height, format, chunk))
    }

    pub(super) fn apply_snapshot_chunk(
        &self,
        index: u32,
        chunk: &[u8],
    ) -> Seen<Result<ChunkApplied, AppError>> {
        self.call("apply_snapshot_chunk", |app| app.apply_snapshot_chunk(index, chunk))
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        if let Some(link) = self.0.link() {
            link.close();
        }
    }
}

fn slices(txs: &[Bytes]) -> Vec<&[u8]> {
    txs.iter().map(Vec::as_slice).collect()
}
