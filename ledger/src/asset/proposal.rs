//! Proposals: changes of roles, which as many members must approve as the threshold says; and of validators, which members must
//! approve who vote for more than two thirds of the power.
//!
//! Approvals count only while their givers are members. A proposal ends by being enacted, when its proposer withdraws it or
//! is no member any more, or when its time is over; then its record is removed, and the events tell what became of it.
//! So each open proposal is that of a member, who approves it; and what one member has open takes no place from another.

use althing_crypto::Encoding;
use borsh::{BorshDeserialize, BorshSerialize};

use super::{
    Address, Change, Code, Role,
    draft::{Block, Draft, Step},
    event,
    record::corrupt,
    role::{self, GOVERNANCE_KEY, Governance, OpenProposal},
    validator,
};
use crate::{AppError, Event};

/// An open proposal.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct Proposal {
    pub(super) change: Change,
    pub(super) proposer: Address,
    /// The last height at which it can be approved.
    pub(super) expiry_height: u64,
    /// Who approves, in the order in which they did.
    pub(super) approvals: Vec<Address>,
}

impl Encoding for Proposal {
    const NAME: &'static str = "proposal";
    const VERSION: u8 = 1;
    const MAX_BYTES: usize = 8192;
}

/// The most open proposals of one member. There is no other bound, so nobody can keep another from proposing.
pub(super) const MAX_OPEN_OF_ONE: usize = 4;
/// The most that are open at once: what all members together may have.
pub(super) const MAX_OPEN: usize = MAX_OPEN_OF_ONE * Role::MAX_GOVERNING as usize;

/// Where all open proposals lie, by number; they end before [`KEYS_END`].
pub(super) const KEYS: &[u8] = b"p/";
pub(super) const KEYS_END: &[u8] = b"p0";

pub(super) fn key(number: u64) -> Vec<u8> {
    [KEYS, &number.to_be_bytes()].concat()
}

/// `Propose`.
pub(super) fn propose(draft: &mut Draft<'_, '_>, change: &Change) -> Step {
    role::expect_sender(draft, Role::Member)?;
    if let Change::Validators { changes } = change {
        validator::try_out(draft, changes)?;
    }
    let proposer = draft.sender;
    let mut governance = role::governance(draft)?;
    let own = governance.open.iter().filter(|one| one.proposer == proposer).count();
    if own >= MAX_OPEN_OF_ONE {
        let log = format!(
            "{own} proposals of {proposer} are open, at most {MAX_OPEN_OF_ONE} may be: wait, or withdraw one"
        );
        return Err(Code::TooManyProposals.refusal(log).into());
    }
    let number = governance.next_proposal.max(1);
    governance.next_proposal = number.saturating_add(1);
    let expiry_height = draft.height().saturating_add(draft.parameters().proposal_lifetime);
    governance.open.push(OpenProposal { number, proposer, expiry_height });
    draft.write(GOVERNANCE_KEY, &governance);
    draft.emit(|| event::proposed(number, &proposer, change));
    let proposal = Proposal { change: change.clone(), proposer, expiry_height, approvals: Vec::new() };
    add_approval(draft, number, proposal)
}

/// `Approve`.
pub(super) fn approve(draft: &mut Draft<'_, '_>, number: u64) -> Step {
    role::expect_sender(draft, Role::Member)?;
    let proposal = expect_open(draft, number)?;
    add_approval(draft, number, proposal)
}

/// `Withdraw`.
pub(super) fn withdraw(draft: &mut Draft<'_, '_>, number: u64) -> Step {
    role::expect_sender(draft, Role::Member)?;
    let mut proposal = expect_open(draft, number)?;
    let sender = draft.sender;
    let Some(at) = proposal.approvals.iter().position(|one| *one == sender) else {
        let log = format!("{sender} has not approved proposal {number}: there is nothing to withdraw");
        return Err(Code::NotApproved.refusal(log).into());
    };
    proposal.approvals.remove(at);
    draft.emit(|| event::withdrawn(number, &sender));
    if proposal.proposer == sender {
        close(draft, number)?;
        draft.emit(|| event::closed("proposal_closed", number));
    } else {
        draft.write(key(number), &proposal);
    }
    Ok(())
}

