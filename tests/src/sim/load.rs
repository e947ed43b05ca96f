//! Transfers between funded accounts: real signatures, one sequence per account.

use std::sync::{Mutex, PoisonError};

use althing_crypto::{Encoding, ed25519};
use althing_ledger::asset::{Address, Transaction};

/// Accounts that the simulated chain funds.
const ACCOUNTS: u8 = 20;

/// Those made so far, without and with hurry: all runs of a process offer the same ones, and each is signed once.
static MADE: [Mutex<Vec<Vec<u8>>>; 2] = [const { Mutex::new(Vec::new()) }; 2];

/// A transaction's place in its sender's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The sender.
    pub sender: Address,
    /// Where it stands.
    pub sequence: u64,
    /// The last height at which it may execute; 0 if it never expires.
    pub expiry: u64,
}

impl Place {
    /// That of a transaction of the asset ledger.
    pub fn of(tx: &[u8]) -> Option<Self> {
        let tx = Transaction::decode(tx).ok()?;
        Some(Self { sender: tx.sender, sequence: tx.sequence, expiry: tx.expiry_height })
    }
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
    hurries: bool,
}

impl Load {
    /// One of its accounts is in a hurry: what it signs expires, and what follows waits in vain.
    pub fn hurrying() -> Self {
        Self { made: 0, hurries: true }
    }

    /// The next transfer: accounts take turns, each counts its own sequence.
    pub fn transfer(&mut self) -> Vec<u8> {
        let index = self.made;
        self.made += 1;
        let mut made = MADE[usize::from(self.hurries)].lock().unwrap_or_else(PoisonError::into_inner);
        while made.len() <= index {
            let next = transfer(made.len(), self.hurries);
            made.push(next);
        }
        made[index].clone()
    }
}

/// A few dozen heights after the chain will have come to it, at best.
fn expiry(account: u8, round: usize, hurries: bool) -> u64 {
    if hurries && account + 1 == ACCOUNTS { 30 + 10 * round as u64 } else { 0 }
}

fn transfer(index: usize, hurries: bool) -> Vec<u8> {
    let (round, account) = (index / usize::from(ACCOUNTS), (index % usize::from(ACCOUNTS)) as u8);
    let to = Address::of(&key((account + 1) % ACCOUNTS).public_key());
    let expiry = expiry(account, round, hurries);
    Transaction::transfer(super::node::CHAIN_ID, &key(account), round as u64, expiry, to, 1, "").encode()
}
