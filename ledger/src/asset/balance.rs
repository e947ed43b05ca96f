//! Balances: what an account holds of an asset, and the chain of what it held before.

use althing_crypto::{Encoding, Hash, sha256};
use borsh::{BorshDeserialize, BorshSerialize};

use super::{
    Address, Code, Symbol, asset_record,
    cells::CellId,
    draft::{Draft, Step},
    event,
    short::{Key, Value},
};
use crate::TxError;

/// What an account holds of an asset. It stays when it falls to 0, as the end of its history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, BorshSerialize, BorshDeserialize)]
pub(super) struct Balance {
    pub(super) amount: u128,
    /// Whether it cannot be debited.
    pub(super) frozen: bool,
    /// The height of the block that left it so; 0 for genesis.
    pub(super) height: u64,
    /// SHA-256 of the record that it had before that block, or zeros: so the newest one vouches for all before it.
    pub(super) previous: [u8; 32],
}

impl Encoding for Balance {
    const NAME: &'static str = "balance";
    const VERSION: u8 = 1;
    const MAX_BYTES: usize = 58;
}

impl Balance {
    /// This balance after a change at `height`: what a block does in several steps is one change.
    fn changed(self, draft: &Draft<'_, '_>, existed: bool) -> Self {
        let height = draft.height();
        let previous = match existed {
            false => *Hash::ZERO.as_bytes(),
            true if self.height == height => self.previous,
            // A mere trial leaves no balance behind.
            true if !draft.is_told() => self.previous,
            true => *sha256(&Value::encoded(&self)).as_bytes(),
        };
        Self { height, previous, ..self }
    }
}

/// Where all balances of an asset lie, by address.
pub(super) fn keys_of(asset: &Symbol) -> Vec<u8> {
    [b"b/", asset.as_bytes(), &[0]].concat()
}

pub(super) fn key(asset: &Symbol, account: &Address) -> Key {
    Key::of(&[b"b/", asset.as_bytes(), &[0], account.as_bytes()])
}

/// Takes units out of an account that is not frozen.
pub(super) fn debit(draft: &mut Draft<'_, '_>, asset: &Symbol, account: &Address, amount: u128) -> Step {
    let at = draft.at(&key(asset, account));
    let before = draft.read_at::<Balance>(at)?;
    if before.is_some_and(|balance| balance.frozen) {
        let log = format!("{account} is frozen in {asset}: its issuer must unfreeze it first");
        return Err(Code::Frozen.refusal(log).into());
    }
    take(draft, (asset, account, at), before, amount)
}

/// Takes units out of an account, for what its freezing must not hinder.
pub(super) fn debit_even_frozen(
    draft: &mut Draft<'_, '_>,
    asset: &Symbol,
    account: &Address,
    amount: u128,
) -> Step {
    let at = draft.at(&key(asset, account));
    let before = draft.read_at::<Balance>(at)?;
    take(draft, (asset, account, at), before, amount)
}

/// Takes units out of the balance that was found `before`.
fn take(
    draft: &mut Draft<'_, '_>,
    (asset, account, at): (&Symbol, &Address, CellId),
    before: Option<Balance>,
    amount: u128,
) -> Step {
    let Some(before) = before else {
        asset_record::expect(draft, asset)?;
        return Err(insufficient(asset, account, 0, amount).into());
    };
    let Some(rest) = before.amount.checked_sub(amount) else {
        return Err(insufficient(asset, account, before.amount, amount).into());
    };
    let after = before.changed(draft, true);
    draft.write_at(at, &Balance { amount: rest, ..after });
    Ok(())
}

/// Gives units to an account, whether frozen or not. The asset must be known to exist.
pub(super) fn credit(draft: &mut Draft<'_, '_>, asset: &Symbol, account: &Address, amount: u128) -> Step {
    let at = draft.at(&key(asset, account));
    let found = draft.read_at::<Balance>(at)?;
    let before = found.unwrap_or_default();
    // What one account holds is part of the supply, which was checked when it was issued.
    let Some(sum) = before.amount.checked_add(amount) else {
        let log = format!("{account} would hold more than 2^128 - 1 units of {asset}");
        return Err(Code::Overflow.refusal(log).into());
    };
    let after = before.changed(draft, found.is_some());
    draft.write_at(at, &Balance { amount: sum, ..after });
    Ok(())
}

/// `Transfer`.
pub(super) fn transfer(
    draft: &mut Draft<'_, '_>,
    asset: &Symbol,
    from: &Address,
    to: &Address,
    amount: u128,
) -> Step {
    debit(draft, asset, from, amount)?;
    credit(draft, asset, to, amount)?;
    draft.emit(|| event::transfer(asset, from, to, amount));
    Ok(())
}

/// `Freeze` and `Unfreeze`.
pub(super) fn set_frozen(draft: &mut Draft<'_, '_>, asset: &Symbol, account: &Address, frozen: bool) -> Step {
    asset_record::expect_issuer(draft, asset)?;
    let at = draft.at(&key(asset, account));
    let found = draft.read_at::<Balance>(at)?;
    let before = found.unwrap_or_default();
    if before.frozen == frozen {
        let refusal = match frozen {
            true => Code::AlreadyFrozen.refusal(format!("{account} is frozen in {asset} already")),
            false => Code::NotFrozen.refusal(format!("{account} is not frozen in {asset}")),
        };
        return Err(refusal.into());
    }
    let after = before.changed(draft, found.is_some());
    draft.write_at(at, &Balance { frozen, ..after });
    draft.emit(|| event::frozen(asset, account, frozen));
    Ok(())
}

fn insufficient(asset: &Symbol, account: &Address, holds: u128, amount: u128) -> TxError {
    Code::InsufficientBalance.refusal(format!(
        "{account} holds {holds} {asset} and would pay {amount}: pay less, or fund it first"
    ))
}
