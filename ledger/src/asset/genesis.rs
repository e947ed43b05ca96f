//! The initial state as the genesis document words it.

mod check;

use std::collections::BTreeMap;

use althing_crypto::{Encoding, ed25519::PublicKey};
use serde::{Deserialize, Serialize};

use super::{
    Address, COIN, Fees, OnEvidence, Parameters, Role, Symbol,
    asset_record::{self, Asset},
    balance::{self, Balance},
    consensus_parameter::{self, Consensus},
    identity::{self, Known},
    parameters,
    record::AtHeight,
    role::{self, GOVERNANCE_KEY, Governance},
    text,
    validator::{self, Validator, Validators},
};
use crate::{AppError, InitChain, ParamUpdates, ValidatorUpdate, state::Changes};

/// `app_state` of a genesis document for the asset ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GenesisState {
    /// The first assets, each symbol once.
    pub assets: Vec<GenesisAsset>,
    /// Who holds what of them, each account once for an asset.
    pub balances: Vec<GenesisBalance>,
    /// Who has which role.
    pub roles: GenesisRoles,
    /// How many members must approve a proposal: 1 to the number of members, or 0 if there are none.
    pub threshold: u16,
    /// What is known of the chain's validators besides their keys and powers, each at most once.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub validators: Vec<GenesisValidator>,
    /// Who may send transactions.
    pub submission: Submission,
    /// For how many heights after its own a proposal can be approved.
    pub proposal_lifetime: u64,
    /// For how many heights after its success an idempotency key is taken.
    pub idempotency_window: u64,
    /// What transactions cost; nothing if left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fees: Option<Fees>,
    /// What becomes of validators that contradict themselves.
    pub evidence: OnEvidence,
}

/// One of the first assets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GenesisAsset {
    /// What it is called.
    pub symbol: Symbol,
    /// How many decimal places people see; the ledger itself counts the smallest units. At most 38.
    pub decimals: u8,
    /// The most units there may be; 0 for no such limit.
    #[serde(with = "text")]
    pub cap: u128,
    /// What the issuer says of it, at most 256 bytes.
    pub metadata: String,
    /// Who may issue it, given the role.
    pub issuer: Address,
}

/// What one account holds of one asset at first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GenesisBalance {
    /// Of which asset.
    pub asset: Symbol,
    /// Whose.
    pub account: Address,
    /// How many of the smallest units.
    #[serde(with = "text")]
    pub amount: u128,
}

/// What the ledger is told of one of the first validators. Its vote key and power stand in the genesis document itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GenesisValidator {
    /// Under which it is known to the network.
    pub identity: PublicKey,
    /// What people call it, at most 64 bytes; may be empty.
    pub name: String,
    /// Who votes for it on proposals, given the role of a member; without one its power approves nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<Address>,
}

/// Who has which role at first.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct GenesisRoles {
    /// Those who say who submits.
    pub administrators: Vec<Address>,
    /// Those who may create and issue assets.
    pub issuers: Vec<Address>,
    /// Those who decide on roles together.
    pub members: Vec<Address>,
    /// Those who send transactions where submission is closed.
    pub submitters: Vec<Address>,
}

impl GenesisRoles {
    fn of(&self, role: Role) -> &[Address] {
        match role {
            Role::Administrator => &self.administrators,
            Role::Issuer => &self.issuers,
            Role::Member => &self.members,
            Role::Submitter => &self.submitters,
        }
    }
}

/// Who may send transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Submission {
    /// Everyone.
    #[default]
    Open,
    /// Submitters, members and administrators.
    Closed,
}

impl GenesisState {
    /// How long proposals stand and idempotency keys are taken where genesis does not say.
    pub const DEFAULT_HEIGHTS: u64 = 100_000;

    /// The plain state that `althing init` and `althing testnet` begin with: each account holds `amount` of the one asset
    /// [`COIN`]. The first one issues and administers, the first three are members, more than half of whom approve.
    pub fn plain(accounts: &[Address], amount: u128) -> Self {
        let first = &accounts[..accounts.len().min(1)];
        let members = accounts[..accounts.len().min(3)].to_vec();
        let asset = |issuer: &Address| GenesisAsset {
            symbol: COIN,
            decimals: 6,
            cap: 0,
            metadata: String::new(),
            issuer: *issuer,
        };
        Self {
            assets: first.iter().map(asset).collect(),
            balances: accounts
                .iter()
                .map(|account| GenesisBalance { asset: COIN, account: *account, amount })
                .collect(),
            threshold: [0, 1, 2, 2][members.len()],
            roles: GenesisRoles {
                administrators: first.to_vec(),
                issuers: first.to_vec(),
                members,
                submitters: Vec::new(),
            },
            validators: Vec::new(),
            submission: Submission::Open,
            proposal_lifetime: Self::DEFAULT_HEIGHTS,
            idempotency_window: Self::DEFAULT_HEIGHTS,
            fees: None,
            evidence: OnEvidence::default(),
        }
    }

