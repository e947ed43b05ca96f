//! Fees: what a successful transaction pays for its bytes and instructions. Off unless genesis has them.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use super::{
    Address, Code, Symbol, balance,
    draft::{Draft, Step, Stop},
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

/// Takes the fee from the sender, before the instructions; if one of them fails, this goes back with them.
pub(super) fn charge(draft: &mut Draft<'_, '_>, bytes: usize, instructions: usize) -> Step {
    let Some(fees) = &draft.parameters().fees else { return Ok(()) };
    let too_high = || Code::Overflow.refusal("the fee is past 2^128 - 1: nobody can pay it");
    let fee = fees.of(bytes, instructions).ok_or_else(too_high)?;
    if fee == 0 {
        return Ok(());
    }
    let payer = draft.sender;
    // Else the issuer of this asset could silence everyone, and the members could not even take its role away.
    balance::debit_even_frozen(draft, &fees.asset, &payer, fee).map_err(|stop| match stop {
        Stop::Refused(refusal) if refusal.code == Code::InsufficientBalance.number() => {
            let log = format!("the fee is {fee} {}: {}", fees.asset, refusal.log);
            Stop::Refused(TxError { log, ..Code::FeeNotCovered.refusal("") })
        }
        other => other,
    })?;
    balance::credit(draft, &fees.asset, &fees.collector, fee)?;
    draft.emit(event::fee(&fees.asset, &payer, &fees.collector, fee));
    Ok(())
}
