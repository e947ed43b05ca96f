//! The asset ledger: accounts of one or several keys, assets, locks, roles. The application a chain runs by default.
//!
//! | file | holds |
//! |---|---|
//! | `address`, `symbol`, `policy` | who holds an account, what an asset is called, accounts of several keys |
//! | `transaction`, `instruction`, `approval` | what can be asked for, and its bytes |
//! | `genesis`, `parameters` | the initial state, and what it fixes for good |
//! | `record` | the keys of all records |
//! | `execute`, `draft`, `cells`, `short` | what a block does to the records, and how all or nothing of a transaction is done |
//! | `account`, `balance`, `asset_record`, `lock`, `role`, `proposal`, `validator` | the records, and the instructions that change them |
//! | `validator_change`, `consensus_parameter` | what proposals can change of the chain itself |
//! | `misbehaviour`, `identity` | validators that contradicted themselves, and what became of those that were |
//! | `fee`, `idempotency` | what all instructions of a transaction have in common |
//! | `event` | what a change tells |
//! | `query` | what can be asked, and the proofs of answers |
//! | `codes` | why something is refused |

mod account;
mod address;
mod approval;
mod asset_record;
mod balance;
mod cells;
mod codes;
mod consensus_parameter;
mod draft;
mod event;
mod execute;
mod fee;
mod genesis;
mod idempotency;
mod identity;
mod instruction;
mod lock;
mod misbehaviour;
mod parameters;
mod policy;
mod proposal;
mod query;
mod record;
mod role;
mod short;
mod symbol;
pub(crate) mod text;
mod transaction;
mod validator;
mod validator_change;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use althing_crypto::ed25519;

pub use address::{Address, AddressError};
pub use approval::Approval;
pub use codes::{CODESPACE, Code};
pub(crate) use consensus_parameter::MAX_BLOCK_BYTES;
pub use consensus_parameter::{ConsensusParameter, check_params};
pub use fee::Fees;
pub use genesis::{GenesisAsset, GenesisBalance, GenesisRoles, GenesisState, GenesisValidator, Submission};
pub use idempotency::idempotency_key_text;
pub use instruction::{Change, Instruction};
pub use lock::{Lock, LockId, LockState};
pub use misbehaviour::Outcome;
pub use parameters::{OnEvidence, Parameters};
pub use policy::Policy;
pub use query::{
    AccountView, AssetView, BalanceView, ChangeView, GovernanceView, HistoryView, LockView, MAX_BACK,
    MAX_LIMIT, MisbehaviourStatus, MisbehaviourView, Page, PowerView, ProposalView, Question, RoleView,
    SupplyView, ValidatorView, VerifyError, verify,
};
pub use role::Role;
pub use symbol::{Symbol, SymbolError};
pub use transaction::{COIN, Transaction};
pub use validator::{Suspension, preview};
pub use validator_change::ValidatorChange;

use crate::{
    Admission, AppError, AppHash, Application, CheckKind, CheckedTx, CommitResult, FinalizeBlock,
    FinalizedBlock, Info, InitChain, InitChainResult, Query, QueryResult, TxError,
    state::{Changes, MemoryFiles, Staged, State, StateFiles},
};

/// The asset ledger over its state, whose versions are the heights: 0 is genesis.
pub struct AssetLedger {
    state: State,
    /// What genesis fixed; there is none before it.
    parameters: RwLock<Option<Arc<Parameters>>>,
    /// Of accounts that sign often it keeps the keys.
    signatures: ed25519::Verifier,
    /// The block finalized last, not yet committed.
    pending: Mutex<Option<Staged>>,
}

impl AssetLedger {
    /// Opens the ledger in `files`, of which nobody else makes use; no files are a ledger before its `init_chain`. As many
    /// heights as `kept_heights` can be asked about.
    ///
    /// An error means that the files cannot be read, are damaged, or are not those of an asset ledger.
    pub fn open(files: Arc<dyn StateFiles>, kept_heights: u64) -> Result<Self, AppError> {
        let state = State::open(files, kept_heights)?;
        let parameters = match state.version() {
            None => None,
            Some(height) => Some(Arc::new(parameters_at(&state, height)?)),
        };
        Ok(Self {
            state,
            parameters: RwLock::new(parameters),
            signatures: ed25519::Verifier::default(),
            pending: Mutex::new(None),
        })
    }

