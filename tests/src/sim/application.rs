//! The asset ledger, with a kind of transaction more that changes validators and parameters, whoever sends it, and with what is a pure function of a transaction's bytes computed once for all nodes and runs of the process:
//! Ed25519 would take most of a simulation's time, and runs offer the same transactions.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use althing_crypto::TxHash;
use althing_ledger::{
    Admission, AppError, Application, AssetLedger, CheckKind, CheckedTx, CommitResult, FinalizeBlock,
    FinalizedBlock, Info, InitChain, InitChainResult, ParamUpdates, Query, QueryResult, TxError, TxResult,
    ValidatorUpdate,
};
use borsh::{BorshDeserialize, BorshSerialize};

type Verdict = Result<Admission, TxError>;

/// Verdicts kept; beyond that they are computed each time.
const MAX_VERDICTS: usize = 100_000;

static VERDICTS: Mutex<BTreeMap<TxHash, Verdict>> = Mutex::new(BTreeMap::new());

/// The fewest transactions that a change of the parameters leaves to a block.
pub(super) const LEAST_BLOCK_TXS: u32 = 20;

/// A transaction that changes validators and parameters.
#[derive(Clone, Debug, Default, BorshSerialize, BorshDeserialize)]
pub struct Change {
    /// Two changes to the same are two transactions.
    pub nonce: u64,
    /// Of validators.
    pub validators: Vec<ValidatorUpdate>,
    /// Of parameters.
    pub params: ParamUpdates,
    /// Nothing: more bytes.
    pub padding: Vec<u8>,
}

impl Change {
    /// No transaction of the ledger begins so.
    const TAG: &'static [u8] = b"change of validators:";

    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        [Self::TAG, &borsh::to_vec(self).expect("memory")].concat()
    }

    fn decode(tx: &[u8]) -> Option<Self> {
        borsh::from_slice(tx.strip_prefix(Self::TAG)?).ok()
    }
}

/// The ledger.
pub(super) struct Memoized(pub(super) AssetLedger);

impl Memoized {
    fn verdict(&self, tx: &[u8]) -> Verdict {
        if Change::decode(tx).is_some() {
            return Ok(Admission { sender: None, sequence: 0, priority: 1, expiry_height: None });
        }
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
        if Change::decode(tx).is_some() {
            return Ok(CheckedTx { next_sequence: None });
        }
        self.0.check_tx(tx, kind)
    }

    fn init_chain(&self, init: &InitChain) -> Result<InitChainResult, AppError> {
        self.0.init_chain(init)
    }

    fn finalize_block(&self, b: &FinalizeBlock<'_>) -> Result<FinalizedBlock, AppError> {
        let changes: Vec<Option<Change>> = b.txs.iter().map(|tx| Change::decode(tx)).collect();
        if changes.iter().all(Option::is_none) {
            return self.0.finalize_block(b);
        }
        let others = b.txs.iter().zip(&changes).filter(|(_, change)| change.is_none());
        let others: Vec<&[u8]> = others.map(|(tx, _)| *tx).collect();
        let mut finalized = self.0.finalize_block(&FinalizeBlock { txs: &others, ..*b })?;
        let mut results = std::mem::take(&mut finalized.tx_results).into_iter();
        for change in &changes {
            let own = || TxResult::default();
            finalized.tx_results.push(if change.is_some() {
                own()
            } else {
                results.next().unwrap_or_default()
            });
        }
        // Of several in a block the last one counts: together they might name a validator twice.
        if let Some(change) = changes.into_iter().flatten().next_back() {
            finalized.validator_updates = change.validators;
            finalized.param_updates = change.params;
        }
        Ok(finalized)
    }

    fn commit(&self) -> Result<CommitResult, AppError> {
        self.0.commit()
    }
}
