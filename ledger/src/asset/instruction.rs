//! What a transaction can ask for: the instructions, and their rules that need no state.

use althing_crypto::Hash;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use super::{Address, Code, LockId, Role, Symbol, ValidatorChange, text, validator_change};
use crate::TxError;

/// One thing to be done. The order of the kinds is that of their numbers in the encoding.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Instruction {
    /// Moves units of an asset from an account that approves to another.
    Transfer {
        /// Of which asset.
        asset: Symbol,
        /// Who pays.
        from: Address,
        /// Who receives.
        to: Address,
        /// How many of the smallest units; not 0.
        #[serde(with = "text")]
        amount: u128,
    },
    /// Creates an asset whose issuer the sender becomes, who must have the role.
    CreateAsset {
        /// What it is called; no other asset is.
        symbol: Symbol,
        /// How many decimal places people see; at most 38.
        decimals: u8,
        /// The most units there may ever be at once; 0 for no such limit.
        #[serde(with = "text")]
        cap: u128,
        /// What the issuer says of it, at most 256 bytes.
        metadata: String,
    },
    /// Changes what the issuer says of an asset. By its issuer.
    SetMetadata {
        /// Of which asset.
        asset: Symbol,
        /// The new text, at most 256 bytes.
        metadata: String,
    },
    /// Makes new units. By the asset's issuer.
    Issue {
        /// Of which asset.
        asset: Symbol,
        /// Who receives them.
        to: Address,
        /// How many; not 0.
        #[serde(with = "text")]
        amount: u128,
    },
    /// Destroys units of an account that approves.
    Burn {
        /// Of which asset.
        asset: Symbol,
        /// Whose.
        from: Address,
        /// How many; not 0.
        #[serde(with = "text")]
        amount: u128,
    },
    /// Forbids to debit an account in an asset. By the asset's issuer.
    Freeze {
        /// Which asset.
        asset: Symbol,
        /// Whose.
        account: Address,
    },
    /// Allows again what was frozen. By the asset's issuer.
    Unfreeze {
        /// Which asset.
        asset: Symbol,
        /// Whose.
        account: Address,
    },
    /// Makes another account, which has the role, the asset's issuer. By its issuer.
    HandOver {
        /// Which asset.
        asset: Symbol,
        /// The new issuer.
        to: Address,
    },
    /// Takes units out of an account that approves, for who shows the preimage of a hash before a height.
    Lock {
        /// Of which asset.
        asset: Symbol,
        /// Who pays, and gets them back by a refund.
        from: Address,
        /// Who receives them by a claim.
        to: Address,
        /// How many; not 0.
        #[serde(with = "text")]
        amount: u128,
        /// SHA-256 of the 32 bytes that claim it.
        hash: Hash,
        /// From this height on it can only be refunded.
        #[serde(with = "text")]
        refund_height: u64,
    },
    /// Pays a lock to its recipient, before its refund height. By anyone.
    Claim {
        /// Which lock.
        lock: LockId,
        /// What the lock's hash is the SHA-256 of.
        preimage: Hash,
    },
    /// Pays a lock back, from its refund height on. By anyone.
    Refund {
        /// Which lock.
        lock: LockId,
    },
    /// Gives a role, which is the submitter's; others are given by proposals. By an administrator.
    Grant {
        /// Which role.
        role: Role,
        /// To whom.
        account: Address,
    },
    /// Takes a role, which is the submitter's; others are taken by proposals. By an administrator.
    Revoke {
        /// Which role.
        role: Role,
        /// From whom.
        account: Address,
    },
    /// Proposes a change to the members, and approves it. By a member.
    Propose {
        /// Which change.
        change: Change,
    },
    /// Approves a proposal; with enough approvals it is enacted at once. By a member.
    Approve {
        /// Its number.
        #[serde(with = "text")]
        proposal: u64,
    },
    /// Takes one's approval of a proposal back; that of who proposed it closes it. By a member.
    Withdraw {
        /// Its number.
        #[serde(with = "text")]
        proposal: u64,
    },
}

