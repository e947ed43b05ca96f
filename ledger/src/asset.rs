//! The asset ledger: accounts of Ed25519 keys, one native asset, transfers. The application a chain runs by default.
//!
//! | file | holds |
//! |---|---|
//! | `address` | who holds an account |
//! | `transaction` | what an account's owner may ask for, and its bytes |
//! | `genesis` | the initial state |
//! | `state`, `tree` | the records, and the authenticated tree over them |
//! | `execute` | what a block does to the records |
//! | `query` | what can be asked |
//! | `codes` | why something is refused |

mod address;
mod codes;
mod execute;
mod genesis;
mod query;
mod state;
mod transaction;
mod tree;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use althing_crypto::{Encoding, ed25519};

pub use address::{Address, AddressError};
pub use codes::{CODESPACE, Code};
pub use genesis::{GenesisAccount, GenesisAsset, GenesisState};
pub use query::AccountView;
pub use state::Asset;
pub use transaction::{Instruction, Transaction};

use crate::{
    Admission, AppError, AppHash, Application, CheckKind, CheckedTx, CommitResult, FinalizeBlock,
    FinalizedBlock, Info, InitChain, InitChainResult, Query, QueryResult, StateStore, TxError, Write,
};
use execute::Execution;
use state::{ASSET_KEY, Account, HEAD_KEY, Head, account_key, corrupt, read};

/// The asset ledger over a store. Several readers may ask it while a block executes.
pub struct AssetLedger {
    store: Arc<dyn StateStore>,
    /// Held for reading while records are read, for writing while a batch is: so that records and head belong together.
    head: RwLock<Option<Head>>,
    /// The block finalized last, not yet committed.
    pending: Mutex<Option<Pending>>,
}

struct Pending {
    head: Head,
    batch: Vec<Write>,
}

impl AssetLedger {
    /// Opens the ledger that `store` holds; an empty store is a ledger before its `init_chain`.
    ///
    /// An error means that the store cannot be read or that its content is damaged or of another version.
    pub fn open(store: Arc<dyn StateStore>) -> Result<Self, AppError> {
        let head: Option<Head> = read(&*store, HEAD_KEY)?;
        if let Some(Head { initial_height, height, .. }) = head
            && (initial_height == 0 || (1..initial_height).contains(&height))
        {
            return Err(corrupt(
                "ledger head",
                format!("height {height} on a chain whose first is {initial_height}"),
            ));
        }
        if let Some(head) = &head
            && tree::root(&*store, head.version())? != Some(head.root)
        {
            return Err(corrupt(
                "state tree",
                format!("its root is not the one recorded at height {}", head.height),
            ));
        }
        Ok(Self { store, head: RwLock::new(head), pending: Mutex::new(None) })
    }

    fn head(&self) -> RwLockReadGuard<'_, Option<Head>> {
        self.head.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn head_mut(&self) -> RwLockWriteGuard<'_, Option<Head>> {
        self.head.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn pending(&self) -> MutexGuard<'_, Option<Pending>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The head that follows `head` with these records changed, and the writes that lead there.
    fn advance(&self, head: Head, records: Vec<(Vec<u8>, Vec<u8>)>) -> Result<Pending, AppError> {
        let (root, mut batch) = tree::update(&*self.store, head.version(), &records)?;
        let head = Head { root, ..head };
        batch.extend(records.into_iter().map(|(key, value)| (key, Some(value))));
        batch.push((HEAD_KEY.to_vec(), Some(head.encode())));
        Ok(Pending { head, batch })
    }
}

impl Application for AssetLedger {
    fn info(&self) -> Info {
        let head = self.head();
        Info {
            name: "asset-ledger".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            last_height: head.as_ref().map_or(0, |head| head.height),
            app_hash: head.as_ref().map_or_else(AppHash::default, Head::app_hash),
            initialised: head.is_some(),
        }
    }

    fn query(&self, q: &Query) -> QueryResult {
        query::answer(&*self.store, self.head().as_ref(), q)
    }

    fn precheck(&self, txs: &[&[u8]]) -> Vec<Result<Admission, TxError>> {
        let head = self.head().clone();
        let read: Vec<_> = txs
            .iter()
            .map(|bytes| {
                let tx = Transaction::read(bytes, &head.as_ref().ok_or_else(not_initialised)?.chain_id)?;
                Ok((tx, transaction::sign_bytes(bytes)))
            })
            .collect();
        let items: Vec<_> = read
            .iter()
            .flatten()
            .map(|(tx, message)| ed25519::Item { key: tx.sender, message, signature: tx.signature })
            .collect();
        let mut verdicts = ed25519::verify_batch(&items).into_iter();
        read.iter()
            .map(|read| {
                let (tx, _) = read.as_ref().map_err(TxError::clone)?;
                // One verdict per item, in order; were one missing, the signature would not count as checked.
                if verdicts.next() == Some(true) { Ok(admission(tx)) } else { Err(bad_signature(tx)) }
            })
            .collect()
    }

