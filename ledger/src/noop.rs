//! An application that does nothing with its transactions but count them: any bytes are one, and nobody signs.
//!
//! With it a chain shows what ordering alone costs: beside prototypes of consensus that neither check signatures nor execute. All that the
//! node does is as ever: blocks, results and the index of transactions are stored, and the count is durable with each block.

use std::sync::{Arc, Mutex, PoisonError};

use crate::state::{Changes, MemoryFiles, Records, Staged, State, StateFiles};
use crate::{
    Admission, AppError, AppHash, Application, CheckKind, CheckedTx, CommitResult, FinalizeBlock,
    FinalizedBlock, Info, InitChain, InitChainResult, Query, QueryResult, TxError, TxResult,
};

/// The codespace of the code below.
pub const CODESPACE: &str = "noop";
/// Refuses a question that is not about the count, or about a height that is not kept.
pub const CANNOT_ANSWER: u32 = 1;

/// The record of how many there were, as a little-endian number of 64 bits.
const COUNT: &[u8] = b"count";

/// Counts transactions.
pub struct Noop {
    state: State,
    pending: Mutex<Option<Staged>>,
}

impl Noop {
    /// Opens what `files` hold; no files are an application before its `init_chain`. That many heights can be asked about.
    pub fn open(files: Arc<dyn StateFiles>, kept_heights: u64) -> Result<Self, AppError> {
        Ok(Self { state: State::open(files, kept_heights)?, pending: Mutex::new(None) })
    }

    fn count(&self) -> Result<u64, AppError> {
        let count = self.state.newest().get(COUNT)?.and_then(|count| count.try_into().ok());
        Ok(count.map_or(0, u64::from_le_bytes))
    }
}

fn counted(count: u64) -> Changes {
    Changes::from([(COUNT.to_vec(), Some(count.to_le_bytes().to_vec()))])
}

impl Application for Noop {
    fn info(&self) -> Result<Info, AppError> {
        let version = self.state.version();
        Ok(Info {
            name: "noop".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            last_height: version.unwrap_or_default(),
            app_hash: version.map_or_else(AppHash::default, |_| AppHash::from(self.state.root())),
            initialised: version.is_some(),
        })
    }

    /// The genesis document's `application.state` is not read.
    fn init_chain(&self, init: &InitChain) -> Result<InitChainResult, AppError> {
        if init.initial_height != 1 {
            let reason = format!("this application begins at height 1, not {}", init.initial_height);
            return Err(AppError::Genesis { field: "initial_height".to_owned(), reason });
        }
        // After a crash the same call comes again: then what it would make must be what is there.
        let anew = State::open(Arc::new(MemoryFiles::new()), 1)?.stage(0, counted(0))?.root();
        match self.state.version() {
            None => self.state.commit(self.state.stage(0, counted(0))?)?,
            Some(0) if self.state.root() == anew => {}
            Some(height) => Err(AppError::OtherGenesis { reason: format!("it is at height {height}") })?,
        }
        Ok(InitChainResult { app_hash: AppHash::from(self.state.root()) })
    }

    fn precheck(&self, txs: &[&[u8]]) -> Vec<Result<Admission, TxError>> {
        let admission = Admission { sender: None, sequence: 0, priority: 0, expiry_height: None };
        txs.iter().map(|_| Ok(admission.clone())).collect()
    }

    fn check_tx(&self, _: &[u8], _: CheckKind) -> Result<CheckedTx, TxError> {
        Ok(CheckedTx { next_sequence: None })
    }

    fn check_reads_state(&self) -> bool {
        false
    }

    fn finalize_block(&self, block: &FinalizeBlock<'_>) -> Result<FinalizedBlock, AppError> {
        let expected = self.state.version().ok_or(AppError::NotInitialised)? + 1;
        if block.height != expected {
            return Err(AppError::WrongHeight { expected, found: block.height });
        }
        let count = self.count()?.wrapping_add(block.txs.len() as u64);
        let changes = if block.txs.is_empty() { Changes::new() } else { counted(count) };
        let staged = self.state.stage(block.height, changes)?;
        let app_hash = AppHash::from(staged.root());
        *self.pending.lock().unwrap_or_else(PoisonError::into_inner) = Some(staged);
        let tx_results = vec![TxResult::default(); block.txs.len()];
        Ok(FinalizedBlock { tx_results, app_hash, ..FinalizedBlock::default() })
    }

    fn commit(&self) -> Result<CommitResult, AppError> {
        let staged = self.pending.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.state.commit(staged.ok_or(AppError::NothingToCommit)?)?;
        Ok(CommitResult::default())
    }

    /// `count`: how many transactions there were, as a decimal number.
    fn query(&self, q: &Query) -> QueryResult {
        let refuse = |log: String| TxError { code: CANNOT_ANSWER, codespace: CODESPACE.to_owned(), log };
        if q.path != "count" || ![0, self.state.version().unwrap_or_default()].contains(&q.height) || q.prove
        {
            return refuse("there is \"count\", of the newest height, without a proof".to_owned()).into();
        }
        match (self.count(), self.state.version()) {
            (Ok(count), Some(height)) => {
                QueryResult { value: count.to_string().into_bytes(), height, ..QueryResult::default() }
            }
            (Err(error), _) => refuse(error.to_string()).into(),
            (_, None) => refuse("the chain has not begun".to_owned()).into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_counts_durably_and_refuses_nothing() {
        let files = Arc::new(MemoryFiles::new());
        let noop = Noop::open(files.clone(), 3).unwrap();
        let init = InitChain { initial_height: 1, ..InitChain::default() };
        let first = noop.init_chain(&init).unwrap().app_hash;
        assert_eq!(noop.init_chain(&init).unwrap().app_hash, first, "again after a crash");
        assert!(noop.precheck(&[b"a", b""]).iter().all(Result::is_ok));
        let mut block = FinalizeBlock {
            height: 1,
            time_ms: 1,
            hash: althing_crypto::Hash::ZERO,
            txs: &[b"a", b"b"],
            proposer: [0; 32],
            members: &[],
            misbehaviour: &[],
        };
        let executed = noop.finalize_block(&block).unwrap();
        assert_eq!(executed.tx_results.len(), 2);
        assert_ne!(executed.app_hash, first);
        noop.commit().unwrap();
        block.height = 2;
        block.txs = &[];
        assert_eq!(
            noop.finalize_block(&block).unwrap().app_hash,
            executed.app_hash,
            "an empty block counts nothing"
        );
        noop.commit().unwrap();
        let again = Noop::open(files, 3).unwrap();
        let question = Query { path: "count".into(), ..Query::default() };
        let answer = again.query(&question);
        assert_eq!((answer.value, answer.height), (b"2".to_vec(), 2));
        assert_eq!(again.query(&Query { path: "get".into(), ..question }).code, CANNOT_ANSWER);
    }
}
