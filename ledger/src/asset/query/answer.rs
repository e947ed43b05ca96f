//! The answers: functions of records alone, whether those of the whole state or of a proof.

use althing_crypto::{Encoding, ed25519::PublicKey, sha256};
use serde::Serialize;

use super::{
    AccountView, AssetView, BalanceView, ChangeView, GovernanceView, HistoryView, LockView, MAX_BACK,
    MisbehaviourStatus, MisbehaviourView, Page, PowerView, ProposalView, Question, RoleView, SupplyView,
    ValidatorView,
};
use crate::{
    AppError, Bytes,
    asset::{
        Address, Change, Lock, LockId, Outcome, Parameters, Role, Symbol,
        account::{self, Account},
        asset_record::{self, Asset},
        balance::{self, Balance},
        consensus_parameter::{self, Consensus},
        identity, lock,
        misbehaviour::{self, Piece, Pieces},
        parameters,
        proposal::{self, MAX_OPEN, Proposal},
        record::{AtHeight, corrupt, decode, read},
        role::{self, GOVERNANCE_KEY, Governance},
        validator::{self, Validator, Validators},
    },
    state::Records,
};

impl Question {
    /// The answer, as JSON. What is not there is answered by `null`, an empty list, or zeros.
    pub fn answer(&self, records: &dyn Records) -> Result<Bytes, AppError> {
        match self {
            Self::Account { account } => json(&account_view(records, account)?),
            Self::Balance { asset, account } => json(&balance_view(records, asset, account)?),
            Self::Balances { account, after, limit } => {
                json(&balances(records, account, after.as_ref(), *limit)?)
            }
            Self::Asset { asset } => json(&asset_view(records, asset)?),
            Self::Assets { after, limit } => json(&assets(records, after.as_ref(), *limit)?),
            Self::Supply { asset } => {
                let view = asset_view(records, asset)?;
                json(&view.map(|AssetView { asset, supply, .. }| SupplyView { asset, supply }))
            }
            Self::Holders { asset, after, limit } => json(&holders(records, asset, after.as_ref(), *limit)?),
            Self::History { asset, account, before, limit } => {
                json(&history(records, asset, account, *before, *limit)?)
            }
            Self::Lock { lock } => json(&lock_view(records, lock)?),
            Self::Locks { account, after, limit } => json(&locks(records, account, after.as_ref(), *limit)?),
            Self::Roles { role, after, limit } => json(&roles(records, *role, after.as_ref(), *limit)?),
            Self::Governance {} => json(&governance(records)?),
            Self::Proposals {} => json(&proposals(records)?),
            Self::Parameters {} => json(&read::<Parameters>(records, parameters::KEY)?),
            Self::Validators { after, limit } => json(&validators(records, after.as_ref(), *limit)?),
            Self::Consensus {} => {
                let consensus: Option<Consensus> = read(records, consensus_parameter::KEY)?;
                json(&consensus.map(|Consensus(params)| params))
            }
            Self::Misbehaviour { before, limit } => json(&misbehaviour(records, *before, *limit)?),
        }
    }
}

fn json(value: &impl Serialize) -> Result<Bytes, AppError> {
    serde_json::to_vec(value)
        .map_err(|error| AppError::Failed(format!("cannot write the answer as JSON: {error}")))
}

fn account_view(records: &dyn Records, address: &Address) -> Result<AccountView, AppError> {
    let account = read::<Account>(records, &account::key(address))?.unwrap_or_default();
    let mut roles = Vec::new();
    for role in Role::ALL {
        if records.get(&role::key(role, address))?.is_some() {
            roles.push(role);
        }
    }
    Ok(AccountView { address: *address, sequence: account.sequence, roles })
}

fn balance_of(asset: &Symbol, account: &Address, balance: &Balance) -> BalanceView {
    let Balance { amount, frozen, height, .. } = *balance;
    BalanceView { asset: *asset, account: *account, amount, frozen, since: height }
}

fn balance_view(records: &dyn Records, asset: &Symbol, account: &Address) -> Result<BalanceView, AppError> {
    let balance: Option<Balance> = read(records, &balance::key(asset, account))?;
    Ok(balance_of(asset, account, &balance.unwrap_or_default()))
}

fn balances(
    records: &dyn Records,
    account: &Address,
    after: Option<&Symbol>,
    limit: u16,
) -> Result<Page<BalanceView, Symbol>, AppError> {
    let assets = assets(records, after, limit)?;
    let mut items = Vec::new();
    for AssetView { asset, .. } in &assets.items {
        if let Some(balance) = read(records, &balance::key(asset, account))? {
            items.push(balance_of(asset, account, &balance));
        }
    }
    Ok(Page { items, next: assets.next })
}

fn asset_of(symbol: &Symbol, asset: Asset) -> AssetView {
    let Asset { issuer, decimals, cap, supply, metadata } = asset;
    AssetView { asset: *symbol, issuer, decimals, cap, supply, metadata }
}

