//! Executing a block: transactions in order, each wholly or not at all.

use super::{
    Code, Instruction, Parameters, Transaction,
    account::{self, Account},
    asset_record, balance,
    cells::{CellId, Cells},
    draft::{Block, Draft, Step, Stop},
    fee, idempotency, lock, misbehaviour, proposal, record, role,
    short::Key,
    transaction::within,
    validator,
};
use crate::{
    AppError, CheckedTx, Event, FinalizeBlock, ParamUpdates, TxError, TxResult, ValidatorUpdate,
    state::{Records, View},
};

/// What a block comes to.
pub(super) struct Outcome {
    pub(super) tx_results: Vec<TxResult>,
    pub(super) events: Vec<Event>,
    pub(super) validator_updates: Vec<ValidatorUpdate>,
    pub(super) param_updates: ParamUpdates,
    /// What the block changes.
    pub(super) cells: Cells,
}

/// Executes a block's transactions on the committed state. Signatures are not checked here: nobody votes for a block with
/// a transaction that does not pass `precheck`.
pub(super) fn block(
    base: &View<'_>,
    parameters: &Parameters,
    asked: &FinalizeBlock<'_>,
) -> Result<Outcome, AppError> {
    let FinalizeBlock { height, txs, misbehaviour, .. } = *asked;
    let read: Vec<_> = txs.iter().map(|bytes| Transaction::read(bytes, &parameters.chain_id)).collect();
    let mut block = Block::new(base, parameters, height);
    block.fetch(base, &touched(read.iter().flatten(), parameters))?;
    idempotency::forget(&mut block)?;
    // First: whoever lost its power by this block decides on nothing in it.
    let mut events = misbehaviour::take(&mut block, misbehaviour)?;
    events.extend(proposal::expire(&mut block)?);
    let tx_results = txs.iter().zip(read).map(|(bytes, tx)| match tx {
        Ok(tx) => execute(&mut block, &tx, bytes.len()),
        Err(refusal) => Ok(refusal.into()),
    });
    let tx_results = tx_results.collect::<Result<_, _>>()?;
    let (validator_updates, param_updates) = validator::updates(&mut block)?;
    let cells = block.into_cells();
    Ok(Outcome { tx_results, events, validator_updates, param_updates, cells })
}

/// The records that most transactions need: those of transfers.
fn touched<'a>(txs: impl Iterator<Item = &'a Transaction>, parameters: &Parameters) -> Vec<Key> {
    let mut keys = Vec::new();
    for tx in txs {
        keys.push(account::key(&tx.sender));
        if let Some(fees) = &parameters.fees {
            keys.push(balance::key(&fees.asset, &tx.sender));
        }
        if parameters.closed {
            keys.push(role::key(super::Role::Submitter, &tx.sender).into());
        }
        for instruction in &tx.instructions {
            if let Instruction::Transfer { asset, from, to, .. } = instruction {
                keys.push(balance::key(asset, from));
                keys.push(balance::key(asset, to));
            }
        }
    }
    keys
}

fn execute(block: &mut Block<'_>, tx: &Transaction, bytes: usize) -> Result<TxResult, AppError> {
    let mut draft = block.draft(tx.sender, tx.sequence);
    match take_turn(&mut draft, tx, bytes) {
        Ok(()) => {}
        Err(Stop::Refused(refusal)) => return Ok(refusal.into()),
        Err(Stop::Fault(fault)) => return Err(fault),
    }
    // From here on the sequence is used, whatever becomes of the instructions: else what fails could come again and
    // again, and the sender's later transactions would wait for it.
    let (changes, _) = draft.finish();
    block.take(changes);

    let mut draft = block.draft(tx.sender, tx.sequence);
    match apply(&mut draft, tx, bytes) {
        Ok(()) => {
            let (changes, events) = draft.finish();
            block.take(changes);
            Ok(TxResult { events, ..TxResult::default() })
        }
        Err(Stop::Refused(refusal)) => Ok(refusal.into()),
        Err(Stop::Fault(fault)) => Err(fault),
    }
}

/// Uses up the sequence, or says why it is not the transaction's turn; then it changes nothing at all. For what is expired
/// that is the promise of the expiry: once past, a sender can safely sign something else.
fn take_turn(draft: &mut Draft<'_, '_>, tx: &Transaction, bytes: usize) -> Step {
    let (account, next) = may_come(draft, tx)?;
    if tx.sequence > next {
        let log = format!(
            "sequence {} is ahead of the sender's next, {next}: the transactions between must execute first",
            tx.sequence
        );
        return Err(Code::WrongSequence.refusal(log).into());
    }
    fee::expect_covered(draft, bytes, tx.instructions.len())?;
    let used_up =
        || Code::Overflow.refusal("the sender has used up all sequence numbers: use another account");
    let sequence = next.checked_add(1).ok_or_else(used_up)?;
    draft.write_at(account, &Account { sequence });
    Ok(())
}

