//! The key-value sample: the application to read before writing one's own.
//!
//! Anybody may set, delete and compare-and-set keys; whoever asks gets a value or a range of keys, with a proof. There are
//! no accounts and no signatures, so a transaction protects nothing by being accepted once: who minds, compares and sets.
//!
//! Read it top to bottom. What every application needs is marked by its name in bold: **state**, **admission**, **execution**,
//! **queries**. The trait's own documentation says what must be deterministic and what may be called again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use althing_crypto::Encoding;
use borsh::{BorshDeserialize, BorshSerialize};
use serde_json::json;

use crate::state::{Changes, MemoryFiles, Records, Staged, State, StateFiles, Witness, witness};
use crate::{
    Admission, AppError, AppHash, Application, Attribute, CheckKind, CheckedTx, CommitResult, Event,
    FinalizeBlock, FinalizedBlock, Info, InitChain, InitChainResult, Query, QueryResult, TxError, TxResult,
};

/// The most bytes of a key.
pub const MAX_KEY: usize = 64;
/// The most bytes of a value.
pub const MAX_VALUE: usize = 1024;
/// The most keys in the answer to a range query.
pub const MAX_RANGE: usize = 100;
/// The codespace of the codes below.
pub const CODESPACE: &str = "kv";

/// Why something is refused. The numbers are part of what clients build on: never changed, never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Code {
    /// The bytes are no transaction, or no question.
    Malformed = 1,
    /// A key or a value is too long, or the key is empty.
    BadSize = 2,
    /// The key does not have the value that was expected.
    OtherValue = 3,
    /// No such query, a height that is not kept, or a disk that cannot be read.
    CannotAnswer = 4,
}

fn refuse(code: Code, log: impl Into<String>) -> TxError {
    TxError { code: code as u32, codespace: CODESPACE.to_owned(), log: log.into() }
}

fn unreadable(error: AppError) -> TxError {
    refuse(Code::CannotAnswer, error.to_string())
}

/// A transaction. The bytes that travel are [`Encoding::encode`] of it: a version byte, then borsh.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Transaction {
    /// Any number: honest nodes take the same bytes once only, so two transactions that ask for the same must differ in something.
    /// A faulty leader may bring old bytes again; where that does harm, count as the asset ledger does.
    pub nonce: u64,
    /// The key that it changes.
    pub key: Vec<u8>,
    /// How.
    pub operation: Operation,
}

/// A change of one key.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Operation {
    /// It gets this value, whatever it has.
    Set(Vec<u8>),
    /// It is removed, if it is there.
    Delete,
    /// If it has the first value (`None`: if it is not there) it gets the second: for clients that change one key at the same time.
    CompareAndSet(Option<Vec<u8>>, Vec<u8>),
}

impl Encoding for Transaction {
    const NAME: &'static str = "kv transaction";
    const VERSION: u8 = 1;
    const MAX_BYTES: usize = 4 << 10;
}

impl Transaction {
    /// Reads hostile bytes and holds them to every rule that needs no state.
    fn read(bytes: &[u8]) -> Result<Self, TxError> {
        let tx = Self::decode(bytes).map_err(|error| refuse(Code::Malformed, error.to_string()))?;
        check_sizes(&tx.key, &tx.value().unwrap_or_default()).map_err(|log| refuse(Code::BadSize, log))?;
        Ok(tx)
    }

    /// The value that the key is to have, unless it is to be removed.
    fn value(&self) -> Option<Vec<u8>> {
        match &self.operation {
            Operation::Set(value) | Operation::CompareAndSet(_, value) => Some(value.clone()),
            Operation::Delete => None,
        }
    }
}

fn check_sizes(key: &[u8], value: &[u8]) -> Result<(), String> {
    let (k, v) = (key.len(), value.len());
    if !(1..=MAX_KEY).contains(&k) || v > MAX_VALUE {
        return Err(format!(
            "key of {k}, value of {v} bytes: 1 to {MAX_KEY}, at most {MAX_VALUE} are allowed"
        ));
    }
    Ok(())
}

/// **State** lies in a [`State`]: ordered records that hash to a root, kept for several heights. Its versions are the heights of
/// the chain, 0 being genesis. Besides, there is only the block that was finalized and not committed.
pub struct KeyValue {
    state: State,
    pending: Mutex<Option<Staged>>,
}

