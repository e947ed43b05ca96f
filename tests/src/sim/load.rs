//! Transfers between funded accounts: real signatures, one sequence per account.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use althing_crypto::{Encoding, TxHash, ed25519};
use althing_ledger::asset::{Address, Transaction};

/// Accounts that the simulated chain funds.
const ACCOUNTS: u8 = 20;

/// Those made so far: all runs of a process offer the same ones, and each is signed once.
static MADE: Mutex<Made> = Mutex::new(Made { txs: Vec::new(), places: BTreeMap::new() });

struct Made {
    txs: Vec<Vec<u8>>,
    places: BTreeMap<TxHash, usize>,
}

fn made() -> MutexGuard<'static, Made> {
    MADE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn key(account: u8) -> ed25519::SecretKey {
    ed25519::SecretKey::from_seed([100 + account; 32])
}

/// The funded accounts' addresses.
pub(super) fn accounts() -> Vec<Address> {
    (0..ACCOUNTS).map(|account| Address::of(&key(account).public_key())).collect()
}

/// Makes the load's transactions, one after the other.
#[derive(Clone, Debug, Default)]
pub struct Load {
    made: usize,
}

impl Load {
    /// The next transfer: accounts take turns, each counts its own sequence.
    pub fn transfer(&mut self) -> Vec<u8> {
        let index = self.made;
        self.made += 1;
        let mut made = made();
        while made.txs.len() <= index {
            let (next, place) = (transfer(made.txs.len()), made.txs.len());
            made.places.insert(TxHash::of(&next), place);
            made.txs.push(next);
        }
        made.txs[index].clone()
    }
}

/// The transfer with this sequence of the account that signed `tx`.
pub(super) fn of_the_same_account(tx: &TxHash, sequence: u64) -> Option<TxHash> {
    let made = made();
    let account = made.places.get(tx)? % usize::from(ACCOUNTS);
    let index = usize::try_from(sequence).ok()?.checked_mul(ACCOUNTS.into())?.checked_add(account)?;
    made.txs.get(index).map(|tx| TxHash::of(tx))
}

fn transfer(index: usize) -> Vec<u8> {
    let (round, account) = (index / usize::from(ACCOUNTS), (index % usize::from(ACCOUNTS)) as u8);
    let to = Address::of(&key((account + 1) % ACCOUNTS).public_key());
    Transaction::transfer(super::node::CHAIN_ID, &key(account), round as u64, 0, to, 1, "").encode()
}
