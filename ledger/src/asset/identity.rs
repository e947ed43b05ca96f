//! Identities that are or were those of validators: what became of each, for good.
//!
//! Evidence names the identity of an older epoch, and a validator may have taken another one since: so its trace is kept. And whoever is
//! suspended comes back by being reinstated, not under an earlier identity, nor after a removal.

use althing_crypto::{Encoding, ed25519::PublicKey};
use borsh::{BorshDeserialize, BorshSerialize};

use super::{
    Code, ValidatorChange,
    draft::{Draft, Step},
    validator::Validators,
};
use crate::AppError;

/// What is known of an identity.
#[derive(Debug, Clone, PartialEq, Eq, Default, BorshSerialize, BorshDeserialize)]
pub(super) struct Known {
    /// Since which height; 0 for genesis.
    pub(super) since: u64,
    pub(super) fate: Fate,
}

/// What became of an identity when it ceased to be a validator's.
#[derive(Debug, Clone, PartialEq, Eq, Default, BorshSerialize, BorshDeserialize)]
pub(super) enum Fate {
    /// Nothing that is remembered: it is a validator's, or may become one's again.
    #[default]
    Open,
    /// The validator has, or had then, this one.
    Became(PublicKey),
    /// The validator was removed at this height while it was suspended.
    Barred(u64),
}

impl Encoding for Known {
    const NAME: &'static str = "identity";
    // 1 was a height alone.
    const VERSION: u8 = 2;
    const MAX_BYTES: usize = 64;
}

pub(super) fn key(identity: &PublicKey) -> Vec<u8> {
    [b"v/", identity.as_bytes().as_slice()].concat()
}

fn read(draft: &mut Draft<'_, '_>, identity: &PublicKey) -> Result<Known, AppError> {
    Ok(draft.read(&key(identity))?.unwrap_or_default())
}

/// Who has this identity now, or had it last, by its newest one; and what became of that. `read` gives what is known of one.
pub(super) fn trace(
    validators: &Validators,
    identity: &PublicKey,
    mut read: impl FnMut(&PublicKey) -> Result<Known, AppError>,
) -> Result<(PublicKey, Fate), AppError> {
    let mut newest = *identity;
    // Each step leads to an identity that was taken later, as taking one clears its fate. So there is an end; the bound is for the reader.
    for _ in 0..validators.named {
        if validators.get(&newest).is_some() {
            return Ok((newest, Fate::Open));
        }
        match read(&newest)?.fate {
            Fate::Became(next) => newest = next,
            fate => return Ok((newest, fate)),
        }
    }
    Ok((newest, Fate::Open))
}

/// As [`trace`], within a transaction.
pub(super) fn newest(
    draft: &mut Draft<'_, '_>,
    validators: &Validators,
    identity: &PublicKey,
) -> Result<(PublicKey, Fate), AppError> {
    trace(validators, identity, |one| read(draft, one))
}

/// That the identity that a change brings in, if it does, may come.
pub(super) fn expect_admissible(
    draft: &mut Draft<'_, '_>,
    validators: &Validators,
    change: &ValidatorChange,
) -> Step {
    let (comes, instead_of) = match change {
        ValidatorChange::Add { identity, .. } => (identity, None),
        ValidatorChange::Identity { identity, to } => (to, Some(identity)),
        _ => return Ok(()),
    };
    let (now, fate) = newest(draft, validators, comes)?;
    if let Fate::Barred(height) = fate {
        let log = format!(
            "{comes} is an identity of a validator that was removed at height {height} while it was suspended: that is for good"
        );
        return Err(Code::Barred.refusal(log).into());
    }
    let suspended = validators.get(&now).is_some_and(|one| one.suspended.is_some());
    if suspended && now != *comes && Some(&now) != instead_of {
        let log = format!("{comes} was an identity of validator {now}, which is suspended: reinstate that");
        return Err(Code::Suspended.refusal(log).into());
    }
    Ok(())
}

/// Keeps what a change, that was made, means for identities. `suspended` is whether the validator was, and `named` counts the identities.
pub(super) fn note(
    draft: &mut Draft<'_, '_>,
    named: &mut u32,
    change: &ValidatorChange,
    suspended: bool,
) -> Step {
    match change {
        ValidatorChange::Add { identity, .. } => name(draft, named, identity),
        ValidatorChange::Identity { identity, to } => {
            name(draft, named, to)?;
            end(draft, identity, Fate::Became(*to))
        }
        ValidatorChange::Remove { identity } if suspended => {
            let height = draft.height();
            end(draft, identity, Fate::Barred(height))
        }
        _ => Ok(()),
    }
}

/// It is a validator's now. Counted is what never was one's.
fn name(draft: &mut Draft<'_, '_>, named: &mut u32, identity: &PublicKey) -> Step {
    let (key, height) = (key(identity), draft.height());
    let known = match draft.read::<Known>(&key)? {
        Some(known) => Known { fate: Fate::Open, ..known },
        None => {
            *named = named.saturating_add(1);
            Known { since: height, fate: Fate::Open }
        }
    };
    draft.write(key, &known);
    Ok(())
}

fn end(draft: &mut Draft<'_, '_>, identity: &PublicKey, fate: Fate) -> Step {
    let known = read(draft, identity)?;
    draft.write(key(identity), &Known { fate, ..known });
    Ok(())
}