fn asset_view(records: &dyn Records, symbol: &Symbol) -> Result<Option<AssetView>, AppError> {
    let asset: Option<Asset> = read(records, &asset_record::key(symbol))?;
    Ok(asset.map(|asset| asset_of(symbol, asset)))
}

fn assets(
    records: &dyn Records,
    after: Option<&Symbol>,
    limit: u16,
) -> Result<Page<AssetView, Symbol>, AppError> {
    page(records, asset_record::KEYS, after.map(Symbol::as_bytes), limit, |rest, bytes| {
        let symbol = std::str::from_utf8(rest).ok().and_then(|text| text.parse().ok());
        let symbol = symbol.ok_or_else(|| corrupt("asset", "its key is no symbol"))?;
        Ok((asset_of(&symbol, decode(bytes)?), symbol))
    })
}

fn holders(
    records: &dyn Records,
    asset: &Symbol,
    after: Option<&Address>,
    limit: u16,
) -> Result<Page<BalanceView, Address>, AppError> {
    let after = after.map(|address| address.as_bytes().as_slice());
    page(records, &balance::keys_of(asset), after, limit, |rest, bytes| {
        let account = address(rest)?;
        Ok((balance_of(asset, &account, &decode(bytes)?), account))
    })
}

/// Each record is named by the hash in the one after it, so that a proof of the newest proves them all.
fn history(
    records: &dyn Records,
    asset: &Symbol,
    account: &Address,
    before: Option<u64>,
    limit: u16,
) -> Result<HistoryView, AppError> {
    let (key, limit) = (balance::key(asset, account), usize::from(limit));
    let mut view = HistoryView { changes: Vec::new(), complete: true };
    let Some(newest) = records.get(&key)? else { return Ok(view) };
    // What lies above the page is needed, too: one names the other.
    let back = if before.is_some() { MAX_BACK } else { limit };
    let older = records.versions(&key, back.saturating_sub(1))?;
    let mut named = None;
    for bytes in [newest].into_iter().chain(older) {
        if named.is_some_and(|hash| hash != *sha256(&bytes).as_bytes()) {
            return Err(corrupt(Balance::NAME, "an older one is not what the one after it names"));
        }
        let Balance { amount, frozen, height, previous } = decode(&bytes)?;
        named = Some(previous);
        // Those below the page were read with it, and so must be right, too.
        if view.changes.len() == limit {
            continue;
        }
        if before.is_none_or(|before| height < before) {
            view.changes.push(ChangeView { height, amount, frozen });
        }
        view.complete = previous == [0; 32];
    }
    Ok(view)
}

fn lock_view(records: &dyn Records, id: &LockId) -> Result<Option<LockView>, AppError> {
    let lock: Option<Lock> = read(records, &lock::key(id))?;
    Ok(lock.map(|lock| LockView { id: *id, lock }))
}

fn locks(
    records: &dyn Records,
    account: &Address,
    after: Option<&LockId>,
    limit: u16,
) -> Result<Page<LockView, LockId>, AppError> {
    let after = after.map(|id| id.as_bytes().as_slice());
    page(records, &lock::keys_of(account), after, limit, |rest, _| {
        let id = rest.try_into().map(LockId::from_bytes);
        let id = id.map_err(|_| corrupt("lock", "the id in a key is not one"))?;
        let view = lock_view(records, &id)?;
        Ok((view.ok_or_else(|| corrupt("lock", "an open one is not there"))?, id))
    })
}

fn roles(
    records: &dyn Records,
    role: Role,
    after: Option<&Address>,
    limit: u16,
) -> Result<Page<RoleView, Address>, AppError> {
    let after = after.map(|address| address.as_bytes().as_slice());
    page(records, &role::keys_of(role), after, limit, |rest, bytes| {
        let (account, AtHeight(since)) = (address(rest)?, decode(bytes)?);
        Ok((RoleView { account, since }, account))
    })
}

fn governance(records: &dyn Records) -> Result<GovernanceView, AppError> {
    let Governance { threshold, members, administrators, next_proposal, open } =
        read(records, GOVERNANCE_KEY)?.unwrap_or_default();
    let next_proposal = next_proposal.max(1);
    Ok(GovernanceView { threshold, members, administrators, next_proposal, open_proposals: open.len() })
}