/// The sender's account and next sequence, if the transaction's turn is now or to come.
fn may_come(draft: &mut Draft<'_, '_>, tx: &Transaction) -> Step<(CellId, u64)> {
    let height = draft.height();
    if tx.expired_at(height) {
        let log = format!(
            "expired: it could execute up to height {}, the next block is {height}: sign it anew with a later expiry",
            tx.expiry_height
        );
        return Err(Code::Expired.refusal(log).into());
    }
    role::expect_submitter(draft)?;
    let account = draft.at(&account::key(&tx.sender));
    let next = draft.read_at::<Account>(account)?.unwrap_or_default().sequence;
    if tx.sequence < next {
        let log = format!(
            "sequence {} is already used, expected {next}: sign it anew with that, unless it is one you sent before",
            tx.sequence
        );
        return Err(Code::WrongSequence.refusal(log).into());
    }
    Ok((account, next))
}

/// All that a transaction does once its sequence is used.
fn apply(draft: &mut Draft<'_, '_>, tx: &Transaction, bytes: usize) -> Step {
    if let Some(key) = &tx.idempotency_key {
        idempotency::expect_unused(draft, key)?;
    }
    fee::charge(draft, bytes, tx.instructions.len())?;
    for (index, instruction) in (0u8..).zip(&tx.instructions) {
        draft.index = index;
        perform(draft, instruction).map_err(|stop| match stop {
            Stop::Refused(refusal) => Stop::Refused(within(index.into(), refusal)),
            fault => fault,
        })?;
    }
    match &tx.idempotency_key {
        Some(key) => idempotency::note(draft, key),
        None => Ok(()),
    }
}

fn perform(draft: &mut Draft<'_, '_>, instruction: &Instruction) -> Step {
    match instruction {
        Instruction::Transfer { asset, from, to, amount } => {
            balance::transfer(draft, asset, from, to, *amount)
        }
        Instruction::CreateAsset { symbol, decimals, cap, metadata } => {
            asset_record::create(draft, symbol, *decimals, *cap, metadata)
        }
        Instruction::SetMetadata { asset, metadata } => asset_record::set_metadata(draft, asset, metadata),
        Instruction::Issue { asset, to, amount } => asset_record::issue(draft, asset, to, *amount),
        Instruction::Burn { asset, from, amount } => asset_record::burn(draft, asset, from, *amount),
        Instruction::Freeze { asset, account } => balance::set_frozen(draft, asset, account, true),
        Instruction::Unfreeze { asset, account } => balance::set_frozen(draft, asset, account, false),
        Instruction::HandOver { asset, to } => asset_record::hand_over(draft, asset, to),
        Instruction::Lock { asset, from, to, amount, hash, refund_height } => {
            lock::lock(draft, (asset, from, to, *amount), hash, *refund_height)
        }
        Instruction::Claim { lock, preimage } => lock::claim(draft, lock, preimage),
        Instruction::Refund { lock } => lock::refund(draft, lock),
        Instruction::Grant { role, account } => role::administer(draft, *role, account, true),
        Instruction::Revoke { role, account } => role::administer(draft, *role, account, false),
        Instruction::Propose { change } => proposal::propose(draft, change),
        Instruction::Approve { proposal } => proposal::approve(draft, *proposal),
        Instruction::Withdraw { proposal } => proposal::withdraw(draft, *proposal),
    }
}

/// Whether no block from this height on can use up the sequence of `tx`: its time is past, or another one had that sequence, or it
/// has been executed. Nothing where the state cannot be read.
pub(super) fn is_over(base: &dyn Records, height: u64, tx: &Transaction) -> Option<bool> {
    let account = record::read::<Account>(base, &account::key(&tx.sender)).ok()?;
    Some(tx.expired_at(height) || tx.sequence < account.unwrap_or_default().sequence)
}

/// Whether each transaction that could be read would succeed in the block of this height if its turn came now, and alone. One that is
/// ahead of its turn is not tried, as those before it may prepare what it needs; the pool holds it back until then. But its sender must
/// hold the fee.
pub(super) fn check(
    base: &View<'_>,
    parameters: &Parameters,
    height: u64,
    txs: Vec<(Result<Transaction, TxError>, usize)>,
) -> Vec<Result<CheckedTx, TxError>> {
    let mut block = Block::untold(base, parameters, height);
    let keys = touched(txs.iter().filter_map(|(tx, _)| tx.as_ref().ok()), parameters);
    if block.fetch(base, &keys).is_err() {
        // Each is told what it cannot have when it reads that itself.
        block = Block::untold(base, parameters, height);
    }
    txs.into_iter().map(|(tx, bytes)| check_one(&mut block, &tx?, bytes)).collect()
}

fn check_one(block: &mut Block<'_>, tx: &Transaction, bytes: usize) -> Result<CheckedTx, TxError> {
    block.begin_anew();
    let mut draft = block.draft(tx.sender, tx.sequence);
    let next = may_come(&mut draft, tx).and_then(|(_, next)| {
        fee::expect_covered(&mut draft, bytes, tx.instructions.len())?;
        if tx.sequence == next {
            apply(&mut draft, tx, bytes)?;
        }
        Ok(next)
    });
    match next {
        Ok(next) => Ok(CheckedTx { next_sequence: Some(next) }),
        Err(Stop::Refused(refusal)) => Err(refusal),
        Err(Stop::Fault(fault)) => Err(Code::StateUnavailable.refusal(fault.to_string())),
    }
}
