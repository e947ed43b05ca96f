//! The asset ledger, with what is a pure function of a transaction's bytes computed once for all nodes and runs of the process:
//! Ed25519 would take most of a simulation's time, and runs offer the same transactions.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use althing_crypto::TxHash;
use althing_ledger::{
    Admission, AppError, Application, AssetLedger, CheckKind, CheckedTx, CommitResult, FinalizeBlock,
    FinalizedBlock, Info, InitChain, InitChainResult, Query, QueryResult, TxError,
};

type Verdict = Result<Admission, TxError>;

/// Verdicts kept; beyond that they are computed each time.
const MAX_VERDICTS: usize = 100_000;

static VERDICTS: Mutex<BTreeMap<TxHash, Verdict>> = Mutex::new(BTreeMap::new());

/// The ledger.
pub(super) struct Memoized(pub(super) AssetLedger);

impl Memoized {
    fn verdict(&self, tx: &[u8]) -> Verdict {
        let hash = TxHash::of(tx);
        let lock = || VERDICTS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(verdict) = lock().get(&hash) {
            return verdict.clone();
        }
        let verdict = self.0.precheck(&[tx]).swap_remove(0);
        let mut verdicts = lock();
        if verdicts.len() < MAX_VERDICTS {
            verdicts.insert(hash, verdict.clone());
        }
        verdict
    }
}

impl Application for Memoized {
    fn info(&self) -> Result<Info, AppError> {
        self.0.info()
    }

    fn query(&self, q: &Query) -> QueryResult {
        self.0.query(q)
    }

    fn precheck(&self, txs: &[&[u8]]) -> Vec<Verdict> {
        txs.iter().map(|tx| self.verdict(tx)).collect()
    }

    fn check_tx(&self, tx: &[u8], kind: CheckKind) -> Result<CheckedTx, TxError> {
        self.0.check_tx(tx, kind)
    }

    fn init_chain(&self, init: &InitChain) -> Result<InitChainResult, AppError> {
        self.0.init_chain(init)
    }

    fn finalize_block(&self, b: &FinalizeBlock<'_>) -> Result<FinalizedBlock, AppError> {
        self.0.finalize_block(b)
    }

    fn commit(&self) -> Result<CommitResult, AppError> {
        self.0.commit()
    }
}