    fn parameters(&self) -> Option<Arc<Parameters>> {
        self.parameters.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn pending(&self) -> MutexGuard<'_, Option<Staged>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The height of the block to execute next, unless the chain is at its last.
    fn next_height(&self, parameters: &Parameters) -> Option<u64> {
        match self.state.version()? {
            0 => Some(parameters.initial_height),
            height => height.checked_add(1),
        }
    }
}

fn parameters_at(state: &State, height: u64) -> Result<Parameters, AppError> {
    let parameters: Option<Parameters> = record::read(&state.newest(), parameters::KEY)?;
    let parameters = parameters.ok_or_else(|| record::corrupt("parameters", "there are none"))?;
    if parameters.initial_height == 0 || (1..parameters.initial_height).contains(&height) {
        let reason = format!("height {height} on a chain whose first is {}", parameters.initial_height);
        return Err(record::corrupt("parameters", reason));
    }
    Ok(parameters)
}

impl Application for AssetLedger {
    fn info(&self) -> Result<Info, AppError> {
        let version = self.state.version();
        Ok(Info {
            name: "asset-ledger".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            last_height: version.unwrap_or_default(),
            app_hash: version.map_or_else(AppHash::default, |_| AppHash::from(self.state.root())),
            initialised: version.is_some(),
        })
    }

    fn query(&self, q: &Query) -> QueryResult {
        query::answer(&self.state, q)
    }

    fn precheck(&self, txs: &[&[u8]]) -> Vec<Result<Admission, TxError>> {
        let Some(parameters) = self.parameters() else {
            return txs.iter().map(|_| Err(not_initialised())).collect();
        };
        let read = |bytes: &&[u8]| {
            let tx = Transaction::read(bytes, &parameters.chain_id)?;
            let message = tx.sign_bytes_of(bytes);
            Ok((tx, message))
        };
        let read: Vec<_> = txs.iter().map(read).collect();
        let mut items = Vec::with_capacity(read.len());
        for (tx, message) in read.iter().flatten() {
            tx.approvals.iter().for_each(|approval| approval.items(message, &mut items));
        }
        let verdicts = self.signatures.verify_batch(&items);
        let mut verdicts = verdicts.as_slice();
        let judge = |read: &Result<(Transaction, Vec<u8>), TxError>| {
            let (tx, _) = read.as_ref().map_err(TxError::clone)?;
            let mut bad = None;
            for approval in &tx.approvals {
                // One verdict per signature, in order; were one missing, it would not count as checked.
                let (own, rest) =
                    verdicts.split_at_checked(approval.signature_count()).unwrap_or((&[false], &[]));
                verdicts = rest;
                if !own.iter().all(|good| *good) {
                    bad = bad.or(Some(approval));
                }
            }
            bad.map_or_else(|| Ok(admission(tx)), |approval| Err(bad_signature(tx, approval)))
        };
        read.iter().map(judge).collect()
    }

    fn check_tx(&self, tx: &[u8], kind: CheckKind) -> Result<CheckedTx, TxError> {
        self.check_txs(&[(tx, kind)]).pop().unwrap_or_else(|| Err(not_initialised()))
    }

    fn check_txs(&self, txs: &[(&[u8], CheckKind)]) -> Vec<Result<CheckedTx, TxError>> {
        let Some(parameters) = self.parameters() else {
            return txs.iter().map(|_| Err(not_initialised())).collect();
        };
        let read = |(tx, _): &(&[u8], _)| (Transaction::read(tx, &parameters.chain_id), tx.len());
        let read = txs.iter().map(read).collect();
        let height = self.next_height(&parameters).unwrap_or(u64::MAX);
        execute::check(&self.state.newest(), &parameters, height, read)
    }

    fn sender(&self, tx: &[u8]) -> Option<String> {
        let parameters = self.parameters()?;
        Transaction::sender_in(tx, &parameters.chain_id).map(|sender| sender.to_text())
    }

    fn is_over(&self, tx: &[u8]) -> Option<bool> {
        let parameters = self.parameters()?;
        let tx = Transaction::read(tx, &parameters.chain_id).ok()?;
        let height = self.next_height(&parameters).unwrap_or(u64::MAX);
        execute::is_over(&self.state.newest(), height, &tx)
    }

