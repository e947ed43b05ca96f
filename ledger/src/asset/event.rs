//! Events: one for each change, so that whoever reads them all knows the state. `docs/transactions.md` lists them.

use althing_crypto::ed25519::PublicKey;

use super::{Address, Change, Lock, LockId, LockState, Role, Symbol, ValidatorChange, misbehaviour::Piece};
use crate::{Attribute, Event};

/// An event of this kind; the first attributes are worth an index, the others not.
fn event<const I: usize, const P: usize>(
    kind: &str,
    indexed: [(&str, String); I],
    plain: [(&str, String); P],
) -> Event {
    let mut attributes = Vec::with_capacity(I + P);
    let attribute = |(key, value): (&str, String), index| Attribute { key: key.to_owned(), value, index };
    attributes.extend(indexed.into_iter().map(|one| attribute(one, true)));
    attributes.extend(plain.into_iter().map(|one| attribute(one, false)));
    Event { kind: kind.to_owned(), attributes }
}

fn asset(symbol: &Symbol) -> (&'static str, String) {
    ("asset", symbol.to_string())
}

pub(super) fn transfer(symbol: &Symbol, from: &Address, to: &Address, amount: u128) -> Event {
    let indexed = [asset(symbol), ("sender", from.to_text()), ("recipient", to.to_text())];
    event("transfer", indexed, [("amount", amount.to_string())])
}

pub(super) fn fee(symbol: &Symbol, payer: &Address, collector: &Address, amount: u128) -> Event {
    let indexed = [asset(symbol), ("payer", payer.to_string()), ("collector", collector.to_string())];
    event("fee", indexed, [("amount", amount.to_string())])
}

pub(super) fn asset_created(symbol: &Symbol, issuer: &Address, decimals: u8, cap: u128) -> Event {
    let indexed = [asset(symbol), ("issuer", issuer.to_string())];
    event("asset_created", indexed, [("decimals", decimals.to_string()), ("cap", cap.to_string())])
}

pub(super) fn metadata_set(symbol: &Symbol) -> Event {
    event("metadata_set", [asset(symbol)], [])
}

pub(super) fn handed_over(symbol: &Symbol, from: &Address, to: &Address) -> Event {
    event("handed_over", [asset(symbol), ("from", from.to_string()), ("issuer", to.to_string())], [])
}

pub(super) fn issued(symbol: &Symbol, to: &Address, amount: u128) -> Event {
    event("issued", [asset(symbol), ("recipient", to.to_string())], [("amount", amount.to_string())])
}

pub(super) fn burned(symbol: &Symbol, from: &Address, amount: u128) -> Event {
    event("burned", [asset(symbol), ("account", from.to_string())], [("amount", amount.to_string())])
}

pub(super) fn frozen(symbol: &Symbol, account: &Address, frozen: bool) -> Event {
    let kind = if frozen { "frozen" } else { "unfrozen" };
    event(kind, [asset(symbol), ("account", account.to_string())], [])
}

pub(super) fn locked(id: &LockId, lock: &Lock) -> Event {
    let indexed = [
        ("lock", id.to_string()),
        asset(&lock.asset),
        ("sender", lock.from.to_string()),
        ("recipient", lock.to.to_string()),
        ("hash", lock.hash.to_string()),
    ];
    let plain = [("amount", lock.amount.to_string()), ("refund_height", lock.refund_height.to_string())];
    event("locked", indexed, plain)
}

/// A lock that was claimed or refunded.
pub(super) fn settled(id: &LockId, lock: &Lock) -> Event {
    let (kind, winner) = match lock.state {
        LockState::Claimed { .. } => ("claimed", lock.to),
        LockState::Refunded { .. } | LockState::Open => ("refunded", lock.from),
    };
    let indexed = [("lock", id.to_string()), asset(&lock.asset), ("recipient", winner.to_string())];
    let mut settled = event(kind, indexed, [("amount", lock.amount.to_string())]);
    if let LockState::Claimed { preimage, .. } = &lock.state {
        let preimage = Attribute { key: "preimage".to_owned(), value: preimage.to_string(), index: false };
        settled.attributes.push(preimage);
    }
    settled
}

