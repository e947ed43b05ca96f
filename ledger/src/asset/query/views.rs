//! Answers, as they stand in JSON.

use althing_crypto::ed25519::PublicKey;
use serde::{Deserialize, Serialize};

use crate::{
    MisbehaviourKind, VoteKey,
    asset::{Address, Change, Lock, LockId, Outcome, Role, Suspension, Symbol, text},
};

/// Some of a list, in the order of its keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T, A> {
    /// The items.
    pub items: Vec<T>,
    /// What to ask the next page with, as its `after`; there is none if nothing follows.
    pub next: Option<A>,
}

/// The answer to `account`. One that has never sent begins with sequence 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountView {
    /// Whose account.
    pub address: Address,
    /// The sequence that its next transaction must have.
    #[serde(with = "text")]
    pub sequence: u64,
    /// Its roles.
    pub roles: Vec<Role>,
}

/// The answer to `balance`, and an item of `balances` and `holders`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BalanceView {
    /// Of which asset.
    pub asset: Symbol,
    /// Whose.
    pub account: Address,
    /// How many of the smallest units.
    #[serde(with = "text")]
    pub amount: u128,
    /// Whether it cannot be debited.
    pub frozen: bool,
    /// Since which height it is so: 0 for genesis, and where there never was anything.
    #[serde(with = "text")]
    pub since: u64,
}

/// The answer to `asset`, which is `null` if there is none, and an item of `assets`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssetView {
    /// What it is called.
    pub asset: Symbol,
    /// Who may issue it, given the role.
    pub issuer: Address,
    /// How many decimal places people see.
    pub decimals: u8,
    /// The most units there may be; 0 for no such limit.
    #[serde(with = "text")]
    pub cap: u128,
    /// How many there are.
    #[serde(with = "text")]
    pub supply: u128,
    /// What the issuer says of it.
    pub metadata: String,
}

/// The answer to `supply`, which is `null` if there is no such asset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SupplyView {
    /// Of which asset.
    pub asset: Symbol,
    /// How many units there are, in balances and open locks.
    #[serde(with = "text")]
    pub supply: u128,
}

/// The answer to `history`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryView {
    /// What each block that changed it has left, newest first.
    pub changes: Vec<ChangeView>,
    /// Whether the last one given is the first that there ever was.
    pub complete: bool,
}

/// An item of `history`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeView {
    /// The height of the block.
    #[serde(with = "text")]
    pub height: u64,
    /// How many units it left.
    #[serde(with = "text")]
    pub amount: u128,
    /// Whether it left the account frozen.
    pub frozen: bool,
}

/// The answer to `lock`, which is `null` if there is none, and an item of `locks`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockView {
    /// Its id.
    pub id: LockId,
    /// The lock.
    #[serde(flatten)]
    pub lock: Lock,
}

/// An item of `roles`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleView {
    /// Who has the role.
    pub account: Address,
    /// Since which height; 0 for genesis.
    #[serde(with = "text")]
    pub since: u64,
}

/// The answer to `governance`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GovernanceView {
    /// How many members must approve a proposal.
    pub threshold: u16,
    /// How many members there are.
    pub members: u16,
    /// How many administrators there are.
    pub administrators: u16,
    /// The number of the next proposal.
    #[serde(with = "text")]
    pub next_proposal: u64,
    /// How many proposals are open.
    pub open_proposals: usize,
}

/// An item of the answer to `proposals`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProposalView {
    /// Its number.
    #[serde(with = "text")]
    pub number: u64,
    /// What it would change.
    pub change: Change,
    /// Who proposed it.
    pub proposer: Address,
    /// The last height at which it can be approved.
    #[serde(with = "text")]
    pub expiry_height: u64,
    /// Who approves it, members or not any more.
    pub approvals: Vec<Address>,
    /// How many of them are members now: of roles it takes as many as the threshold.
    pub counted: u16,
    /// For how much of the power they vote: of validators it takes more than two thirds. Absent where the change is one of roles.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power: Option<PowerView>,
}

/// A part of the validators' power.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PowerView {
    /// How much.
    #[serde(with = "text")]
    pub approved: u64,
    /// Of how much.
    #[serde(with = "text")]
    pub of: u64,
}

/// An item of `validators`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValidatorView {
    /// Under which it is known to the network.
    pub identity: PublicKey,
    /// What people call it.
    pub name: String,
    /// Its weight; 0 while it is suspended.
    #[serde(with = "text")]
    pub power: u64,
    /// The account that votes for it on proposals.
    pub account: Option<Address>,
    /// Whether that account is a member now: else it approves nothing.
    pub member: bool,
    /// Since which height it is as it is; 0 for genesis.
    #[serde(with = "text")]
    pub since: u64,
    /// Why it has no power now. Absent where it is not suspended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspended: Option<Suspension>,
    /// What it votes with, and the proof that it holds the secret of it.
    pub vote_key: VoteKey,
}

/// An item of `misbehaviour`: a proof in a block that a validator contradicted itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MisbehaviourView {
    /// Its number; the first has 0.
    #[serde(with = "text")]
    pub number: u64,
    /// The height of the block that proved it.
    #[serde(with = "text")]
    pub height: u64,
    /// What the validator did.
    pub kind: MisbehaviourKind,
    /// The identity that it had then.
    pub identity: PublicKey,
    /// Its power then.
    #[serde(with = "text")]
    pub power: u64,
    /// The power of all then.
    #[serde(with = "text")]
    pub total_power: u64,
    /// In which epoch.
    #[serde(with = "text")]
    pub epoch: u64,
    /// In which view of that.
    #[serde(with = "text")]
    pub view: u64,
    /// What the ledger did about it.
    pub outcome: Outcome,
    /// If it suspended the validator: how that stands now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub now: Option<MisbehaviourStatus>,
}

/// How it stands with a suspension.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MisbehaviourStatus {
    /// It lasts.
    Suspended,
    /// The validator was reinstated.
    Reinstated,
    /// The validator was removed.
    Removed,
}
