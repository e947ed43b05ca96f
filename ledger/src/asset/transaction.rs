//! The transaction of the asset ledger: its bytes, what is signed, and the rules that need no state.

use std::io;

use althing_crypto::{DecodeError, Encoding, ed25519::SecretKey};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use super::{Address, Approval, Code, Instruction, Policy, Symbol, approval, text};
use crate::TxError;

/// What accounts ask of the ledger. `docs/transactions.md` gives the exact bytes.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transaction {
    /// The chain it is for, so that it cannot be replayed on another.
    pub chain_id: String,
    /// The account that acts.
    pub sender: Address,
    /// Its place among the sender's transactions: the first has 0, each can execute once.
    #[serde(with = "text")]
    pub sequence: u64,
    /// The last height at which it may execute; 0 if it never expires.
    #[serde(with = "text")]
    pub expiry_height: u64,
    /// 1 to 32 bytes of which the sender wants one success within the ledger's window of heights.
    #[serde(with = "text::optional_hex")]
    pub idempotency_key: Option<Vec<u8>>,
    /// What is to be done, in order, all or nothing. At least one.
    pub instructions: Vec<Instruction>,
    /// A note for people; the ledger does not read it.
    pub memo: String,
    /// The approvals of the sender and of every account debited, ascending by address. The last field: what is signed
    /// is all before it.
    pub approvals: Vec<Approval>,
}

impl Encoding for Transaction {
    const NAME: &'static str = "transaction";
    const VERSION: u8 = 2;
    const MAX_BYTES: usize = 64 * 1024;
}

/// The asset of the plain genesis that `althing init` and `althing testnet` make.
pub const COIN: Symbol = Symbol::literal("COIN");

const SIGN_TAG: &[u8] = b"ALTHING/TX";

/// Counts what is written.
struct Length(usize);

