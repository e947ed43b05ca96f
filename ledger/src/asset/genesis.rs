//! The initial state as the genesis document words it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Address, state::text};
use crate::AppError;

/// `app_state` of a genesis document for the asset ledger: the native asset and who holds it at first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GenesisState {
    /// The native asset.
    pub asset: GenesisAsset,
    /// The first accounts, each address once.
    pub accounts: Vec<GenesisAccount>,
}

/// The native asset: a name and how people write its amounts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenesisAsset {
    /// 1 to 32 characters of `A-Z a-z 0-9 - . _`.
    pub name: String,
    /// How many decimal places people see; the ledger itself counts the smallest units. At most 38.
    #[serde(default)]
    pub decimals: u8,
}

/// One of the first accounts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GenesisAccount {
    /// Whose.
    pub address: Address,
    /// What it holds, in the smallest units; in JSON decimal digits as text.
    #[serde(with = "text")]
    pub balance: u128,
}

/// The same before its fields are checked, so that an error can say which one it is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawState {
    asset: GenesisAsset,
    accounts: Vec<RawAccount>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAccount {
    address: String,
    balance: String,
}

impl GenesisState {
    const MAX_NAME_BYTES: usize = 32;
    /// What `u128` can hold has 39 digits, of which one must stay before the point.
    const MAX_DECIMALS: u8 = 38;

    /// Reads and checks an `app_state`. Unknown fields are refused.
    pub fn from_json(json: &[u8]) -> Result<Self, AppError> {
        let raw: RawState = serde_json::from_slice(json).map_err(|error| fault("app_state", error))?;
        let accounts = raw
            .accounts
            .into_iter()
            .enumerate()
            .map(|(i, account)| account.check(i))
            .collect::<Result<_, _>>()?;
        let state = Self { asset: raw.asset, accounts };
        state.supply()?;
        Ok(state)
    }

    /// The sum of all balances. Checks the other rules on the way: the asset's fields, each address once, no overflow.
    pub fn supply(&self) -> Result<u128, AppError> {
        self.asset.check()?;
        let mut seen = BTreeSet::new();
        let mut supply = 0u128;
        for (i, account) in self.accounts.iter().enumerate() {
            if !seen.insert(account.address) {
                let reason = format!("{} is listed twice; name each address once", account.address);
                return Err(fault(&format!("accounts[{i}].address"), reason));
            }
            supply = supply.checked_add(account.balance).ok_or_else(|| {
                fault(
                    &format!("accounts[{i}].balance"),
                    "brings the supply past 2^128 - 1, more than can be counted",
                )
            })?;
        }
        Ok(supply)
    }
}

impl GenesisAsset {
    fn check(&self) -> Result<(), AppError> {
        let max = GenesisState::MAX_NAME_BYTES;
        let allowed = |c: u8| c.is_ascii_alphanumeric() || b"-._".contains(&c);
        if self.name.is_empty() || self.name.len() > max || !self.name.bytes().all(allowed) {
            let reason = format!("{:?} is not 1 to {max} characters of A-Z a-z 0-9 - . _", self.name);
            return Err(fault("asset.name", reason));
        }
        if self.decimals > GenesisState::MAX_DECIMALS {
            let reason = format!("{} is past the most, {}", self.decimals, GenesisState::MAX_DECIMALS);
            return Err(fault("asset.decimals", reason));
        }
        Ok(())
    }
}

impl RawAccount {
    fn check(self, i: usize) -> Result<GenesisAccount, AppError> {
        let address =
            self.address.parse().map_err(|error| fault(&format!("accounts[{i}].address"), error))?;
        let balance =
            text::parse(&self.balance).map_err(|error| fault(&format!("accounts[{i}].balance"), error))?;
        Ok(GenesisAccount { address, balance })
    }
}

fn fault(field: &str, reason: impl ToString) -> AppError {
    AppError::Genesis { field: field.to_owned(), reason: reason.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(byte: u8, balance: u128) -> GenesisAccount {
        GenesisAccount { address: Address::from_bytes([byte; 20]), balance }
    }

    #[test]
    fn what_is_written_is_read() {
        let asset = GenesisAsset { name: "crown".into(), decimals: 2 };
        let state =
            GenesisState { asset, accounts: vec![account(1, u128::MAX - 5), account(2, 5), account(3, 0)] };
        let json = serde_json::to_vec(&state).unwrap();
        assert_eq!(GenesisState::from_json(&json).unwrap(), state);
        assert_eq!(state.supply().unwrap(), u128::MAX);
    }

    #[test]
    fn errors_name_the_field() {
        let (a, b) = (account(1, 0).address.to_string(), account(2, 0).address.to_string());
        let state = |accounts: &str| format!(r#"{{"asset":{{"name":"crown"}},"accounts":[{accounts}]}}"#);
        let asset = |asset: &str| format!(r#"{{"asset":{asset},"accounts":[]}}"#);
        let max = u128::MAX;
        for (json, expected) in [
            (String::new(), "EOF"),
            ("[1]".into(), "expected"),
            (r#"{"accounts":[]}"#.into(), "missing field `asset`"),
            (r#"{"asset":{"name":"crown"},"accounts":[],"owner":1}"#.into(), "unknown field `owner`"),
            (asset(r#"{"name":"crown","colour":1}"#), "unknown field `colour`"),
            (asset(r#"{"name":""}"#), "asset.name"),
            (asset(r#"{"name":"two words"}"#), "asset.name: \"two words\""),
            (asset(&format!(r#"{{"name":"{}"}}"#, "x".repeat(33))), "asset.name"),
            (asset(r#"{"name":"x","decimals":39}"#), "asset.decimals: 39"),
            (state(r#"{"address":"al1qq","balance":"1"}"#), "accounts[0].address"),
            (state(&format!(r#"{{"address":"{a}","balance":1}}"#)), "expected a string"),
            (state(&format!(r#"{{"address":"{a}","balance":"1","vip":true}}"#)), "unknown field `vip`"),
            (state(&format!(r#"{{"address":"{a}","balance":"+1"}}"#)), "accounts[0].balance"),
            (state(&format!(r#"{{"address":"{a}","balance":"-1"}}"#)), "accounts[0].balance"),
            (state(&format!(r#"{{"address":"{a}","balance":"01"}}"#)), "accounts[0].balance"),
            (state(&format!(r#"{{"address":"{a}","balance":""}}"#)), "accounts[0].balance"),
            (
                state(&format!(r#"{{"address":"{a}","balance":"340282366920938463463374607431768211456"}}"#)),
                "accounts[0].balance",
            ),
            (
                state(&format!(r#"{{"address":"{a}","balance":"1"}},{{"address":"{a}","balance":"1"}}"#)),
                "accounts[1].address",
            ),
            (
                state(&format!(r#"{{"address":"{a}","balance":"{max}"}},{{"address":"{b}","balance":"1"}}"#)),
                "accounts[1].balance: brings the supply past",
            ),
        ] {
            let error = GenesisState::from_json(json.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(expected), "{json}: {error}");
        }
    }
}
