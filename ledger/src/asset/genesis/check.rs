//! Reading and checking a genesis state, so that an error names the field.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::{GenesisAsset, GenesisBalance, GenesisRoles, GenesisState, GenesisValidator, Submission};
use crate::{
    AppError, TxError,
    asset::{
        Address, Fees, OnEvidence, Role, Symbol,
        instruction::{check_decimals, check_metadata},
        text,
        validator_change::check_name,
    },
};

/// The state before its fields are checked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawState {
    assets: Vec<RawAsset>,
    balances: Vec<RawBalance>,
    #[serde(default)]
    roles: RawRoles,
    #[serde(default)]
    threshold: u16,
    #[serde(default)]
    validators: Vec<RawValidator>,
    #[serde(default)]
    submission: Submission,
    #[serde(default = "default_heights")]
    proposal_lifetime: u64,
    #[serde(default = "default_heights")]
    idempotency_window: u64,
    #[serde(default)]
    fees: Option<Fees>,
    #[serde(default)]
    evidence: OnEvidence,
}

fn default_heights() -> u64 {
    GenesisState::DEFAULT_HEIGHTS
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAsset {
    symbol: String,
    #[serde(default)]
    decimals: u8,
    #[serde(default)]
    cap: Option<String>,
    #[serde(default)]
    metadata: String,
    issuer: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawBalance {
    asset: String,
    account: String,
    amount: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawValidator {
    identity: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    account: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct RawRoles {
    administrators: Vec<String>,
    issuers: Vec<String>,
    members: Vec<String>,
    submitters: Vec<String>,
}

impl GenesisState {
    /// Reads and checks an `app_state`. Unknown fields are refused.
    pub fn from_json(json: &[u8]) -> Result<Self, AppError> {
        let raw: RawState = serde_json::from_slice(json).map_err(|error| fault("app_state", error))?;
        let assets = raw.assets.into_iter().enumerate().map(|(i, one)| one.read(i));
        let balances = raw.balances.into_iter().enumerate().map(|(i, one)| one.read(i));
        let validators = raw.validators.into_iter().enumerate().map(|(i, one)| one.read(i));
        let state = Self {
            assets: assets.collect::<Result<_, _>>()?,
            balances: balances.collect::<Result<_, _>>()?,
            roles: raw.roles.read()?,
            threshold: raw.threshold,
            validators: validators.collect::<Result<_, _>>()?,
            submission: raw.submission,
            proposal_lifetime: raw.proposal_lifetime,
            idempotency_window: raw.idempotency_window,
            fees: raw.fees,
            evidence: raw.evidence,
        };
        state.check()?;
        Ok(state)
    }

    /// Checks all rules; the answer is the supply of each asset.
    pub(super) fn check(&self) -> Result<BTreeMap<Symbol, u128>, AppError> {
        let supplies = self.check_assets()?;
        for role in Role::ALL {
            self.check_role(role)?;
        }
        let (threshold, members) = (usize::from(self.threshold), self.roles.members.len());
        if threshold > members || (threshold == 0) != (members == 0) {
            let reason = match members {
                0 => format!("{threshold} with no members; leave it out, or name members"),
                _ => format!("{threshold} with {members} members; say 1 to {members}"),
            };
            return Err(fault("threshold", reason));
        }
        self.check_validators()?;
        let may_submit = [&self.roles.submitters, &self.roles.members, &self.roles.administrators]
            .iter()
            .any(|one| !one.is_empty());
        if self.submission == Submission::Closed && !may_submit {
            let reason = "closed with nobody who may submit; name submitters, members or administrators";
            return Err(fault("submission", reason));
        }
        match &self.fees {
            Some(fees) if !supplies.contains_key(&fees.asset) => {
                Err(fault("fees.asset", format!("{} is not one of assets", fees.asset)))
            }
            _ => Ok(supplies),
        }
    }

    fn check_assets(&self) -> Result<BTreeMap<Symbol, u128>, AppError> {
        let mut supplies = BTreeMap::new();
        for (i, asset) in self.assets.iter().enumerate() {
            let at = |field: &str, reason: TxError| fault(&format!("assets[{i}].{field}"), reason.log);
            check_decimals(asset.decimals).map_err(|error| at("decimals", error))?;
            check_metadata(&asset.metadata).map_err(|error| at("metadata", error))?;
            if !asset.symbol.is_valid() || supplies.insert(asset.symbol, 0u128).is_some() {
                let reason = format!("{} is listed twice; name each symbol once", asset.symbol);
                return Err(fault(&format!("assets[{i}].symbol"), reason));
            }
        }
        let mut seen = BTreeSet::new();
        for (i, GenesisBalance { asset, account, amount }) in self.balances.iter().enumerate() {
            let at = |field: &str, reason: String| fault(&format!("balances[{i}].{field}"), reason);
            let Some(supply) = supplies.get_mut(asset) else {
                return Err(at("asset", format!("{asset} is not one of assets")));
            };
            if !seen.insert((asset, account)) {
                return Err(at("account", format!("{account} is listed twice for {asset}; name it once")));
            }
            *supply = supply.checked_add(*amount).ok_or_else(|| {
                at("amount", "brings the supply past 2^128 - 1, more than can be counted".to_owned())
            })?;
        }
        for (i, asset) in self.assets.iter().enumerate() {
            let supply = supplies.get(&asset.symbol).copied().unwrap_or_default();
            if asset.cap != 0 && supply > asset.cap {
                let reason = format!("{} with {supply} in balances; raise it, or give less", asset.cap);
                return Err(fault(&format!("assets[{i}].cap"), reason));
            }
        }
        Ok(supplies)
    }

    fn check_validators(&self) -> Result<(), AppError> {
        let mut seen = BTreeSet::new();
        for (i, GenesisValidator { identity, name, .. }) in self.validators.iter().enumerate() {
            if !seen.insert(identity) {
                let reason = format!("{identity} is listed twice; name it once");
                return Err(fault(&format!("validators[{i}].identity"), reason));
            }
            check_name(name).map_err(|error| fault(&format!("validators[{i}].name"), error.log))?;
        }
        Ok(())
    }

    fn check_role(&self, role: Role) -> Result<(), AppError> {
        let (accounts, at) = (self.roles.of(role), format!("roles.{role}s"));
        let mut seen = BTreeSet::new();
        if let Some(twice) = accounts.iter().find(|one| !seen.insert(**one)) {
            return Err(fault(&at, format!("{twice} is listed twice; name it once")));
        }
        let max = usize::from(Role::MAX_GOVERNING);
        if matches!(role, Role::Administrator | Role::Member) && accounts.len() > max {
            return Err(fault(&at, format!("{} accounts, at most {max} are allowed", accounts.len())));
        }
        Ok(())
    }
}

impl RawAsset {
    fn read(self, i: usize) -> Result<GenesisAsset, AppError> {
        let at = |field: &str| format!("assets[{i}].{field}");
        Ok(GenesisAsset {
            symbol: symbol(&at("symbol"), &self.symbol)?,
            decimals: self.decimals,
            cap: self.cap.map_or(Ok(0), |cap| number(&at("cap"), &cap))?,
            metadata: self.metadata,
            issuer: address(&at("issuer"), &self.issuer)?,
        })
    }
}

impl RawBalance {
    fn read(self, i: usize) -> Result<GenesisBalance, AppError> {
        let at = |field: &str| format!("balances[{i}].{field}");
        Ok(GenesisBalance {
            asset: symbol(&at("asset"), &self.asset)?,
            account: address(&at("account"), &self.account)?,
            amount: number(&at("amount"), &self.amount)?,
        })
    }
}

impl RawValidator {
    fn read(self, i: usize) -> Result<GenesisValidator, AppError> {
        let at = |field: &str| format!("validators[{i}].{field}");
        Ok(GenesisValidator {
            identity: self.identity.parse().map_err(|error| fault(&at("identity"), error))?,
            name: self.name,
            account: self.account.map(|account| address(&at("account"), &account)).transpose()?,
        })
    }
}

impl RawRoles {
    fn read(self) -> Result<GenesisRoles, AppError> {
        let read = |name: &str, texts: Vec<String>| {
            let texts = texts.iter().enumerate();
            texts.map(|(i, text)| address(&format!("roles.{name}[{i}]"), text)).collect::<Result<Vec<_>, _>>()
        };
        Ok(GenesisRoles {
            administrators: read("administrators", self.administrators)?,
            issuers: read("issuers", self.issuers)?,
            members: read("members", self.members)?,
            submitters: read("submitters", self.submitters)?,
        })
    }
}

fn symbol(at: &str, text: &str) -> Result<Symbol, AppError> {
    text.parse().map_err(|error| fault(at, error))
}

fn address(at: &str, text: &str) -> Result<Address, AppError> {
    text.parse().map_err(|error| fault(at, error))
}

fn number(at: &str, text: &str) -> Result<u128, AppError> {
    text::parse(text).map_err(|error| fault(at, error))
}

fn fault(field: &str, reason: impl ToString) -> AppError {
    AppError::Genesis { field: field.to_owned(), reason: reason.to_string() }
}