impl KeyValue {
    /// Opens what `files` hold; no files are an application before its `init_chain`. That many heights can be asked about.
    pub fn open(files: Arc<dyn StateFiles>, kept_heights: u64) -> Result<Self, AppError> {
        Ok(Self { state: State::open(files, kept_heights)?, pending: Mutex::new(None) })
    }
}

impl Application for KeyValue {
    fn info(&self) -> Result<Info, AppError> {
        let version = self.state.version();
        Ok(Info {
            name: "kv".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            last_height: version.unwrap_or_default(),
            app_hash: version.map_or_else(AppHash::default, |_| AppHash::from(self.state.root())),
            initialised: version.is_some(),
        })
    }

    /// The genesis document's `application.state` is an object of texts: the first keys and values.
    fn init_chain(&self, init: &InitChain) -> Result<InitChainResult, AppError> {
        let fault = |reason: String| AppError::Genesis { field: "application.state".to_owned(), reason };
        let first = serde_json::from_slice::<BTreeMap<String, String>>(&init.app_state);
        let mut records = Changes::new();
        for (key, value) in first.map_err(|error| fault(error.to_string()))? {
            let (key, value) = (key.into_bytes(), value.into_bytes());
            check_sizes(&key, &value).map_err(fault)?;
            records.insert(key, Some(value));
        }
        if init.initial_height != 1 {
            return Err(fault(format!("this application begins at height 1, not {}", init.initial_height)));
        }
        // After a crash the same call comes again: then what it would make must be what is there.
        let anew = State::open(Arc::new(MemoryFiles::new()), 1)?.stage(0, records.clone())?.root();
        match self.state.version() {
            None => self.state.commit(self.state.stage(0, records)?)?,
            Some(0) if self.state.root() == anew => {}
            Some(height) => Err(AppError::OtherGenesis { reason: format!("it is at height {height}") })?,
        }
        Ok(InitChainResult { app_hash: AppHash::from(self.state.root()) })
    }

    /// **Admission**, first half: what the bytes alone tell. Every validator must come to the same verdict, for ever.
    fn precheck(&self, txs: &[&[u8]]) -> Vec<Result<Admission, TxError>> {
        let admit = |_| Admission { sender: None, sequence: 0, priority: 0, expiry_height: None };
        txs.iter().map(|tx| Transaction::read(tx).map(admit)).collect()
    }

    /// **Admission**, second half: would it execute now? Only a hint, since the state may be another when its turn comes.
    fn check_tx(&self, tx: &[u8], _: CheckKind) -> Result<CheckedTx, TxError> {
        let tx = Transaction::read(tx)?;
        change(&tx, |key| self.state.newest().get(key)).map_err(unreadable)??;
        Ok(CheckedTx { next_sequence: None })
    }

    /// **Execution**: transactions in order, each on what those before it left. A transaction that does not apply fails with a
    /// code and changes nothing; only a disk that cannot be read is an error of the block.
    fn finalize_block(&self, block: &FinalizeBlock<'_>) -> Result<FinalizedBlock, AppError> {
        let expected = self.state.version().ok_or(AppError::NotInitialised)? + 1;
        if block.height != expected {
            return Err(AppError::WrongHeight { expected, found: block.height });
        }
        let newest = self.state.newest();
        let mut changes = Changes::new();
        let mut tx_results = Vec::with_capacity(block.txs.len());
        for tx in block.txs {
            let read = |key: &[u8]| changes.get(key).map_or_else(|| newest.get(key), |set| Ok(set.clone()));
            let executed = match Transaction::read(tx) {
                Err(refusal) => Err(refusal),
                Ok(tx) => change(&tx, read)?.map(|value| (tx.key, value)),
            };
            tx_results.push(match executed {
                Err(refusal) => TxResult::from(refusal),
                Ok((key, value)) => {
                    let events = vec![changed(&key, value.is_some())];
                    changes.insert(key, value);
                    TxResult { events, ..TxResult::default() }
                }
            });
        }
        let staged = self.state.stage(block.height, changes)?;
        let app_hash = AppHash::from(staged.root());
        *self.pending.lock().unwrap_or_else(PoisonError::into_inner) = Some(staged);
        Ok(FinalizedBlock { tx_results, app_hash, ..FinalizedBlock::default() })
    }

