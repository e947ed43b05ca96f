//! Executing a block: transactions in order, each wholly or not at all, on accounts held in memory.

use std::collections::BTreeMap;

use althing_crypto::Encoding;

use super::{
    Address, Code, Instruction, Transaction,
    state::{Account, Head, account_key, read},
};
use crate::{AppError, Attribute, CheckedTx, Event, StateStore, TxError, TxResult};

/// Accounts as a block or a transaction leaves them.
type Changes = BTreeMap<Address, Account>;

/// A block under execution on the committed state.
pub(super) struct Execution<'a> {
    store: &'a dyn StateStore,
    chain_id: &'a str,
    height: u64,
    changes: Changes,
}

impl<'a> Execution<'a> {
    pub(super) fn new(store: &'a dyn StateStore, head: &'a Head, height: u64) -> Self {
        Self { store, chain_id: &head.chain_id, height, changes: Changes::new() }
    }

    /// Executes the next transaction. Its signature is not checked here: nobody votes for a block with a transaction
    /// that does not pass `precheck`.
    pub(super) fn execute(&mut self, bytes: &[u8]) -> Result<TxResult, AppError> {
        let tx = match Transaction::read(bytes, self.chain_id) {
            Ok(tx) => tx,
            Err(refusal) => return Ok(refusal.into()),
        };
        let sender = tx.sender_address();
        match take_turn(&tx, self.account(&Changes::new(), &sender)?, self.height) {
            Ok(account) => self.changes.insert(sender, account),
            Err(refusal) => return Ok(refusal.into()),
        };
        // From here on the sequence is used, whatever becomes of the instructions: else what fails could come again
        // and again, and the sender's later transactions would wait for it.
        match self.apply(&sender, &tx.instructions)? {
            Ok((changes, events)) => {
                self.changes.extend(changes);
                Ok(TxResult { events, ..TxResult::default() })
            }
            Err(refusal) => Ok(refusal.into()),
        }
    }

    /// The accounts changed so far, as records.
    pub(super) fn into_records(self) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.changes.into_iter().map(|(address, account)| (account_key(&address), account.encode())).collect()
    }

    /// What a list of instructions would change, or why one of them does not apply.
    fn apply(
        &self,
        sender: &Address,
        instructions: &[Instruction],
    ) -> Result<Result<(Changes, Vec<Event>), TxError>, AppError> {
        let mut staged = Changes::new();
        let mut events = Vec::with_capacity(instructions.len());
        for Instruction::Transfer { to, amount } in instructions {
            match self.transfer(&mut staged, sender, to, *amount)? {
                Ok(event) => events.push(event),
                Err(refusal) => return Ok(Err(refusal)),
            }
        }
        Ok(Ok((staged, events)))
    }

    fn transfer(
        &self,
        staged: &mut Changes,
        from: &Address,
        to: &Address,
        amount: u128,
    ) -> Result<Result<Event, TxError>, AppError> {
        let payer = self.account(staged, from)?.unwrap_or_default();
        let Some(balance) = payer.balance.checked_sub(amount) else {
            return Ok(Err(insufficient(payer.balance, amount)));
        };
        staged.insert(*from, Account { balance, ..payer });
        // Read only now: payer and payee may be one.
        let payee = self.account(staged, to)?.unwrap_or_default();
        let Some(balance) = payee.balance.checked_add(amount) else {
            return Ok(Err(Code::Overflow.refusal(format!("{to} would hold more than 2^128 - 1 units"))));
        };
        staged.insert(*to, Account { balance, ..payee });
        Ok(Ok(transfer_event(from, to, amount)))
    }

    fn account(&self, staged: &Changes, address: &Address) -> Result<Option<Account>, AppError> {
        match staged.get(address).or_else(|| self.changes.get(address)) {
            Some(account) => Ok(Some(*account)),
            None => read(self.store, &account_key(address)),
        }
    }
}

/// The sender's account once `tx` has taken its turn at `height`, or why it may not; then it changes nothing at all.
/// For what is expired that is the promise of the expiry: once past, a sender can safely sign something else.
fn take_turn(tx: &Transaction, account: Option<Account>, height: u64) -> Result<Account, TxError> {
    let account = live_account(tx, account, height)?;
    if tx.sequence > account.sequence {
        return Err(Code::WrongSequence.refusal(format!(
            "sequence {} is ahead of the sender's next, {}: the transactions between must execute first",
            tx.sequence, account.sequence
        )));
    }
    match account.sequence.checked_add(1) {
        Some(sequence) => Ok(Account { sequence, ..account }),
        None => {
            Err(Code::Overflow.refusal("the sender has used up all sequence numbers: use another account"))
        }
    }
}

/// Whether `tx` could execute at `height`, judged by its sender's account alone. A sequence ahead of its turn is fine:
/// the pool holds it back until then.
pub(super) fn admit(tx: &Transaction, account: Option<Account>, height: u64) -> Result<CheckedTx, TxError> {
    let account = live_account(tx, account, height)?;
    let total = tx.total().unwrap_or(u128::MAX);
    if total > account.balance {
        return Err(insufficient(account.balance, total));
    }
    Ok(CheckedTx { next_sequence: Some(account.sequence) })
}

fn live_account(tx: &Transaction, account: Option<Account>, height: u64) -> Result<Account, TxError> {
    if tx.expired_at(height) {
        return Err(Code::Expired.refusal(format!(
            "expired: it could execute up to height {}, the next block is {height}: sign it anew with a later expiry",
            tx.expiry_height
        )));
    }
    let Some(account) = account else {
        return Err(Code::UnknownAccount.refusal(format!(
            "{} has no account: transfer something to it first, or check which key signs",
            tx.sender_address()
        )));
    };
    if tx.sequence < account.sequence {
        return Err(Code::WrongSequence.refusal(format!(
            "sequence {} is already used, expected {}: sign it anew with that, unless it is one you sent before",
            tx.sequence, account.sequence
        )));
    }
    Ok(account)
}

fn insufficient(balance: u128, amount: u128) -> TxError {
    Code::InsufficientBalance.refusal(format!(
        "the sender holds {balance} and would transfer {amount}: transfer less, or fund it first"
    ))
}

fn transfer_event(from: &Address, to: &Address, amount: u128) -> Event {
    let attribute = |key: &str, value: String, index| Attribute { key: key.to_owned(), value, index };
    Event {
        kind: "transfer".to_owned(),
        attributes: vec![
            attribute("sender", from.to_string(), true),
            attribute("recipient", to.to_string(), true),
            attribute("amount", amount.to_string(), false),
        ],
    }
}