    fn check_tx(&self, tx: &[u8], _kind: CheckKind) -> Result<CheckedTx, TxError> {
        let head = self.head();
        let head = head.as_ref().ok_or_else(not_initialised)?;
        let tx = Transaction::read(tx, &head.chain_id)?;
        let account: Option<Account> = read(&*self.store, &account_key(&tx.sender_address()))
            .map_err(|error| Code::StateUnavailable.refusal(error.to_string()))?;
        execute::admit(&tx, account, head.next_height().unwrap_or(u64::MAX))
    }

    fn init_chain(&self, init: &InitChain) -> Result<InitChainResult, AppError> {
        let begun = self.begin(init)?;
        let app_hash = begun.head.app_hash();
        let mut held = self.head_mut();
        match &*held {
            None => {
                self.store.write(begun.batch)?;
                *held = Some(begun.head);
            }
            // Again after a crash: what is there is what would be made now.
            Some(found) if *found == begun.head => {}
            Some(found) => return Err(other_genesis(found, &begun.head)),
        }
        Ok(InitChainResult { app_hash })
    }

    fn finalize_block(&self, b: &FinalizeBlock<'_>) -> Result<FinalizedBlock, AppError> {
        let head = self.head().clone().ok_or(AppError::NotInitialised)?;
        let expected = head.next_height();
        if expected != Some(b.height) {
            return Err(AppError::WrongHeight { expected: expected.unwrap_or(u64::MAX), found: b.height });
        }
        let mut execution = Execution::new(&*self.store, &head, b.height);
        let tx_results = b.txs.iter().map(|tx| execution.execute(tx)).collect::<Result<_, _>>()?;
        let records = execution.into_records();
        let next = self.advance(Head { height: b.height, ..head }, records)?;
        let app_hash = next.head.app_hash();
        *self.pending() = Some(next);
        Ok(FinalizedBlock { tx_results, app_hash, validator_updates: Vec::new(), events: Vec::new() })
    }

    fn commit(&self) -> Result<CommitResult, AppError> {
        let next = self.pending().take().ok_or(AppError::NothingToCommit)?;
        let mut head = self.head_mut();
        self.store.write(next.batch)?;
        *head = Some(next.head);
        Ok(CommitResult::default())
    }
}

impl AssetLedger {
    /// The state that a genesis makes; a function of `init` alone.
    fn begin(&self, init: &InitChain) -> Result<Pending, AppError> {
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
        let genesis = GenesisState::from_json(&init.app_state)?;
        let supply = genesis.supply()?;
        let asset = Asset { name: genesis.asset.name, decimals: genesis.asset.decimals, supply };
        let accounts = genesis.accounts.iter().map(|account| {
            let record = Account { balance: account.balance, sequence: 0 };
            (account_key(&account.address), record.encode())
        });
        let records = accounts.chain([(ASSET_KEY.to_vec(), asset.encode())]).collect();
        let head = Head {
            chain_id: init.chain_id.clone(),
            initial_height: init.initial_height,
            height: 0,
            root: [0; 32],
        };
        self.advance(head, records)
    }
}

fn admission(tx: &Transaction) -> Admission {
    Admission {
        sender: Some(tx.sender_address().as_bytes().to_vec()),
        sequence: tx.sequence,
        priority: 0,
        expiry_height: (tx.expiry_height != 0).then_some(tx.expiry_height),
    }
}

fn bad_signature(tx: &Transaction) -> TxError {
    Code::BadSignature.refusal(format!(
        "the signature is not that of key {} over this transaction: sign the bytes that docs/transactions.md gives",
        tx.sender
    ))
}

fn not_initialised() -> TxError {
    Code::NotInitialised.refusal("the chain has no state yet: send it again once it has begun")
}

fn other_genesis(found: &Head, begun: &Head) -> AppError {
    let reason = if found.height != 0 {
        format!("it stands at height {}", found.height)
    } else if found.chain_id != begun.chain_id {
        format!("its chain id is {:?}, not {:?}", found.chain_id, begun.chain_id)
    } else if found.initial_height != begun.initial_height {
        format!("its first height is {}, not {}", found.initial_height, begun.initial_height)
    } else {
        format!("its application hash is {}, not {}", found.app_hash(), begun.app_hash())
    };
    AppError::OtherGenesis { reason }
}

#[cfg(test)]
mod tests;
