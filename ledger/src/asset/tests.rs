//! The ledger as a node sees it: what each call promises, in and out of order, before and after crashes.

mod governance;
mod idempotency;
mod lists;
mod locks;
mod misbehaviour;
mod model;
mod node;
mod programs;
mod proofs;
mod refusals;
mod validators;

use std::{
    io,
    sync::atomic::{AtomicBool, Ordering},
};

use althing_crypto::{
    Encoding, Hash, bls,
    ed25519::{PublicKey, SecretKey, Signature},
    sha256,
};
use serde::de::DeserializeOwned;

use super::*;
use crate::{Bytes, Misbehaviour, MisbehaviourKind, ParamUpdates, ValidatorUpdate, VoteKey};

const CHAIN: &str = "test-chain";

fn key(n: u8) -> SecretKey {
    SecretKey::from_seed([n; 32])
}

/// A key to vote with, and the proof that its owner has the secret.
fn vote_key(n: u8) -> VoteKey {
    let key = bls::SecretKey::from_seed(&bls::BLS, &[n; 32]);
    VoteKey { key: *key.public_key().bytes(), proof: *key.prove_possession().as_bytes() }
}

fn address(n: u8) -> Address {
    Address::of(&key(n).public_key())
}

/// Accounts that hold so much of [`COIN`] each; 1 issues it and has all roles, 2 and 3 are members, two of whom approve.
fn genesis_with(accounts: &[(u8, u128)]) -> GenesisState {
    let balance = |&(n, amount): &(u8, u128)| GenesisBalance { asset: COIN, account: address(n), amount };
    GenesisState {
        balances: accounts.iter().map(balance).collect(),
        ..GenesisState::plain(&[address(1), address(2), address(3)], 0)
    }
}

fn init_of(genesis: &GenesisState) -> InitChain {
    let app_state = serde_json::to_vec(genesis).unwrap();
    InitChain { chain_id: CHAIN.into(), initial_height: 1, time_ms: 0, app_state, ..Default::default() }
}

fn init_with(accounts: &[(u8, u128)]) -> InitChain {
    init_of(&genesis_with(accounts))
}

fn pay(from: u8, sequence: u64, to: u8, amount: u128) -> Bytes {
    pay_until(0, from, sequence, to, amount)
}

fn pay_until(expiry: u64, from: u8, sequence: u64, to: u8, amount: u128) -> Bytes {
    Transaction::transfer(CHAIN, &key(from), sequence, expiry, address(to), amount, "").encode()
}

/// A ledger and the files that it lies in.
struct Chain {
    files: Arc<FaultyFiles>,
    kept_heights: u64,
    ledger: AssetLedger,
}

const KEPT_HEIGHTS: u64 = 20;

fn open(files: &Arc<FaultyFiles>) -> Result<AssetLedger, AppError> {
    AssetLedger::open(files.clone(), KEPT_HEIGHTS)
}

impl Chain {
    fn empty() -> Self {
        Self::keeping(KEPT_HEIGHTS)
    }

    fn keeping(kept_heights: u64) -> Self {
        let files = Arc::new(FaultyFiles::default());
        Self { ledger: AssetLedger::open(files.clone(), kept_heights).unwrap(), files, kept_heights }
    }

    fn begin_keeping(kept_heights: u64, init: &InitChain) -> Self {
        let chain = Self::keeping(kept_heights);
        chain.ledger.init_chain(init).unwrap();
        chain
    }

    fn begin(init: &InitChain) -> Self {
        Self::begin_keeping(KEPT_HEIGHTS, init)
    }

    fn with(accounts: &[(u8, u128)]) -> Self {
        Self::begin(&init_with(accounts))
    }

    fn restart(&mut self) {
        self.ledger = AssetLedger::open(self.files.clone(), self.kept_heights).unwrap();
    }

    fn finalize(&self, height: u64, txs: &[Bytes]) -> Result<FinalizedBlock, AppError> {
        self.finalize_with(height, txs, &[])
    }

    fn finalize_with(
        &self,
        height: u64,
        txs: &[Bytes],
        misbehaviour: &[Misbehaviour],
    ) -> Result<FinalizedBlock, AppError> {
        let txs: Vec<&[u8]> = txs.iter().map(Vec::as_slice).collect();
        self.ledger.finalize_block(&FinalizeBlock {
            height,
            time_ms: height,
            hash: Hash::ZERO,
            txs: &txs,
            misbehaviour,
            ..Default::default()
        })
    }

    /// Executes and commits the next block.
    fn block(&self, txs: &[Bytes]) -> FinalizedBlock {
        self.block_with(txs, &[])
    }

    /// As [`Self::block`], one that proves misbehaviour.
    fn block_with(&self, txs: &[Bytes], misbehaviour: &[Misbehaviour]) -> FinalizedBlock {
        let height = self.ledger.info().unwrap().last_height + 1;
        let done = self.finalize_with(height, txs, misbehaviour).unwrap();
        self.ledger.commit().unwrap();
        done
    }

    fn ask<T: DeserializeOwned>(&self, question: &Question) -> T {
        let answer = self.ledger.query(&question.query());
        assert_eq!(answer.code, 0, "{}", answer.log);
        serde_json::from_slice(&answer.value).unwrap()
    }

    /// What an account holds of [`COIN`], and its sequence.
    fn account(&self, n: u8) -> (u128, u64) {
        let account = address(n);
        let balance: BalanceView = self.ask(&Question::Balance { asset: COIN, account });
        let view: AccountView = self.ask(&Question::Account { account });
        assert_eq!((balance.account, view.address), (account, account));
        (balance.amount, view.sequence)
    }
}

/// Files whose disk can be made to fail.
#[derive(Default)]
struct FaultyFiles {
    inner: MemoryFiles,
    failing: AtomicBool,
}

impl FaultyFiles {
    fn set_failing(&self, failing: bool) {
        self.failing.store(failing, Ordering::SeqCst);
    }

    fn works(&self) -> io::Result<()> {
        let failing = self.failing.load(Ordering::SeqCst);
        if failing { Err(io::Error::other("disk on fire")) } else { Ok(()) }
    }
}

impl StateFiles for FaultyFiles {
    fn list(&self) -> io::Result<Vec<u32>> {
        self.works().and_then(|()| self.inner.list())
    }

    fn len(&self, file: u32) -> io::Result<u64> {
        self.works().and_then(|()| self.inner.len(file))
    }

    fn read(&self, file: u32, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.works().and_then(|()| self.inner.read(file, offset, out))
    }

    fn append(&self, file: u32, bytes: &[u8]) -> io::Result<()> {
        self.works().and_then(|()| self.inner.append(file, bytes))
    }

    fn sync(&self, file: u32) -> io::Result<()> {
        self.works().and_then(|()| self.inner.sync(file))
    }

    fn truncate(&self, file: u32, len: u64) -> io::Result<()> {
        self.works().and_then(|()| self.inner.truncate(file, len))
    }

    fn remove(&self, file: u32) -> io::Result<()> {
        self.works().and_then(|()| self.inner.remove(file))
    }
}
