//! Assets: creating them, who issues them, and how many units there are.

use althing_crypto::Encoding;
use borsh::{BorshDeserialize, BorshSerialize};

use super::{
    Address, Code, Role, Symbol, balance,
    draft::{Draft, Step},
    event, role,
};

/// What the ledger knows of an asset.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct Asset {
    pub(super) issuer: Address,
    pub(super) decimals: u8,
    /// The most units there may be; 0 for no such limit.
    pub(super) cap: u128,
    /// How many there are: in balances and in open locks.
    pub(super) supply: u128,
    pub(super) metadata: String,
}

impl Encoding for Asset {
    const NAME: &'static str = "asset";
    const VERSION: u8 = 1;
    const MAX_BYTES: usize = 512;
}

/// Where all assets lie, by symbol.
pub(super) const KEYS: &[u8] = b"s/";

pub(super) fn key(symbol: &Symbol) -> Vec<u8> {
    [KEYS, symbol.as_bytes()].concat()
}

/// The asset, or that there is none.
pub(super) fn expect(draft: &mut Draft<'_, '_>, symbol: &Symbol) -> Step<Asset> {
    let unknown = || Code::UnknownAsset.refusal(format!("there is no asset {symbol}: check the symbol"));
    Ok(draft.read::<Asset>(&key(symbol))?.ok_or_else(unknown)?)
}

/// The asset, if the sender is its issuer and still has the role.
pub(super) fn expect_issuer(draft: &mut Draft<'_, '_>, symbol: &Symbol) -> Step<Asset> {
    let asset = expect(draft, symbol)?;
    if asset.issuer != draft.sender {
        let log = format!("{} is not the issuer of {symbol}, which is {}", draft.sender, asset.issuer);
        return Err(Code::NotIssuerOfAsset.refusal(log).into());
    }
    role::expect_sender(draft, Role::Issuer)?;
    Ok(asset)
}

/// `CreateAsset`.
pub(super) fn create(
    draft: &mut Draft<'_, '_>,
    symbol: &Symbol,
    decimals: u8,
    cap: u128,
    metadata: &str,
) -> Step {
    role::expect_sender(draft, Role::Issuer)?;
    let key = key(symbol);
    if draft.has(&key)? {
        let log = format!("there is an asset {symbol} already: choose another symbol");
        return Err(Code::AssetExists.refusal(log).into());
    }
    let issuer = draft.sender;
    draft.write(key, &Asset { issuer, decimals, cap, supply: 0, metadata: metadata.to_owned() });
    draft.emit(|| event::asset_created(symbol, &issuer, decimals, cap));
    Ok(())
}

/// `SetMetadata`.
pub(super) fn set_metadata(draft: &mut Draft<'_, '_>, symbol: &Symbol, metadata: &str) -> Step {
    let asset = expect_issuer(draft, symbol)?;
    draft.write(key(symbol), &Asset { metadata: metadata.to_owned(), ..asset });
    draft.emit(|| event::metadata_set(symbol));
    Ok(())
}

/// `HandOver`.
pub(super) fn hand_over(draft: &mut Draft<'_, '_>, symbol: &Symbol, to: &Address) -> Step {
    let asset = expect_issuer(draft, symbol)?;
    if !role::has(draft, Role::Issuer, to)? {
        let log = format!("{to} does not have the role issuer: grant it first, or check the address");
        return Err(Code::RecipientNotIssuer.refusal(log).into());
    }
    draft.emit(|| event::handed_over(symbol, &asset.issuer, to));
    draft.write(key(symbol), &Asset { issuer: *to, ..asset });
    Ok(())
}

/// `Issue`.
pub(super) fn issue(draft: &mut Draft<'_, '_>, symbol: &Symbol, to: &Address, amount: u128) -> Step {
    let asset = expect_issuer(draft, symbol)?;
    let Some(supply) = asset.supply.checked_add(amount) else {
        let log = format!("there are {} {symbol}; {amount} more are past 2^128 - 1", asset.supply);
        return Err(Code::Overflow.refusal(log).into());
    };
    if asset.cap != 0 && supply > asset.cap {
        let (has, cap) = (asset.supply, asset.cap);
        let log = format!("there are {has} {symbol}; {amount} more are past its cap of {cap}");
        return Err(Code::CapExceeded.refusal(log).into());
    }
    draft.write(key(symbol), &Asset { supply, ..asset });
    balance::credit(draft, symbol, to, amount)?;
    draft.emit(|| event::issued(symbol, to, amount));
    Ok(())
}

/// `Burn`.
pub(super) fn burn(draft: &mut Draft<'_, '_>, symbol: &Symbol, from: &Address, amount: u128) -> Step {
    balance::debit(draft, symbol, from, amount)?;
    let asset = expect(draft, symbol)?;
    // What an account held is part of the supply.
    let supply = asset.supply.checked_sub(amount).ok_or_else(|| {
        super::record::corrupt(format!("asset {symbol}"), "an account held more than the supply")
    })?;
    draft.write(key(symbol), &Asset { supply, ..asset });
    draft.emit(|| event::burned(symbol, from, amount));
    Ok(())
}
