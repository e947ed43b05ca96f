//! How fast blocks are executed: the asset ledger alone, behind the trait that the node calls it by, on real files; and the bare store
//! beside it, for comparison.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use althing_crypto::ed25519::{PublicKey, Signature};
use althing_crypto::{Encoding, Hash, sha256_concat};
use althing_ledger::asset::{Address, Approval, COIN, GenesisState, Instruction, Transaction};
use althing_ledger::{AppError, Application, AssetLedger, FinalizeBlock, InitChain};
use althing_node::config::StorageConfig;
use althing_node::storage::{Batch, DirectoryFiles, RedbStore, Store, Table};

use crate::side_by_side::processor_time;
use crate::sim::Random;

/// Transactions of a block, and keys of a batch of the bare store.
pub const BLOCK: u64 = 2_000;
const CHAIN_ID: &str = "execution";
/// What each account holds at first; no transfer fails for lack of it.
const FUNDS: u128 = 1_000_000;

/// Time that some work took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Taken {
    /// By the clock.
    pub clock: Duration,
    /// Of a processor.
    pub processor: Duration,
}

impl Taken {
    fn by<T>(work: impl FnOnce() -> T) -> (T, Self) {
        let (began, before) = (Instant::now(), processor_time());
        let done = work();
        (done, Self { clock: began.elapsed(), processor: processor_time() - before })
    }
}

impl std::ops::AddAssign for Taken {
    fn add_assign(&mut self, other: Self) {
        self.clock += other.clock;
        self.processor += other.processor;
    }
}

/// What stops a measurement.
pub type Failure = Box<dyn std::error::Error>;

/// A ledger whose accounts pay one another.
pub struct Bench {
    ledger: AssetLedger,
    accounts: u64,
    height: u64,
    /// The next sequence of each account.
    sequences: Vec<u32>,
    random: Random,
}

/// Any bytes are a key until a signature is checked, and none is here.
fn key(account: u64) -> PublicKey {
    PublicKey::from_bytes(*sha256_concat(&[b"account", &account.to_be_bytes()]).as_bytes())
}

fn address(account: u64) -> Address {
    Address::of(&key(account))
}

fn open(directory: &Path) -> Result<AssetLedger, Failure> {
    let kept_heights = StorageConfig::default().kept_heights;
    Ok(AssetLedger::open(Arc::new(DirectoryFiles::open(directory)?), kept_heights)?)
}

fn transaction(sender: u64, sequence: u64, instructions: Vec<Instruction>) -> Vec<u8> {
    let mut tx = Transaction::new(CHAIN_ID, address(sender), sequence, instructions);
    tx.approvals.push(Approval::Key { key: key(sender), signature: Signature::from_bytes([0; 64]) });
    tx.encode()
}

impl Bench {
    /// A ledger in `directory` in which so many accounts, at least one, hold units: the first one has paid the others.
    pub fn new(directory: &Path, accounts: u64, mut progress: impl FnMut(u64)) -> Result<Self, Failure> {
        let ledger = open(directory)?;
        let genesis = GenesisState::plain(&[address(0)], FUNDS * u128::from(accounts));
        ledger.init_chain(&InitChain {
            chain_id: CHAIN_ID.to_owned(),
            initial_height: 1,
            time_ms: 0,
            app_state: serde_json::to_vec(&genesis)?,
            ..Default::default()
        })?;
        let sequences = vec![0; accounts as usize];
        let mut bench = Self { ledger, accounts, height: 0, sequences, random: Random::new(1) };
        let pay =
            |to| Instruction::Transfer { asset: COIN, from: address(0), to: address(to), amount: FUNDS };
        let mut next = 1;
        while next < accounts {
            let mut txs = Vec::new();
            while next < accounts && (txs.len() as u64) < BLOCK {
                let end = accounts.min(next + Transaction::MAX_INSTRUCTIONS as u64);
                txs.push(transaction(0, bench.next_sequence(0), (next..end).map(pay).collect()));
                next = end;
            }
            bench.execute(&txs)?;
            progress(next);
        }
        Ok(bench)
    }

