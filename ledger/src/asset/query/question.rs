//! What can be asked, and how it is written.

use althing_crypto::ed25519::PublicKey;
use serde::{Deserialize, Serialize};

use crate::{
    Query, TxError,
    asset::{Address, Code, LockId, Role, Symbol},
};

/// The most items of one answer, and as many as are given where the question does not say.
pub const MAX_LIMIT: u16 = 100;

/// So far back, in changes, a history is followed from the height that is asked about; who wants more asks about an older height.
pub const MAX_BACK: usize = 1_000;

/// What can be asked. The name of a variant, in snake case, is the path of the query; its fields are the data, as JSON.
///
/// A paged answer begins after `after`, which is the `next` of the page before, and has at most `limit` items.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Question {
    /// An account: its sequence and roles. The data may also be the address alone, as text or as 20 bytes.
    Account {
        /// Whose.
        account: Address,
    },
    /// What an account holds of an asset.
    Balance {
        /// Of which asset.
        asset: Symbol,
        /// Whose.
        account: Address,
    },
    /// What an account holds of all assets, paged by assets.
    Balances {
        /// Whose.
        account: Address,
        /// The last asset of the page before.
        #[serde(default)]
        after: Option<Symbol>,
        /// Assets to look through.
        #[serde(default = "most")]
        limit: u16,
    },
    /// An asset.
    Asset {
        /// Which one.
        asset: Symbol,
    },
    /// All assets, paged.
    Assets {
        /// The last one of the page before.
        #[serde(default)]
        after: Option<Symbol>,
        /// At most so many.
        #[serde(default = "most")]
        limit: u16,
    },
    /// How many units of an asset there are.
    Supply {
        /// Of which asset.
        asset: Symbol,
    },
    /// Who holds, or ever held, an asset, paged.
    Holders {
        /// Which asset.
        asset: Symbol,
        /// The last one of the page before.
        #[serde(default)]
        after: Option<Address>,
        /// At most so many.
        #[serde(default = "most")]
        limit: u16,
    },
    /// How an account's balance of an asset became what it is, newest first, as far back as it is kept, and [`MAX_BACK`] changes at most.
    History {
        /// Of which asset.
        asset: Symbol,
        /// Whose.
        account: Address,
        /// Changes below this height only: the lowest one of the page before.
        #[serde(default)]
        before: Option<u64>,
        /// At most so many changes.
        #[serde(default = "most")]
        limit: u16,
    },
    /// A lock, open or settled.
    Lock {
        /// Which one.
        lock: LockId,
    },
    /// The open locks that an account pays or receives, paged.
    Locks {
        /// Whose.
        account: Address,
        /// The last one of the page before.
        #[serde(default)]
        after: Option<LockId>,
        /// At most so many.
        #[serde(default = "most")]
        limit: u16,
    },
    /// Who has a role, paged.
    Roles {
        /// Which role.
        role: Role,
        /// The last one of the page before.
        #[serde(default)]
        after: Option<Address>,
        /// At most so many.
        #[serde(default = "most")]
        limit: u16,
    },
    /// How many govern, and how many of them must agree.
    Governance {},
    /// The open proposals.
    Proposals {},
    /// What genesis fixed.
    Parameters {},
    /// Who validates the chain from the next epoch on, paged by identity.
    Validators {
        /// The last one of the page before.
        #[serde(default)]
        after: Option<PublicKey>,
        /// At most so many.
        #[serde(default = "most")]
        limit: u16,
    },
    /// The consensus parameters from the next epoch on.
    Consensus {},
    /// The validators that contradicted themselves, newest first, as far back as it is kept.
    Misbehaviour {
        /// Those of a number below this one: the `next` of the page before.
        #[serde(default)]
        before: Option<u64>,
        /// At most so many.
        #[serde(default = "most")]
        limit: u16,
    },
}

fn most() -> u16 {
    MAX_LIMIT
}

const PATHS: [&str; 17] = [
    "account",
    "balance",
    "balances",
    "asset",
    "assets",
    "supply",
    "holders",
    "history",
    "lock",
    "locks",
    "roles",
    "governance",
    "proposals",
    "parameters",
    "validators",
    "consensus",
    "misbehaviour",
];

