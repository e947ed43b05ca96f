//! Fees: what a successful transaction pays for its bytes and instructions. Off unless genesis has them.
//!
//! A sender who holds less than the fee uses up no sequence: else anybody could leave an account record for nothing, by as many
//! keys as they like. And a fee is taken from a frozen account too: else the issuer of the asset that fees are paid in could
//! silence everyone, and the members could not even take that role away.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use super::{
    Address, Code, Symbol,
    balance::{self, Balance},
    draft::{Draft, Step},
    event, text,
};
use crate::TxError;

/// What a transaction costs, from genesis on.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fees {
    /// In which asset it is paid, one of genesis.
    pub asset: Symbol,
    /// For each byte of the transaction.
    #[serde(with = "text")]
    pub per_byte: u128,
    /// For each of its instructions.
    #[serde(with = "text")]
    pub per_instruction: u128,
    /// Who receives it.
    pub collector: Address,
}

impl Fees {
    /// The fee of a transaction of so many bytes and instructions, or `None` past what a number can hold.
    pub fn of(&self, bytes: usize, instructions: usize) -> Option<u128> {
        let bytes = self.per_byte.checked_mul(bytes as u128)?;
        bytes.checked_add(self.per_instruction.checked_mul(instructions as u128)?)
    }
}

/// What the sender's transaction costs; 0 where there are no fees.
fn due(draft: &Draft<'_, '_>, bytes: usize, instructions: usize) -> Result<u128, TxError> {
    let Some(fees) = &draft.parameters().fees else { return Ok(0) };
    let too_high = || Code::Overflow.refusal("the fee is past 2^128 - 1: nobody can pay it");
    fees.of(bytes, instructions).ok_or_else(too_high)
}

/// That the sender holds the fee, frozen or not.
pub(super) fn expect_covered(draft: &mut Draft<'_, '_>, bytes: usize, instructions: usize) -> Step {
    let Some(fees) = &draft.parameters().fees else { return Ok(()) };
    let fee = due(draft, bytes, instructions)?;
    let sender = draft.sender;
    let holds = draft.read::<Balance>(&balance::key(&fees.asset, &sender))?.unwrap_or_default().amount;
    if holds < fee {
        let asset = &fees.asset;
        let log = format!("the fee is {fee} {asset}, and {sender} holds {holds}: fund it first");
        return Err(Code::FeeNotCovered.refusal(log).into());
    }
    Ok(())
}

/// Takes the fee from the sender, before the instructions; if one of them fails, this goes back with them.
pub(super) fn charge(draft: &mut Draft<'_, '_>, bytes: usize, instructions: usize) -> Step {
    let Some(fees) = &draft.parameters().fees else { return Ok(()) };
    let fee = due(draft, bytes, instructions)?;
    if fee == 0 {
        return Ok(());
    }
    let payer = draft.sender;
    balance::debit_even_frozen(draft, &fees.asset, &payer, fee)?;
    balance::credit(draft, &fees.asset, &fees.collector, fee)?;
    draft.emit(|| event::fee(&fees.asset, &payer, &fees.collector, fee));
    Ok(())
}