    fn commit(&self) -> Result<CommitResult, AppError> {
        let staged = self.pending.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.state.commit(staged.ok_or(AppError::NothingToCommit)?)?;
        Ok(CommitResult::default())
    }

    /// **Queries**: `get` with a key as data; `range` with `["from","to"]`: keys from the first, below the second (empty: to
    /// the end), [`MAX_RANGE`] at most. Answers are JSON, keys and values in it hexadecimal digits, as they need not be text; a key
    /// that is absent is `null`. With a proof comes the part of the state that was read; [`verify`] asks the same of that part.
    fn query(&self, q: &Query) -> QueryResult {
        let view = if q.height == 0 { Some(self.state.newest()) } else { self.state.at(q.height) };
        let Some((view, height)) = view.and_then(|view| view.version().map(|height| (view, height))) else {
            let log = format!("height {} is not kept: ask for a newer one, or for 0, the newest", q.height);
            return refuse(Code::CannotAnswer, log).into();
        };
        let asked = if q.prove {
            let asked = witness(&view, |records| Ok(answer(records, q))).map_err(unreadable);
            asked.and_then(|(value, proof)| Ok((value?, Some(proof))))
        } else {
            answer(&view, q).map(|value| (value, None))
        };
        let answered = |(value, proof)| QueryResult { value, proof, height, ..QueryResult::default() };
        asked.map_or_else(QueryResult::from, answered)
    }
}

/// The value that the key gets, or why not. Written once, and used on the committed state and on that of a block.
fn change(
    tx: &Transaction,
    read: impl FnOnce(&[u8]) -> Result<Option<Vec<u8>>, AppError>,
) -> Result<Result<Option<Vec<u8>>, TxError>, AppError> {
    match &tx.operation {
        Operation::CompareAndSet(expected, _) if read(&tx.key)? != *expected => {
            let log = "the key has another value than expected: read it again, then decide";
            Ok(Err(refuse(Code::OtherValue, log)))
        }
        _ => Ok(Ok(tx.value())),
    }
}

fn changed(key: &[u8], set: bool) -> Event {
    let attribute = Attribute { key: "key".to_owned(), value: hex::encode(key), index: true };
    Event { kind: if set { "set" } else { "delete" }.to_owned(), attributes: vec![attribute] }
}

/// The answer to a question, from records alone: those of the node, or those of a proof.
fn answer(records: &dyn Records, q: &Query) -> Result<Vec<u8>, TxError> {
    let found = match q.path.as_str() {
        "get" => json!(records.get(&q.data).map_err(unreadable)?.map(hex::encode)),
        "range" => {
            let bounds = serde_json::from_slice::<[String; 2]>(&q.data).ok();
            let bounds = bounds.and_then(|[from, to]| hex::decode(from).ok().zip(hex::decode(to).ok()));
            let malformed = || refuse(Code::Malformed, r#"data: say ["from","to"], in hexadecimal digits"#);
            let (from, to) = bounds.ok_or_else(malformed)?;
            let found = records.range(&from, &to, MAX_RANGE).map_err(unreadable)?;
            found.iter().map(|(key, value)| json!([hex::encode(key), hex::encode(value)])).collect()
        }
        _ => return Err(refuse(Code::CannotAnswer, "no such query: there are \"get\" and \"range\"")),
    };
    Ok(found.to_string().into_bytes())
}

/// Whether an answer is what a state with this hash gives to this question. The hash must come from a header that is trusted and
/// that vouches for the answer's height: one above it, as execution follows the order of blocks.
pub fn verify(q: &Query, answered: &QueryResult, app_hash: &AppHash) -> bool {
    let Some(Ok(witness)) = answered.proof.as_deref().map(Witness::decode) else { return false };
    answered.code == 0
        && answered.key.is_empty()
        && [0, answered.height].contains(&q.height)
        && AppHash::from(witness.root()) == *app_hash
        && answer(&witness, q).is_ok_and(|value| value == answered.value)
}

#[cfg(test)]
mod tests;