impl Question {
    /// The query that asks this, of the newest state and without a proof.
    pub fn query(&self) -> Query {
        let value = serde_json::to_value(self).expect("a question has text keys only");
        let (path, fields) = value.as_object().and_then(|one| one.iter().next()).expect("it is a variant");
        Query { path: path.clone(), data: fields.to_string().into_bytes(), ..Query::default() }
    }

    /// Reads what is hostile until then.
    pub(super) fn read(q: &Query) -> Result<Self, TxError> {
        let path = q.path.trim_start_matches('/');
        if !PATHS.contains(&path) {
            let shown: String = path.chars().take(60).collect();
            let log = format!("no query {shown:?}: the paths are {}", PATHS.join(", "));
            return Err(Code::UnknownPath.refusal(log));
        }
        let refuse = |reason: String| Code::BadArgument.refusal(format!("data: {reason}"));
        let is_json = q.data.trim_ascii_start().starts_with(b"{") && q.data.len() != Address::BYTES;
        if path == "account" && !is_json {
            return Ok(Self::Account { account: address(&q.data).map_err(refuse)? });
        }
        let fields: serde_json::Value = match q.data.trim_ascii() {
            [] => serde_json::json!({}),
            text => serde_json::from_slice(text).map_err(|error| refuse(format!("not JSON: {error}")))?,
        };
        let question = serde_json::json!({ path: fields });
        let question: Self = serde_json::from_value(question).map_err(|error| refuse(error.to_string()))?;
        match question.limit() {
            Some(limit) if limit == 0 || limit > MAX_LIMIT => {
                Err(refuse(format!("a limit of {limit}: say 1 to {MAX_LIMIT}")))
            }
            _ => Ok(question),
        }
    }

    fn limit(&self) -> Option<u16> {
        match self {
            Self::Balances { limit, .. }
            | Self::Assets { limit, .. }
            | Self::Holders { limit, .. }
            | Self::History { limit, .. }
            | Self::Locks { limit, .. }
            | Self::Roles { limit, .. }
            | Self::Validators { limit, .. }
            | Self::Misbehaviour { limit, .. } => Some(*limit),
            _ => None,
        }
    }
}

/// An address as 20 raw bytes or as text; the lengths tell them apart.
fn address(data: &[u8]) -> Result<Address, String> {
    if let Ok(bytes) = data.try_into() {
        return Ok(Address::from_bytes(bytes));
    }
    let text = std::str::from_utf8(data).map_err(|_| format!("{} bytes that are no address", data.len()))?;
    text.parse().map_err(|error: crate::asset::AddressError| error.to_string())
}

/// The key under which the record that a question is mostly about lies, for the `key` of an answer.
pub(super) fn key(question: &Question) -> Vec<u8> {
    use crate::asset::{
        account, asset_record, balance, consensus_parameter, lock, misbehaviour, parameters, proposal, role,
        validator,
    };
    match question {
        Question::Account { account } => account::key(account).to_vec(),
        Question::Balance { asset, account } | Question::History { asset, account, .. } => {
            balance::key(asset, account).to_vec()
        }
        Question::Asset { asset } | Question::Supply { asset } => asset_record::key(asset),
        Question::Balances { .. } | Question::Assets { .. } => asset_record::KEYS.to_vec(),
        Question::Holders { asset, .. } => balance::keys_of(asset),
        Question::Lock { lock } => lock::key(lock),
        Question::Locks { account, .. } => lock::keys_of(account),
        Question::Roles { role, .. } => role::keys_of(*role),
        Question::Governance {} => role::GOVERNANCE_KEY.to_vec(),
        Question::Proposals {} => proposal::KEYS.to_vec(),
        Question::Parameters {} => parameters::KEY.to_vec(),
        Question::Validators { .. } => validator::KEY.to_vec(),
        Question::Consensus {} => consensus_parameter::KEY.to_vec(),
        Question::Misbehaviour { .. } => misbehaviour::KEY.to_vec(),
    }
}
