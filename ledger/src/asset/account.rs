//! Accounts: the sequence of who sends.

use althing_crypto::Encoding;
use borsh::{BorshDeserialize, BorshSerialize};

use super::{Address, short::Key};

/// What the ledger knows of an account apart from its balances. It is there once the account has sent a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, BorshSerialize, BorshDeserialize)]
pub(super) struct Account {
    /// The sequence that its next transaction must have.
    pub(super) sequence: u64,
}

impl Encoding for Account {
    const NAME: &'static str = "account";
    const VERSION: u8 = 1;
    const MAX_BYTES: usize = 9;
}

pub(super) fn key(address: &Address) -> Key {
    Key::of(&[b"a/", address.as_bytes()])
}