/// What members decide on together.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Change {
    /// Gives a role.
    Grant {
        /// Which role.
        role: Role,
        /// To whom.
        account: Address,
    },
    /// Takes a role.
    Revoke {
        /// Which role.
        role: Role,
        /// From whom.
        account: Address,
    },
    /// Sets how many members must approve a proposal.
    Threshold {
        /// From 1 to the number of members.
        approvals: u16,
    },
    /// Changes who validates the chain, and its consensus parameters: all of these, or none. It takes members who vote for more than
    /// two thirds of the power.
    Validators {
        /// 1 to 16 of them, in order.
        changes: Vec<ValidatorChange>,
    },
}

impl Instruction {
    /// The most bytes of metadata.
    pub const MAX_METADATA_BYTES: usize = 256;
    /// What `u128` can hold has 39 digits, of which one must stay before the point.
    pub const MAX_DECIMALS: u8 = 38;

    /// The account that it debits and that therefore must approve, if any.
    pub fn debits(&self) -> Option<Address> {
        match self {
            Self::Transfer { from, .. } | Self::Burn { from, .. } | Self::Lock { from, .. } => Some(*from),
            _ => None,
        }
    }

    fn asset(&self) -> Option<&Symbol> {
        match self {
            Self::Transfer { asset, .. }
            | Self::SetMetadata { asset, .. }
            | Self::Issue { asset, .. }
            | Self::Burn { asset, .. }
            | Self::Freeze { asset, .. }
            | Self::Unfreeze { asset, .. }
            | Self::HandOver { asset, .. }
            | Self::Lock { asset, .. } => Some(asset),
            Self::CreateAsset { symbol, .. } => Some(symbol),
            _ => None,
        }
    }

    fn amount(&self) -> Option<u128> {
        match self {
            Self::Transfer { amount, .. }
            | Self::Issue { amount, .. }
            | Self::Burn { amount, .. }
            | Self::Lock { amount, .. } => Some(*amount),
            _ => None,
        }
    }

    /// Holds it to the rules that need no state.
    pub(super) fn check(&self) -> Result<(), TxError> {
        if let Some(symbol) = self.asset().filter(|symbol| !symbol.is_valid()) {
            let log = format!("{symbol:?} is no symbol: give 1 to 16 characters of A-Z 0-9 . -");
            return Err(Code::BadSymbol.refusal(log));
        }
        if self.amount() == Some(0) {
            return Err(Code::ZeroAmount.refusal("an amount of 0 units: give at least 1"));
        }
        match self {
            Self::CreateAsset { decimals, metadata, .. } => {
                check_decimals(*decimals)?;
                check_metadata(metadata)
            }
            Self::SetMetadata { metadata, .. } => check_metadata(metadata),
            Self::Grant { role, .. } | Self::Revoke { role, .. } if *role != Role::Submitter => {
                let log = format!("the role {role} is given and taken by the members: propose it to them");
                Err(Code::NeedsProposal.refusal(log))
            }
            Self::Propose { change: Change::Threshold { approvals: 0 } } => {
                Err(Code::BadThreshold.refusal("a threshold of 0 approvals: say at least 1"))
            }
            Self::Propose { change: Change::Validators { changes } } => validator_change::check_all(changes),
            _ => Ok(()),
        }
    }
}

pub(super) fn check_decimals(decimals: u8) -> Result<(), TxError> {
    let max = Instruction::MAX_DECIMALS;
    if decimals > max {
        let log = format!("{decimals} decimal places, at most {max} are allowed");
        return Err(Code::TooManyDecimals.refusal(log));
    }
    Ok(())
}

pub(super) fn check_metadata(metadata: &str) -> Result<(), TxError> {
    let (found, max) = (metadata.len(), Instruction::MAX_METADATA_BYTES);
    if found > max {
        let log = format!("{found} bytes of metadata, at most {max} are allowed: shorten it");
        return Err(Code::MetadataTooLong.refusal(log));
    }
    Ok(())
}