fn proposals(records: &dyn Records) -> Result<Vec<ProposalView>, AppError> {
    let found = records.range(proposal::KEYS, proposal::KEYS_END, MAX_OPEN)?;
    let view = |(key, bytes): (Vec<u8>, Vec<u8>)| {
        let number = key[proposal::KEYS.len()..].try_into().map(u64::from_be_bytes);
        let number = number.map_err(|_| corrupt("proposal", "its key holds no number"))?;
        let Proposal { change, proposer, expiry_height, approvals } = decode(&bytes)?;
        let mut members = Vec::new();
        for account in &approvals {
            if records.get(&role::key(Role::Member, account))?.is_some() {
                members.push(*account);
            }
        }
        let counted = members.len() as u16;
        let power = match &change {
            Change::Validators { .. } => {
                let validators: Validators = read(records, validator::KEY)?.unwrap_or_default();
                Some(PowerView { approved: validators.power_of(&members), of: validators.total() })
            }
            _ => None,
        };
        Ok(ProposalView { number, change, proposer, expiry_height, approvals, counted, power })
    };
    found.into_iter().map(view).collect()
}

fn validators(
    records: &dyn Records,
    after: Option<&PublicKey>,
    limit: u16,
) -> Result<Page<ValidatorView, PublicKey>, AppError> {
    let validators: Validators = read(records, validator::KEY)?.unwrap_or_default();
    let mut rest = validators.all.into_iter().filter(|one| after.is_none_or(|after| one.identity > *after));
    let mut items = Vec::new();
    for one in rest.by_ref().take(limit.into()) {
        let Validator { identity, vote_key, power, name, account, since, suspended, .. } = one;
        let member = match &account {
            Some(account) => records.get(&role::key(Role::Member, account))?.is_some(),
            None => false,
        };
        items.push(ValidatorView { identity, name, power, account, member, since, suspended, vote_key });
    }
    let last = items.last().map(|one| one.identity);
    Ok(Page { items, next: last.filter(|_| rest.next().is_some()) })
}

fn misbehaviour(
    records: &dyn Records,
    before: Option<u64>,
    limit: u16,
) -> Result<Page<MisbehaviourView, u64>, AppError> {
    let Pieces(count) = read(records, misbehaviour::KEY)?.unwrap_or_default();
    let validators: Validators = read(records, validator::KEY)?.unwrap_or_default();
    let oldest = count.saturating_sub(misbehaviour::KEPT);
    let mut numbers = (oldest..before.map_or(count, |before| before.min(count))).rev();
    let mut items = Vec::new();
    for number in numbers.by_ref().take(limit.into()) {
        let piece: Option<Piece> = read(records, &misbehaviour::key(number))?;
        let piece = piece.ok_or_else(|| corrupt("misbehaviour", format!("number {number} is not there")))?;
        let now = standing(records, &validators, number, &piece)?;
        let Piece { kind, identity, power, total_power, epoch, view, height, outcome } = piece;
        items.push(MisbehaviourView {
            number,
            height,
            kind,
            identity,
            power,
            total_power,
            epoch,
            view,
            outcome,
            now,
        });
    }
    let last = items.last().map(|one| one.number);
    Ok(Page { items, next: last.filter(|_| numbers.next().is_some()) })
}

/// How it stands with what a piece led to.
fn standing(
    records: &dyn Records,
    validators: &Validators,
    number: u64,
    piece: &Piece,
) -> Result<Option<MisbehaviourStatus>, AppError> {
    if piece.outcome != Outcome::Suspended {
        return Ok(None);
    }
    let known = |one: &PublicKey| Ok(read(records, &identity::key(one))?.unwrap_or_default());
    let (newest, _) = identity::trace(validators, &piece.identity, known)?;
    Ok(Some(match validators.get(&newest) {
        None => MisbehaviourStatus::Removed,
        Some(one) if one.suspended.is_some_and(|why| why.misbehaviour == number) => {
            MisbehaviourStatus::Suspended
        }
        Some(_) => MisbehaviourStatus::Reinstated,
    }))
}

/// At most `limit` of the records under `prefix`, after the key that ends in `after`.
fn page<T, A>(
    records: &dyn Records,
    prefix: &[u8],
    after: Option<&[u8]>,
    limit: u16,
    item: impl Fn(&[u8], &[u8]) -> Result<(T, A), AppError>,
) -> Result<Page<T, A>, AppError> {
    // The key that follows next after another is that with a zero behind it.
    let from = after.map_or_else(|| prefix.to_vec(), |after| [prefix, after, &[0]].concat());
    let limit = usize::from(limit);
    let found = records.range(&from, &end_of(prefix), limit + 1)?;
    let mut page = Page { items: Vec::with_capacity(found.len().min(limit)), next: None };
    let mut last = None;
    for (key, bytes) in found.iter().take(limit) {
        let (item, cursor) = item(key.get(prefix.len()..).unwrap_or_default(), bytes)?;
        page.items.push(item);
        last = Some(cursor);
    }
    page.next = last.filter(|_| found.len() > limit);
    Ok(page)
}

/// The first key that is after all that begin with `prefix`; empty if there is none.
fn end_of(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if let Some(next) = last.checked_add(1) {
            end.push(next);
            break;
        }
    }
    end
}

fn address(bytes: &[u8]) -> Result<Address, AppError> {
    bytes.try_into().map(Address::from_bytes).map_err(|_| corrupt("address", "a key holds none"))
}