impl io::Write for Length {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        self.0 += part.len();
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Transaction {
    /// The most instructions one transaction may have.
    pub const MAX_INSTRUCTIONS: usize = 16;
    /// The most bytes a memo may have.
    pub const MAX_MEMO_BYTES: usize = 256;
    /// The most bytes a chain id may have.
    pub const MAX_CHAIN_ID_BYTES: usize = 50;
    /// The most bytes an idempotency key may have.
    pub const MAX_IDEMPOTENCY_KEY_BYTES: usize = 32;

    /// Makes a transaction that nobody has approved yet, without expiry and idempotency key.
    pub fn new(chain_id: &str, sender: Address, sequence: u64, instructions: Vec<Instruction>) -> Self {
        Self {
            chain_id: chain_id.to_owned(),
            sender,
            sequence,
            expiry_height: 0,
            idempotency_key: None,
            instructions,
            memo: String::new(),
            approvals: Vec::new(),
        }
    }

    /// Makes a transaction and approves it with the sender's key, which is all it needs if it debits nobody else.
    pub fn sign(
        chain_id: &str,
        key: &SecretKey,
        sequence: u64,
        expiry_height: u64,
        instructions: Vec<Instruction>,
        memo: &str,
    ) -> Self {
        let sender = Address::of(&key.public_key());
        let unsigned = Self::new(chain_id, sender, sequence, instructions);
        Self { expiry_height, memo: memo.to_owned(), ..unsigned }.approved_by(key)
    }

    /// Makes and signs a transaction with one transfer of [`COIN`] from the sender.
    pub fn transfer(
        chain_id: &str,
        key: &SecretKey,
        sequence: u64,
        expiry_height: u64,
        to: Address,
        amount: u128,
        memo: &str,
    ) -> Self {
        let from = Address::of(&key.public_key());
        let transfer = Instruction::Transfer { asset: COIN, from, to, amount };
        Self::sign(chain_id, key, sequence, expiry_height, vec![transfer], memo)
    }

    /// The same with the approval of the account of `key` added, or made anew. Only when all else is as it shall be.
    pub fn approved_by(mut self, key: &SecretKey) -> Self {
        let message = self.sign_bytes();
        approval::add_key(&mut self.approvals, key, &message);
        self
    }

    /// Adds the signature of `key` to the approval of the multi-signature account of `policy`. Returns whether the
    /// key is one of the policy's.
    pub fn add_signature(&mut self, policy: &Policy, key: &SecretKey) -> bool {
        let message = self.sign_bytes();
        approval::add_to_policy(&mut self.approvals, policy, key, &message)
    }

    /// The accounts that must approve: the sender and all that are debited, ascending, each once.
    pub fn approvers(&self) -> Vec<Address> {
        let mut needed = Vec::with_capacity(1 + self.instructions.len());
        needed.push(self.sender);
        needed.extend(self.instructions.iter().filter_map(Instruction::debits));
        needed.sort_unstable();
        needed.dedup();
        needed
    }

    /// The bytes that all approvals sign: a tag, then the encoding up to and without the approvals.
    pub fn sign_bytes(&self) -> Vec<u8> {
        self.sign_bytes_of(&self.encode())
    }

    /// The same with the encoding at hand.
    pub(super) fn sign_bytes_of(&self, encoded: &[u8]) -> Vec<u8> {
        let mut approvals = Length(0);
        BorshSerialize::serialize(&self.approvals, &mut approvals).expect("counting does not fail");
        let unsigned = &encoded[..encoded.len().saturating_sub(approvals.0)];
        [SIGN_TAG, unsigned].concat()
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

    /// The sender of a transaction that [`read`](Self::read) took: it stands right behind the chain's name.
    pub(super) fn sender_in(bytes: &[u8], chain_id: &str) -> Option<Address> {
        let (len, rest) = bytes.strip_prefix(&[Self::VERSION])?.split_first_chunk()?;
        let named = u32::from_le_bytes(*len) as usize == chain_id.len();
        let sender = rest.strip_prefix(chain_id.as_bytes()).filter(|_| named)?;
        sender.first_chunk().copied().map(Address::from_bytes)
    }

    fn check(&self, chain_id: &str) -> Result<(), TxError> {
        self.check_envelope(chain_id)?;
        for (index, instruction) in self.instructions.iter().enumerate() {
            instruction.check().map_err(|refusal| within(index, refusal))?;
        }
        match &self.approvals[..] {
            // Most transactions: the sender alone acts and approves.
            [approval] if self.debits_nobody_else() && approval.account() == self.sender => approval.check(),
            approvals => approval::check(approvals, &self.approvers()),
        }
    }

    fn debits_nobody_else(&self) -> bool {
        self.instructions.iter().filter_map(Instruction::debits).all(|account| account == self.sender)
    }

    fn check_envelope(&self, chain_id: &str) -> Result<(), TxError> {
        let refuse = |code: Code, log: String| Err(code.refusal(log));
        if self.chain_id != chain_id {
            // The other chain's id is hostile text of up to 64 KiB: quoted, and no more than an id can have of it.
            let found: String = self.chain_id.chars().take(Self::MAX_CHAIN_ID_BYTES).collect();
            return refuse(
                Code::WrongChain,
                format!("signed for chain {found:?}, this is {chain_id:?}: sign it for this chain"),
            );
        }
        let (found, max) = (self.instructions.len(), Self::MAX_INSTRUCTIONS);
        if found == 0 {
            return refuse(Code::NoInstructions, "no instructions: put at least one in".into());
        }
        if found > max {
            let log = format!("{found} instructions, at most {max} are allowed: split it up");
            return refuse(Code::TooManyInstructions, log);
        }
        let (found, max) = (self.memo.len(), Self::MAX_MEMO_BYTES);
        if found > max {
            let log = format!("the memo has {found} bytes, at most {max} are allowed: shorten it");
            return refuse(Code::MemoTooLong, log);
        }
        let (key, max) = (self.idempotency_key.as_ref(), Self::MAX_IDEMPOTENCY_KEY_BYTES);
        if let Some(found) = key.map(Vec::len).filter(|len| *len == 0 || *len > max) {
            let log = format!("an idempotency key of {found} bytes: give 1 to {max}, or none");
            return refuse(Code::BadIdempotencyKey, log);
        }
        Ok(())
    }
}

/// A refusal of one instruction says which.
pub(super) fn within(index: usize, refusal: TxError) -> TxError {
    TxError { log: format!("instruction {index}: {}", refusal.log), ..refusal }
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