    fn next_sequence(&mut self, account: u64) -> u64 {
        let next = &mut self.sequences[account as usize];
        *next += 1;
        u64::from(*next - 1)
    }

    /// Executes the next block of transfers between accounts drawn at random, until it is durable.
    pub fn block(&mut self) -> Result<Taken, Failure> {
        let transfer = |bench: &mut Self| {
            let (from, to) = (bench.random.below(bench.accounts), bench.random.below(bench.accounts));
            let pay = Instruction::Transfer { asset: COIN, from: address(from), to: address(to), amount: 1 };
            transaction(from, bench.next_sequence(from), vec![pay])
        };
        let txs: Vec<Vec<u8>> = (0..BLOCK).map(|_| transfer(self)).collect();
        self.execute(&txs)
    }

    fn execute(&mut self, txs: &[Vec<u8>]) -> Result<Taken, Failure> {
        self.height += 1;
        let txs: Vec<&[u8]> = txs.iter().map(Vec::as_slice).collect();
        let block = FinalizeBlock {
            height: self.height,
            time_ms: self.height,
            hash: Hash::ZERO,
            txs: &txs,
            ..Default::default()
        };
        let (done, taken) = Taken::by(|| {
            let done = self.ledger.finalize_block(&block)?;
            self.ledger.commit()?;
            Ok::<_, AppError>(done)
        });
        match done?.tx_results.iter().find(|result| result.code != 0) {
            Some(failed) => Err(format!("a transfer failed: {}", failed.log).into()),
            None => Ok(taken),
        }
    }

    /// Closes the ledger and opens it again; the time of opening.
    pub fn reopen(self, directory: &Path) -> Result<Taken, Failure> {
        let before = self.ledger.info().expect("it is in memory");
        drop(self.ledger);
        let (ledger, taken) = Taken::by(|| open(directory));
        let after = ledger?.info().expect("it is in memory");
        if after == before {
            Ok(taken)
        } else {
            Err(format!("closed at {before:?}, opened at {after:?}").into())
        }
    }
}

/// What the files of a directory come to.
pub fn bytes_in(directory: &Path) -> Result<u64, Failure> {
    let mut bytes = 0;
    for entry in fs::read_dir(directory)? {
        bytes += entry?.metadata()?.len();
    }
    Ok(bytes)
}

/// Writes batches of [`BLOCK`] random keys to a new redb at `path`, each durable. A value has as many bytes as a balance.
pub fn bare_store(path: &Path, batches: u64) -> Result<Taken, Failure> {
    let store = RedbStore::create(path)?;
    let mut taken = Taken::default();
    for n in 0..batches {
        let mut batch = Batch::new();
        for index in 0..BLOCK {
            let key = *sha256_concat(&[b"key", &n.to_be_bytes(), &index.to_be_bytes()]).as_bytes();
            batch.put(Table::Results, key, [7; 58]);
        }
        let (written, time) = Taken::by(|| store.write(batch));
        written?;
        taken += time;
    }
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transfers_succeed_and_are_there_again() {
        let home = tempfile::tempdir().unwrap();
        let mut funded = 0;
        let mut bench = Bench::new(home.path(), 40_000, |done| funded = done).unwrap();
        assert_eq!((funded, bench.height), (40_000, 2));
        let root = bench.ledger.info().expect("it is in memory").app_hash;
        let taken = bench.block().unwrap();
        assert!(taken.processor > Duration::ZERO && taken.clock > Duration::ZERO);
        assert_ne!(bench.ledger.info().expect("it is in memory").app_hash, root);
        assert!(bytes_in(home.path()).unwrap() > 40_000 * 58);
        bench.reopen(home.path()).unwrap();
    }

    #[test]
    fn the_bare_store_is_written_to() {
        let home = tempfile::tempdir().unwrap();
        let taken = bare_store(&home.path().join("store.redb"), 1).unwrap();
        assert!(taken.clock > Duration::ZERO && bytes_in(home.path()).unwrap() > BLOCK * 90);
    }
}
