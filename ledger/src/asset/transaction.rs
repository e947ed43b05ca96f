//! The transaction of the asset ledger: its bytes, what is signed, and the rules that need no state.

use althing_crypto::{
    DecodeError, Encoding,
    ed25519::{PublicKey, SecretKey, Signature},
};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Serialize, Serializer};

use super::{Address, Code};
use crate::TxError;

/// What an account's owner asks of the ledger. `docs/transactions.md` gives the exact bytes.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize)]
pub struct Transaction {
    /// The chain it is for, so that it cannot be replayed on another.
    pub chain_id: String,
    /// The key of the account that acts.
    pub sender: PublicKey,
    /// Its place among the sender's transactions: the first has 0, each can execute once.
    pub sequence: u64,
    /// The last height at which it may execute; 0 if it never expires.
    pub expiry_height: u64,
    /// What is to be done, in order, all or nothing. At least one.
    pub instructions: Vec<Instruction>,
    /// A note for people; the ledger does not read it.
    pub memo: String,
    /// The sender's signature of [`Transaction::sign_bytes`]. The last field: what is signed is all before it.
    pub signature: Signature,
}

/// One thing to be done.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Instruction {
    /// Moves units of the native asset from the sender to another account, which comes into being if need be.
    Transfer {
        /// Who receives.
        to: Address,
        /// How many of the smallest units; not 0.
        #[serde(serialize_with = "as_text")]
        amount: u128,
    },
}

/// Numbers that other languages' JSON readers would round are written as text.
fn as_text<S: Serializer>(number: &u128, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(number)
}

impl Encoding for Transaction {
    const NAME: &'static str = "transaction";
    const VERSION: u8 = 1;
    const MAX_BYTES: usize = 64 * 1024;
}

const SIGN_TAG: &[u8] = b"ALTHING/TX";
const SIGNATURE_BYTES: usize = 64;

/// The bytes to sign for an encoded transaction: the tag, then the encoding without the signature at its end.
pub(super) fn sign_bytes(encoded: &[u8]) -> Vec<u8> {
    let unsigned = &encoded[..encoded.len().saturating_sub(SIGNATURE_BYTES)];
    [SIGN_TAG, unsigned].concat()
}

impl Transaction {
    /// The most instructions one transaction may have.
    pub const MAX_INSTRUCTIONS: usize = 16;
    /// The most bytes a memo may have.
    pub const MAX_MEMO_BYTES: usize = 256;
    /// The most bytes a chain id may have.
    pub const MAX_CHAIN_ID_BYTES: usize = 50;

    /// Makes a transaction and signs it with the sender's key.
    pub fn sign(
        chain_id: &str,
        key: &SecretKey,
        sequence: u64,
        expiry_height: u64,
        instructions: Vec<Instruction>,
        memo: &str,
    ) -> Self {
        let mut tx = Self {
            chain_id: chain_id.to_owned(),
            sender: key.public_key(),
            sequence,
            expiry_height,
            instructions,
            memo: memo.to_owned(),
            signature: Signature::from_bytes([0; SIGNATURE_BYTES]),
        };
        tx.signature = key.sign(&tx.sign_bytes());
        tx
    }

    /// Makes and signs a transaction with one transfer.
    pub fn transfer(
        chain_id: &str,
        key: &SecretKey,
        sequence: u64,
        expiry_height: u64,
        to: Address,
        amount: u128,
        memo: &str,
    ) -> Self {
        Self::sign(chain_id, key, sequence, expiry_height, vec![Instruction::Transfer { to, amount }], memo)
    }

    /// The bytes that the sender signs.
    pub fn sign_bytes(&self) -> Vec<u8> {
        sign_bytes(&self.encode())
    }

    /// The address of the account that acts.
    pub fn sender_address(&self) -> Address {
        Address::of(&self.sender)
    }

    /// What all its instructions take from the sender together, or `None` past `u128::MAX`.
    pub fn total(&self) -> Option<u128> {
        self.instructions
            .iter()
            .try_fold(0u128, |sum, Instruction::Transfer { amount, .. }| sum.checked_add(*amount))
    }

    /// Whether it may no longer execute at `height`.
    pub fn expired_at(&self, height: u64) -> bool {
        self.expiry_height != 0 && height > self.expiry_height
    }

    /// Reads a transaction as submitted and holds it to every rule that needs neither state nor signature check.
    pub(super) fn read(bytes: &[u8], chain_id: &str) -> Result<Self, TxError> {
        let tx = Self::decode(bytes).map_err(refusal_of)?;
        tx.check(chain_id)?;
        Ok(tx)
    }

    fn check(&self, chain_id: &str) -> Result<(), TxError> {
        let refuse = |code: Code, log: String| Err(code.refusal(log));
        if self.chain_id != chain_id {
            // The other chain's id is hostile text of up to 64 KiB: quoted, and no more than an id can have of it.
            let found: String = self.chain_id.chars().take(Self::MAX_CHAIN_ID_BYTES).collect();
            return refuse(
                Code::WrongChain,
                format!("signed for chain {found:?}, this is {chain_id:?}: sign it for this chain"),
            );
        }
        if self.instructions.is_empty() {
            return refuse(Code::NoInstructions, "no instructions: put at least one in".into());
        }
        if self.instructions.len() > Self::MAX_INSTRUCTIONS {
            let (found, max) = (self.instructions.len(), Self::MAX_INSTRUCTIONS);
            return refuse(
                Code::TooManyInstructions,
                format!("{found} instructions, at most {max} are allowed: split it up"),
            );
        }
        if self.memo.len() > Self::MAX_MEMO_BYTES {
            let (found, max) = (self.memo.len(), Self::MAX_MEMO_BYTES);
            return refuse(
                Code::MemoTooLong,
                format!("the memo has {found} bytes, at most {max} are allowed: shorten it"),
            );
        }
        let is_zero =
            |instruction: &Instruction| matches!(instruction, Instruction::Transfer { amount: 0, .. });
        if let Some(index) = self.instructions.iter().position(is_zero) {
            return refuse(
                Code::ZeroAmount,
                format!("instruction {index} transfers 0 units: transfer at least 1"),
            );
        }
        if self.total().is_none() {
            return refuse(
                Code::Overflow,
                "the amounts add up to more than 2^128 - 1: no account holds that".into(),
            );
        }
        Ok(())
    }
}

fn refusal_of(error: DecodeError) -> TxError {
    match error {
        DecodeError::TooLarge { len, max, .. } => Code::TooLarge
            .refusal(format!("the transaction has {len} bytes, at most {max} are allowed: split it up")),
        other => {
            Code::Malformed.refusal(format!("{other}; docs/transactions.md gives the bytes of a transaction"))
        }
    }
}

#[cfg(test)]
mod tests;