pub(super) fn role(role: Role, account: &Address, granted: bool) -> Event {
    let kind = if granted { "role_granted" } else { "role_revoked" };
    event(kind, [("role", role.to_string()), ("account", account.to_string())], [])
}

pub(super) fn threshold(approvals: u16) -> Event {
    event("threshold_set", [], [("approvals", approvals.to_string())])
}

pub(super) fn proposed(number: u64, proposer: &Address, change: &Change) -> Event {
    let indexed = [("proposal", number.to_string()), ("proposer", proposer.to_string())];
    let mut proposed = event("proposed", indexed, []);
    let mut add = |key: &str, value: String| {
        proposed.attributes.push(Attribute { key: key.to_owned(), value, index: false });
    };
    match change {
        Change::Grant { role, account } | Change::Revoke { role, account } => {
            let what = if matches!(change, Change::Grant { .. }) { "grant" } else { "revoke" };
            add("change", what.to_owned());
            add("role", role.to_string());
            add("account", account.to_string());
        }
        Change::Threshold { approvals } => {
            add("change", "threshold".to_owned());
            add("approvals", approvals.to_string());
        }
        Change::Validators { changes } => {
            add("change", "validators".to_owned());
            add("changes", changes.len().to_string());
        }
    }
    proposed
}

/// One change of the validators, or of a consensus parameter.
pub(super) fn validator_changed(change: &ValidatorChange) -> Event {
    let of = |identity: &dyn ToString| [("validator", identity.to_string())];
    let key = |key: &[u8; 48]| ("vote_key", hex::encode(key));
    match change {
        ValidatorChange::Add { identity, vote_key, power, account, .. } => {
            let power = ("power", power.to_string());
            let plain = [key(&vote_key.key), power, ("account", account.to_string())];
            event("validator_added", of(identity), plain)
        }
        ValidatorChange::Remove { identity } => event("validator_removed", of(identity), []),
        ValidatorChange::Power { identity, power } => {
            event("validator_power_set", of(identity), [("power", power.to_string())])
        }
        ValidatorChange::VoteKey { identity, vote_key } => {
            event("validator_vote_key_set", of(identity), [key(&vote_key.key)])
        }
        ValidatorChange::Identity { identity, to } => {
            event("validator_identity_set", of(to), [("former", identity.to_string())])
        }
        ValidatorChange::Account { identity, account } => {
            event("validator_account_set", of(identity), [("account", account.to_string())])
        }
        ValidatorChange::Parameter { parameter, value } => {
            event("parameter_set", [("parameter", parameter.to_string())], [("value", value.to_string())])
        }
        ValidatorChange::Reinstate { identity } => event("validator_reinstated", of(identity), []),
    }
}

/// A validator that contradicted itself, whatever was done about it.
pub(super) fn misbehaviour(number: u64, piece: &Piece) -> Event {
    let indexed = [("misbehaviour", number.to_string()), ("validator", piece.identity.to_string())];
    let plain = [
        ("kind", piece.kind.name().to_owned()),
        ("epoch", piece.epoch.to_string()),
        ("view", piece.view.to_string()),
        ("outcome", piece.outcome.name().to_owned()),
    ];
    event("misbehaviour", indexed, plain)
}

/// A validator, by its identity of today, that lost its power.
pub(super) fn validator_suspended(identity: &PublicKey, misbehaviour: u64) -> Event {
    let indexed = [("validator", identity.to_string()), ("misbehaviour", misbehaviour.to_string())];
    event("validator_suspended", indexed, [])
}

pub(super) fn approved(number: u64, member: &Address) -> Event {
    event("approved", [("proposal", number.to_string()), ("member", member.to_string())], [])
}

pub(super) fn withdrawn(number: u64, member: &Address) -> Event {
    event("withdrawn", [("proposal", number.to_string()), ("member", member.to_string())], [])
}

/// The end of a proposal: `proposal_enacted`, `proposal_closed` or `proposal_expired`.
pub(super) fn closed(kind: &str, number: u64) -> Event {
    event(kind, [("proposal", number.to_string())], [])
}
