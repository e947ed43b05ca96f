//! Transfers between funded accounts: real signatures, one sequence per account.

use althing_crypto::{Encoding, ed25519};
use althing_ledger::asset::{Address, Transaction};

/// Accounts that the simulated chain funds.
const ACCOUNTS: u8 = 20;

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
    made: u64,
}

impl Load {
    /// The next transfer: accounts take turns, each counts its own sequence.
    pub fn transfer(&mut self) -> Vec<u8> {
        let (round, account) = (self.made / u64::from(ACCOUNTS), (self.made % u64::from(ACCOUNTS)) as u8);
        self.made += 1;
        let to = Address::of(&key((account + 1) % ACCOUNTS).public_key());
        Transaction::transfer(super::node::CHAIN_ID, &key(account), round, 0, to, 1, "").encode()
    }
}
