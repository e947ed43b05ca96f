//! Questions about the committed state.

use serde::{Deserialize, Serialize};

use super::{
    Address, Code,
    state::{ASSET_KEY, Account, Asset, Head, account_key, corrupt, read, text},
};
use crate::{AppError, Bytes, Query, QueryResult, StateStore, TxError};

/// The answer to the query `account`, as JSON. An address that nobody has paid holds 0 and begins with sequence 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountView {
    /// Whose account.
    pub address: Address,
    /// What it holds, in the smallest units.
    #[serde(with = "text")]
    pub balance: u128,
    /// The sequence that its next transaction must have.
    #[serde(with = "text")]
    pub sequence: u64,
}

/// Answers `q` at `head`. Every failure is an answer: the asker may be anyone.
pub(super) fn answer(store: &dyn StateStore, head: Option<&Head>, q: &Query) -> QueryResult {
    let Some(head) = head else {
        return Code::NotInitialised
            .refusal("the chain has no state yet: ask again once it has begun")
            .into();
    };
    let found = match refusal(head, q) {
        Some(refusal) => Err(refusal),
        None => lookup(store, q),
    };
    let result = found.map_or_else(QueryResult::from, |(key, value)| QueryResult {
        key,
        value,
        ..QueryResult::default()
    });
    QueryResult { height: head.height, ..result }
}

fn refusal(head: &Head, q: &Query) -> Option<TxError> {
    if q.height != 0 && q.height != head.height {
        let log = format!("height {} is not kept: ask for {} or, for the newest, 0", q.height, head.height);
        return Some(Code::HeightUnavailable.refusal(log));
    }
    q.prove.then(|| Code::ProofNotOffered.refusal("proofs are not offered: ask with prove=false"))
}

fn lookup(store: &dyn StateStore, q: &Query) -> Result<(Bytes, Bytes), TxError> {
    let unavailable = |error: AppError| Code::StateUnavailable.refusal(error.to_string());
    match q.path.trim_start_matches('/') {
        "account" => {
            let address = address_of(&q.data)?;
            let key = account_key(&address);
            let account: Account = read(store, &key).map_err(unavailable)?.unwrap_or_default();
            let view = AccountView { address, balance: account.balance, sequence: account.sequence };
            Ok((key, json(&view).map_err(unavailable)?))
        }
        "supply" => {
            let asset: Option<Asset> = read(store, ASSET_KEY).map_err(unavailable)?;
            let asset = asset.ok_or_else(|| corrupt("asset", "no record")).map_err(unavailable)?;
            Ok((ASSET_KEY.to_vec(), json(&asset).map_err(unavailable)?))
        }
        other => {
            let shown: String = other.chars().take(60).collect();
            Err(Code::UnknownPath
                .refusal(format!("no query {shown:?}: the paths are \"account\" and \"supply\"")))
        }
    }
}

/// An address as 20 raw bytes or as text; the lengths tell them apart.
fn address_of(data: &[u8]) -> Result<Address, TxError> {
    if let Ok(bytes) = data.try_into() {
        return Ok(Address::from_bytes(bytes));
    }
    let refuse = |reason: String| Code::BadArgument.refusal(format!("data: {reason}"));
    let text =
        std::str::from_utf8(data).map_err(|_| refuse(format!("{} bytes that are no address", data.len())))?;
    text.parse().map_err(|error: super::AddressError| refuse(error.to_string()))
}

fn json(value: &impl Serialize) -> Result<Bytes, AppError> {
    serde_json::to_vec(value)
        .map_err(|error| AppError::Failed(format!("cannot write the answer as JSON: {error}")))
}
