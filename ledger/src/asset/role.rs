//! Roles: who may submit, issue, govern and administer. Kept on the ledger, changed by administrators and members.

use std::fmt;

use althing_crypto::Encoding;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use super::{
    Address, Code,
    draft::{Draft, Step},
    event, proposal,
    record::AtHeight,
};
use crate::{AppError, TxError};

/// What an account may do. The order is that of the numbers in the encoding.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    BorshSerialize,
    BorshDeserialize,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Says who submits.
    Administrator,
    /// Creates assets and issues its own.
    Issuer,
    /// Proposes and approves changes of roles.
    Member,
    /// Sends transactions where submission is closed.
    Submitter,
}

impl Role {
    /// All of them, by number.
    pub const ALL: [Role; 4] = [Role::Administrator, Role::Issuer, Role::Member, Role::Submitter];
    /// The most members, and the most administrators: each proposal lists who approves it.
    pub const MAX_GOVERNING: u16 = 100;

    /// The name, in snake case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Administrator => "administrator",
            Self::Issuer => "issuer",
            Self::Member => "member",
            Self::Submitter => "submitter",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What governance must know at once.
#[derive(Debug, Clone, PartialEq, Eq, Default, BorshSerialize, BorshDeserialize)]
pub(super) struct Governance {
    /// How many members must approve a proposal; 0 if there are no members.
    pub(super) threshold: u16,
    pub(super) members: u16,
    pub(super) administrators: u16,
    /// The number of the next proposal; the first has 1.
    pub(super) next_proposal: u64,
    /// The open proposals, by number.
    pub(super) open: Vec<OpenProposal>,
}

/// What is known of an open proposal without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct OpenProposal {
    pub(super) number: u64,
    pub(super) proposer: Address,
    /// The last height at which it can be approved.
    pub(super) expiry_height: u64,
}

impl Encoding for Governance {
    const NAME: &'static str = "governance";
    const VERSION: u8 = 1;
    const MAX_BYTES: usize = 64 + proposal::MAX_OPEN * (8 + Address::BYTES + 8);
}

pub(super) const GOVERNANCE_KEY: &[u8] = b"g";

/// Where all who have a role lie, by address.
pub(super) fn keys_of(role: Role) -> Vec<u8> {
    vec![b'r', b'/', role as u8]
}

pub(super) fn key(role: Role, account: &Address) -> Vec<u8> {
    [&keys_of(role), account.as_bytes().as_slice()].concat()
}

pub(super) fn has(draft: &mut Draft<'_, '_>, role: Role, account: &Address) -> Result<bool, AppError> {
    draft.has(&key(role, account))
}

/// That the sender has the role.
pub(super) fn expect_sender(draft: &mut Draft<'_, '_>, role: Role) -> Step {
    let sender = draft.sender;
    if has(draft, role, &sender)? {
        return Ok(());
    }
    let code = match role {
        Role::Administrator => Code::NotAdministrator,
        Role::Issuer => Code::NotIssuer,
        Role::Member => Code::NotMember,
        Role::Submitter => Code::NotSubmitter,
    };
    Err(code.refusal(format!("{sender} does not have the role {role}: ask the members to grant it")).into())
}

/// That the sender may submit. Members and administrators always may: so no change of roles can lock them out.
pub(super) fn expect_submitter(draft: &mut Draft<'_, '_>) -> Step {
    let sender = draft.sender;
    if !draft.parameters().closed
        || has(draft, Role::Submitter, &sender)?
        || has(draft, Role::Member, &sender)?
        || has(draft, Role::Administrator, &sender)?
    {
        return Ok(());
    }
    let log = format!(
        "submission is closed and {sender} is neither submitter nor member nor administrator: ask an administrator"
    );
    Err(Code::NotSubmitter.refusal(log).into())
}

pub(super) fn governance(draft: &mut Draft<'_, '_>) -> Result<Governance, AppError> {
    Ok(draft.read(GOVERNANCE_KEY)?.unwrap_or_default())
}

/// `Grant` and `Revoke` of an administrator; only the submitter's role gets here.
pub(super) fn administer(draft: &mut Draft<'_, '_>, role: Role, account: &Address, granted: bool) -> Step {
    expect_sender(draft, Role::Administrator)?;
    if granted { grant(draft, role, account) } else { revoke(draft, role, account) }
}

/// Gives a role, whoever has decided it.
pub(super) fn grant(draft: &mut Draft<'_, '_>, role: Role, account: &Address) -> Step {
    if has(draft, role, account)? {
        return Err(Code::RoleHeld.refusal(format!("{account} has the role {role} already")).into());
    }
    count(draft, role, |count| {
        let max = Role::MAX_GOVERNING;
        let full =
            || Code::TooManyHolders.refusal(format!("{max} have the role {role}, no more are allowed"));
        if count >= max { Err(full()) } else { Ok(count + 1) }
    })?;
    let height = draft.height();
    draft.write(key(role, account), &AtHeight(height));
    draft.emit(|| event::role(role, account, true));
    Ok(())
}

/// Takes a role, whoever has decided it.
pub(super) fn revoke(draft: &mut Draft<'_, '_>, role: Role, account: &Address) -> Step {
    if !has(draft, role, account)? {
        return Err(Code::RoleNotHeld.refusal(format!("{account} does not have the role {role}")).into());
    }
    let threshold = governance(draft)?.threshold;
    count(draft, role, |count| {
        let last =
            || Code::LastAdministrator.refusal("there would be no administrator: grant it to another first");
        let few = || {
            let log =
                format!("fewer than {threshold} members, who must approve, would be left: lower that first");
            Code::TooFewMembers.refusal(log)
        };
        match role {
            Role::Administrator if count <= 1 => Err(last()),
            Role::Member if count <= threshold => Err(few()),
            _ => Ok(count.saturating_sub(1)),
        }
    })?;
    draft.remove(key(role, account));
    draft.emit(|| event::role(role, account, false));
    if role == Role::Member { proposal::close_all_of(draft, account) } else { Ok(()) }
}

/// Changes the count of those who have `role`, if they are counted.
fn count(draft: &mut Draft<'_, '_>, role: Role, change: impl FnOnce(u16) -> Result<u16, TxError>) -> Step {
    let mut governance = governance(draft)?;
    match role {
        Role::Administrator => governance.administrators = change(governance.administrators)?,
        Role::Member => governance.members = change(governance.members)?,
        Role::Issuer | Role::Submitter => return Ok(()),
    }
    draft.write(GOVERNANCE_KEY, &governance);
    Ok(())
}

/// Sets how many members must approve.
pub(super) fn set_threshold(draft: &mut Draft<'_, '_>, approvals: u16) -> Step {
    let governance = governance(draft)?;
    if approvals == 0 || approvals > governance.members {
        let log = format!("a threshold of {approvals} with {} members: say 1 to that", governance.members);
        return Err(Code::BadThreshold.refusal(log).into());
    }
    draft.write(GOVERNANCE_KEY, &Governance { threshold: approvals, ..governance });
    draft.emit(|| event::threshold(approvals));
    Ok(())
}
