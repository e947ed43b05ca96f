//! What the ledger keeps: records, their keys, and how they are read.

use althing_crypto::{DecodeError, Encoding};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use super::Address;
use crate::{AppError, AppHash, StateStore};

/// What the ledger knows of one account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, BorshSerialize, BorshDeserialize)]
pub(super) struct Account {
    pub(super) balance: u128,
    /// The sequence that its next transaction must have.
    pub(super) sequence: u64,
}

impl Encoding for Account {
    const NAME: &'static str = "account";
    const VERSION: u8 = 1;
    const MAX_BYTES: usize = 64;
}

/// The native asset. As JSON the answer to the query `supply`.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Asset {
    /// Its name.
    pub name: String,
    /// How many decimal places people see.
    pub decimals: u8,
    /// How many of its smallest units there are.
    #[serde(with = "text")]
    pub supply: u128,
}

impl Encoding for Asset {
    const NAME: &'static str = "asset";
    const VERSION: u8 = 1;
    const MAX_BYTES: usize = 256;
}

/// Where the ledger stands: written in one batch with the state it speaks of. Its version byte is that of the whole
/// layout of the store.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct Head {
    pub(super) chain_id: String,
    pub(super) initial_height: u64,
    /// The last committed height, 0 before the first.
    pub(super) height: u64,
    /// The root of the state tree.
    pub(super) root: [u8; 32],
}

impl Encoding for Head {
    const NAME: &'static str = "ledger head";
    const VERSION: u8 = 1;
    const MAX_BYTES: usize = 256;
}

impl Head {
    /// The height of the block to execute next, unless the chain is at its last.
    pub(super) fn next_height(&self) -> Option<u64> {
        if self.height == 0 { Some(self.initial_height) } else { self.height.checked_add(1) }
    }

    /// The version of the tree at this head: 0 after `init_chain`, then one more for every height.
    pub(super) fn version(&self) -> u64 {
        if self.height == 0 { 0 } else { self.height - self.initial_height + 1 }
    }

    pub(super) fn app_hash(&self) -> AppHash {
        AppHash::from(self.root)
    }
}

pub(super) const HEAD_KEY: &[u8] = b"head";
pub(super) const ASSET_KEY: &[u8] = b"asset";

pub(super) fn account_key(address: &Address) -> Vec<u8> {
    [b"account/", address.as_bytes().as_slice()].concat()
}

/// Reads one record. What does not decode is damage: only this crate writes here.
pub(super) fn read<T: Encoding>(store: &dyn StateStore, key: &[u8]) -> Result<Option<T>, AppError> {
    let damaged = |error: DecodeError| corrupt(T::NAME, error);
    store.get(key)?.map(|bytes| T::decode(&bytes).map_err(damaged)).transpose()
}

pub(super) fn corrupt(at: impl Into<String>, reason: impl ToString) -> AppError {
    AppError::Corrupt { at: at.into(), reason: reason.to_string() }
}

/// Whole numbers as JSON text of decimal digits, since many JSON readers round numbers past 2^53.
pub(super) mod text {
    use std::{fmt::Display, str::FromStr};

    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(crate) fn serialize<T: Display, S: Serializer>(number: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(number)
    }

    pub(crate) fn deserialize<'de, T: FromStr, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
        parse(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }

    /// One number has one text: digits only, no sign, no leading zero.
    pub(crate) fn parse<T: FromStr>(text: &str) -> Result<T, String> {
        let digits = !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
        let canonical = digits && (text == "0" || !text.starts_with('0'));
        let number = if canonical { text.parse().ok() } else { None };
        number.ok_or_else(|| {
            let shown: String = text.chars().take(60).collect();
            format!("{shown:?} is not a whole number in decimal digits, or it is too large")
        })
    }
}
