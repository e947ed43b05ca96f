//! What a proposal can change about who validates the chain, and how; and the rules of that which need no state.

use althing_crypto::ed25519;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use super::{Address, Code, ConsensusParameter, text};
use crate::{TxError, VoteKey};

/// One change. The order of the kinds is that of their numbers in the encoding.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ValidatorChange {
    /// Adds a validator, also one that was one before.
    Add {
        /// Under which it is known to the network.
        identity: ed25519::PublicKey,
        /// What it votes with.
        vote_key: VoteKey,
        /// Its weight; not 0.
        #[serde(with = "text")]
        power: u64,
        /// What people call it, at most 64 bytes.
        name: String,
        /// The account that votes for it on proposals, once that is a member.
        account: Address,
    },
    /// Removes a validator.
    Remove {
        /// Which one.
        identity: ed25519::PublicKey,
    },
    /// Gives a validator another power.
    Power {
        /// Which one.
        identity: ed25519::PublicKey,
        /// Its weight from then on; not 0.
        #[serde(with = "text")]
        power: u64,
    },
    /// Lets a validator vote with another key.
    VoteKey {
        /// Which one.
        identity: ed25519::PublicKey,
        /// Its key from then on.
        vote_key: VoteKey,
    },
    /// Gives a validator another identity; all else of it stays.
    Identity {
        /// Which one.
        identity: ed25519::PublicKey,
        /// Its identity from then on.
        to: ed25519::PublicKey,
    },
    /// Lets another account vote for a validator on proposals.
    Account {
        /// Which one.
        identity: ed25519::PublicKey,
        /// Its account from then on.
        account: Address,
    },
    /// Sets a consensus parameter.
    Parameter {
        /// Which one.
        parameter: ConsensusParameter,
        /// Its value from then on.
        #[serde(with = "text")]
        value: u64,
    },
    /// Gives a suspended validator its power again. Nothing else does.
    Reinstate {
        /// Which one.
        identity: ed25519::PublicKey,
    },
}

impl ValidatorChange {
    /// The most changes of one proposal.
    pub const MAX: usize = 16;
    /// The most bytes of a validator's name.
    pub const MAX_NAME_BYTES: usize = 64;

    /// The key that somebody is to vote with from then on.
    pub(super) fn vote_key(&self) -> Option<&VoteKey> {
        match self {
            Self::Add { vote_key, .. } | Self::VoteKey { vote_key, .. } => Some(vote_key),
            _ => None,
        }
    }

    fn check(&self) -> Result<(), TxError> {
        match self {
            Self::Add { power: 0, .. } | Self::Power { power: 0, .. } => {
                Err(Code::ZeroPower
                    .refusal("a validator with a power of 0 is none: remove it, or give it some"))
            }
            Self::Add { identity, name, .. } => {
                check_name(name)?;
                check_identity(identity)
            }
            Self::Identity { to, .. } => check_identity(to),
            _ => Ok(()),
        }
    }
}

pub(super) fn check_name(name: &str) -> Result<(), TxError> {
    let (found, max) = (name.len(), ValidatorChange::MAX_NAME_BYTES);
    if found > max {
        let log = format!("a name of {found} bytes, at most {max} are allowed: shorten it");
        return Err(Code::NameTooLong.refusal(log));
    }
    Ok(())
}

fn check_identity(identity: &ed25519::PublicKey) -> Result<(), TxError> {
    if identity.is_point() {
        return Ok(());
    }
    Err(Code::BadIdentity.refusal(format!("{identity} is no Ed25519 key: check the identity")))
}

/// Holds a proposal's changes to the rules that need no state.
pub(super) fn check_all(changes: &[ValidatorChange]) -> Result<(), TxError> {
    let (found, max) = (changes.len(), ValidatorChange::MAX);
    match found {
        0 => Err(Code::NoChanges.refusal("a proposal of no changes: name at least one")),
        _ if found > max => {
            let log = format!("a proposal of {found} changes, at most {max} are allowed: split it up");
            Err(Code::TooManyChanges.refusal(log))
        }
        _ => changes.iter().try_for_each(ValidatorChange::check),
    }
}