    fn init_chain(&self, init: &InitChain) -> Result<InitChainResult, AppError> {
        let (parameters, records) = self.begin(init)?;
        let Some(height) = self.state.version() else {
            let staged = self.state.stage(0, records)?;
            let app_hash = AppHash::from(staged.root());
            self.state.commit(staged)?;
            *self.parameters.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(parameters));
            return Ok(InitChainResult { app_hash });
        };
        // Again after a crash: what is there must be what would be made now.
        let anew = State::open(Arc::new(MemoryFiles::new()), 1)?.stage(0, records)?;
        let app_hash = AppHash::from(anew.root());
        if height != 0 || self.state.root() != anew.root() {
            return Err(self.other_genesis(height, &parameters, &app_hash));
        }
        Ok(InitChainResult { app_hash })
    }

    fn finalize_block(&self, b: &FinalizeBlock<'_>) -> Result<FinalizedBlock, AppError> {
        let parameters = self.parameters().ok_or(AppError::NotInitialised)?;
        let expected = self.next_height(&parameters);
        if expected != Some(b.height) {
            return Err(AppError::WrongHeight { expected: expected.unwrap_or(u64::MAX), found: b.height });
        }
        let outcome = execute::block(&self.state.newest(), &parameters, b)?;
        let staged = self.state.stage_sorted(b.height, &outcome.cells.changed())?;
        let app_hash = AppHash::from(staged.root());
        *self.pending() = Some(staged);
        let execute::Outcome { tx_results, events, validator_updates, param_updates, .. } = outcome;
        Ok(FinalizedBlock { tx_results, app_hash, validator_updates, param_updates, events })
    }

    fn commit(&self) -> Result<CommitResult, AppError> {
        let staged = self.pending().take().ok_or(AppError::NothingToCommit)?;
        self.state.commit(staged)?;
        Ok(CommitResult::default())
    }
}

impl AssetLedger {
    /// The state that a genesis makes; a function of `init` alone.
    fn begin(&self, init: &InitChain) -> Result<(Parameters, Changes), AppError> {
        let max = Transaction::MAX_CHAIN_ID_BYTES;
        if init.chain_id.is_empty() || init.chain_id.len() > max {
            let reason =
                format!("{:?} has {} bytes, 1 to {max} are needed", init.chain_id, init.chain_id.len());
            return Err(AppError::Genesis { field: "chain_id".to_owned(), reason });
        }
        if init.initial_height == 0 {
            let reason = "0 is the height of genesis itself; the first block has at least 1".to_owned();
            return Err(AppError::Genesis { field: "initial_height".to_owned(), reason });
        }
        GenesisState::from_json(&init.app_state)?.begin(init)
    }

    /// Why the state at hand is not the one that `begun` begins.
    fn other_genesis(&self, height: u64, begun: &Parameters, app_hash: &AppHash) -> AppError {
        let found = self.parameters();
        let reason = match found {
            _ if height != 0 => format!("it stands at height {height}"),
            Some(found) if found.chain_id != begun.chain_id => {
                format!("its chain id is {:?}, not {:?}", found.chain_id, begun.chain_id)
            }
            Some(found) if found.initial_height != begun.initial_height => {
                format!("its first height is {}, not {}", found.initial_height, begun.initial_height)
            }
            _ => format!("its application hash is {}, not {app_hash}", AppHash::from(self.state.root())),
        };
        AppError::OtherGenesis { reason }
    }
}

fn admission(tx: &Transaction) -> Admission {
    Admission {
        sender: Some(tx.sender.as_bytes().to_vec()),
        sequence: tx.sequence,
        priority: 0,
        expiry_height: (tx.expiry_height != 0).then_some(tx.expiry_height),
    }
}

fn bad_signature(tx: &Transaction, approval: &Approval) -> TxError {
    Code::BadSignature.refusal(format!(
        "a signature of {} is not that of its key over this transaction of {}: sign the bytes that docs/transactions.md gives",
        approval.account(),
        tx.sender
    ))
}

fn not_initialised() -> TxError {
    Code::NotInitialised.refusal("the chain has no state yet: send it again once it has begun")
}

#[cfg(test)]
mod tests;