/// Closes what a member has open who is one no more.
pub(super) fn close_all_of(draft: &mut Draft<'_, '_>, proposer: &Address) -> Step {
    for one in role::governance(draft)?.open {
        if one.proposer == *proposer {
            close(draft, one.number)?;
            draft.emit(|| event::closed("proposal_closed", one.number));
        }
    }
    Ok(())
}

fn expect_open(draft: &mut Draft<'_, '_>, number: u64) -> Step<Proposal> {
    if let Some(proposal) = draft.read(&key(number))? {
        return Ok(proposal);
    }
    let next = role::governance(draft)?.next_proposal.max(1);
    if number == 0 || number >= next {
        let log = format!("there is no proposal {number}: the newest is {}", next - 1);
        return Err(Code::UnknownProposal.refusal(log).into());
    }
    let log = format!(
        "proposal {number} is over: it was enacted or withdrawn, its proposer has left, or its time has passed"
    );
    Err(Code::ProposalClosed.refusal(log).into())
}

/// Adds the sender's approval, and enacts the proposal if those of present members now suffice.
fn add_approval(draft: &mut Draft<'_, '_>, number: u64, mut proposal: Proposal) -> Step {
    let sender = draft.sender;
    let again = proposal.approvals.contains(&sender);
    if !again {
        proposal.approvals.push(sender);
        draft.emit(|| event::approved(number, &sender));
    }
    // Of those who are no members any more nothing is kept: else one proposal could outgrow its record, member by member.
    let mut present = Vec::with_capacity(proposal.approvals.len());
    for approver in &proposal.approvals {
        if role::has(draft, Role::Member, approver)? {
            present.push(*approver);
        }
    }
    if suffice(draft, &proposal.change, &present)? {
        close(draft, number)?;
        draft.emit(|| event::closed("proposal_enacted", number));
        return enact(draft, &proposal.change);
    }
    // Approving again can only help where the others who approved, the threshold, or the power, have changed meanwhile.
    if again {
        let log = format!("{sender} has approved proposal {number} before: others must");
        return Err(Code::AlreadyApproved.refusal(log).into());
    }
    draft.write(key(number), &Proposal { approvals: present, ..proposal });
    Ok(())
}

/// Whether the approvals of these members are enough.
fn suffice(draft: &mut Draft<'_, '_>, change: &Change, members: &[Address]) -> Result<bool, AppError> {
    if let Change::Validators { .. } = change {
        let validators = validator::read(draft)?;
        return Ok(validators.is_quorum(validators.power_of(members)));
    }
    Ok(members.len() >= usize::from(role::governance(draft)?.threshold))
}

fn enact(draft: &mut Draft<'_, '_>, change: &Change) -> Step {
    match change {
        Change::Grant { role, account } => role::grant(draft, *role, account),
        Change::Revoke { role, account } => role::revoke(draft, *role, account),
        Change::Threshold { approvals } => role::set_threshold(draft, *approvals),
        Change::Validators { changes } => validator::apply(draft, changes),
    }
}

fn close(draft: &mut Draft<'_, '_>, number: u64) -> Step {
    let mut governance = role::governance(draft)?;
    governance.open.retain(|one| one.number != number);
    draft.write(GOVERNANCE_KEY, &governance);
    draft.remove(key(number));
    Ok(())
}

/// Closes the proposals whose time is over; the first thing in a block.
pub(super) fn expire(block: &mut Block<'_>) -> Result<Vec<Event>, AppError> {
    let height = block.height;
    let mut draft = block.draft(Address::default(), 0);
    let governance = role::governance(&mut draft)?;
    let (over, open): (Vec<OpenProposal>, Vec<_>) =
        governance.open.iter().partition(|one| one.expiry_height < height);
    if over.is_empty() {
        return Ok(Vec::new());
    }
    for one in over {
        if !draft.has(&key(one.number))? {
            return Err(corrupt("governance", format!("proposal {} is open and not there", one.number)));
        }
        draft.remove(key(one.number));
        draft.emit(|| event::closed("proposal_expired", one.number));
    }
    draft.write(GOVERNANCE_KEY, &Governance { open, ..governance });
    let (changes, events) = draft.finish();
    block.take(changes);
    Ok(events)
}