    fn parameters(&self, init: &InitChain) -> Parameters {
        Parameters {
            chain_id: init.chain_id.clone(),
            initial_height: init.initial_height,
            closed: self.submission == Submission::Closed,
            proposal_lifetime: self.proposal_lifetime,
            idempotency_window: self.idempotency_window,
            fees: self.fees.clone(),
            evidence: self.evidence,
        }
    }

    /// The records that the chain begins with, and its parameters, which are one of them.
    pub(super) fn begin(&self, init: &InitChain) -> Result<(Parameters, Changes), AppError> {
        let supplies = self.check()?;
        let mut records = Changes::new();
        let mut put = |key: Vec<u8>, bytes: Vec<u8>| records.insert(key, Some(bytes));
        for asset in &self.assets {
            let GenesisAsset { symbol, decimals, cap, metadata, issuer } = asset.clone();
            let supply = supplies.get(&symbol).copied().unwrap_or_default();
            put(asset_record::key(&symbol), Asset { issuer, decimals, cap, supply, metadata }.encode());
        }
        for GenesisBalance { asset, account, amount } in &self.balances {
            let balance = Balance { amount: *amount, ..Balance::default() };
            put(balance::key(asset, account).to_vec(), balance.encode());
        }
        for role in Role::ALL {
            for account in self.roles.of(role) {
                put(role::key(role, account), AtHeight(0).encode());
            }
        }
        // The check has counted them.
        let governance = Governance {
            threshold: self.threshold,
            members: self.roles.members.len() as u16,
            administrators: self.roles.administrators.len() as u16,
            ..Governance::default()
        };
        put(GOVERNANCE_KEY.to_vec(), governance.encode());
        if !init.validators.is_empty() {
            let validators = self.first_validators(init)?;
            for one in &validators.all {
                put(identity::key(&one.identity), Known::default().encode());
            }
            put(validator::KEY.to_vec(), validators.encode());
        }
        if init.params != ParamUpdates::default() {
            put(consensus_parameter::KEY.to_vec(), Consensus(init.params.clone()).encode());
        }
        let parameters = self.parameters(init);
        put(parameters::KEY.to_vec(), parameters.encode());
        Ok((parameters, records))
    }

    /// The validators of the genesis document, with what is said of them here.
    fn first_validators(&self, init: &InitChain) -> Result<Validators, AppError> {
        let fault = |field: String, reason: &str| AppError::Genesis { field, reason: reason.to_owned() };
        let mut all = Vec::with_capacity(init.validators.len());
        for (i, ValidatorUpdate { identity, power, vote_key }) in init.validators.iter().enumerate() {
            let identity = PublicKey::from_bytes(*identity);
            let said = self.validators.iter().find(|one| one.identity == identity);
            let none = || fault(format!("validators[{i}]"), "comes without a vote key");
            all.push(Validator {
                identity,
                vote_key: vote_key.clone().ok_or_else(none)?,
                power: *power,
                name: said.map(|one| one.name.clone()).unwrap_or_default(),
                account: said.and_then(|one| one.account),
                since: 0,
                suspended: None,
                admitted: 0,
            });
        }
        all.sort_by_key(|one| one.identity);
        let validators = Validators { named: all.len() as u32, all };
        validators.check().map_err(|refusal| fault("validators".to_owned(), &refusal.log))?;
        let stranger =
            |one: &GenesisValidator| !validators.all.iter().any(|each| each.identity == one.identity);
        if let Some(i) = self.validators.iter().position(stranger) {
            let reason = "is not one of the validators of the genesis document";
            return Err(fault(format!("app_state.validators[{i}].identity"), reason));
        }
        Ok(validators)
    }

    /// How many units there are of each asset. Checks all other rules on the way.
    pub fn supplies(&self) -> Result<BTreeMap<Symbol, u128>, AppError> {
        self.check()
    }
}

#[cfg(test)]
mod tests;
