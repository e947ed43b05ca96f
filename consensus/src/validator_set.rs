//! Who may vote in an epoch, with what weight, and how much weight decides.

use std::collections::BTreeSet;
use std::hash::{Hash as StdHash, Hasher};

use althing_crypto::bls::VoteScheme;
use althing_crypto::{Hash, bls, ed25519, mutant, sha256_concat};
use thiserror::Error;

use crate::{ConsensusParams, Position, Power};

/// A member of an epoch's set.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Validator {
    /// Under which it is known to the network and to the application.
    pub identity: ed25519::PublicKey,
    /// Under which it votes. Its possession was proven before it came here.
    pub vote_key: bls::PublicKey,
    /// Its weight.
    pub power: Power,
}

/// The validators of an epoch, in genesis order, which fixes their positions. Immutable.
#[derive(Clone, Debug)]
pub struct ValidatorSet {
    scheme: &'static dyn VoteScheme,
    members: Vec<Validator>,
    total: Power,
}

impl ValidatorSet {
    /// The most members that a set has.
    pub const MAX_MEMBERS: usize = 1024;
    /// The most power that a set has, so that no sum or product of powers overflows.
    pub const MAX_POWER: Power = Power(1 << 60);

    /// The set of these members, whose votes are checked by `scheme`.
    pub fn new(scheme: &'static dyn VoteScheme, members: Vec<Validator>) -> Result<Self, SetError> {
        let count = members.len();
        if count == 0 || count > Self::MAX_MEMBERS {
            return Err(SetError::Size { members: count });
        }
        let (mut identities, mut vote_keys, mut total) = (BTreeSet::new(), BTreeSet::new(), 0u64);
        for (position, member) in members.iter().enumerate() {
            if member.power == Power(0) {
                return Err(SetError::NoPower { position, identity: member.identity });
            }
            if !identities.insert(member.identity) {
                return Err(SetError::DuplicateIdentity { position, identity: member.identity });
            }
            if !vote_keys.insert(&member.vote_key) {
                return Err(SetError::DuplicateVoteKey { position, identity: member.identity });
            }
            total = total
                .checked_add(member.power.0)
                .filter(|&sum| sum <= Self::MAX_POWER.0)
                .ok_or(SetError::TooMuchPower { position, identity: member.identity, power: member.power })?;
        }
        Ok(Self { scheme, members, total: Power(total) })
    }

    /// How many members it has; at least one.
    #[allow(clippy::len_without_is_empty, reason = "no set is empty")]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// The members, by position.
    pub fn members(&self) -> &[Validator] {
        &self.members
    }

    /// All positions, ascending.
    pub fn positions(&self) -> impl Iterator<Item = Position> + use<> {
        // Position fits: at most 1,024 members.
        (0..self.members.len() as u16).map(Position)
    }

    /// The member at this position.
    pub fn get(&self, position: Position) -> Option<&Validator> {
        self.members.get(usize::from(position.0))
    }

    /// Where the validator of this identity stands.
    pub fn position_of(&self, identity: &ed25519::PublicKey) -> Option<Position> {
        self.positions().find(|&at| self.get(at).is_some_and(|member| member.identity == *identity))
    }

    /// Where the validator of this vote key stands.
    pub fn position_of_vote_key(&self, key: &bls::PublicKey) -> Option<Position> {
        self.positions().find(|&at| self.get(at).is_some_and(|member| member.vote_key == *key))
    }

    /// The power of a member, 0 of a stranger.
    pub fn power(&self, position: Position) -> Power {
        self.get(position).map_or(Power(0), |member| member.power)
    }

    /// The power W of all members.
    pub fn total(&self) -> Power {
        self.total
    }

    /// The power of these positions, which the caller knows to be distinct.
    pub fn power_of(&self, positions: impl IntoIterator<Item = Position>) -> Power {
        let sum =
            positions.into_iter().map(|position| self.power(position).0).fold(0u64, u64::saturating_add);
        Power(sum)
    }

    /// Whether power p is a quorum: 3p > 2W. Two quorums share more than W/3.
    pub fn is_quorum(&self, power: Power) -> bool {
        let (held, needed) = (3 * u128::from(power.0), 2 * u128::from(self.total.0));
        held > needed || (held == needed && mutant!("quorum_of_exactly_two_thirds"))
    }

    /// Whether a correct validator must be among members of power p: 3p > W.
    pub fn is_one_honest(&self, power: Power) -> bool {
        3 * u128::from(power.0) > u128::from(self.total.0)
    }

    /// How votes are checked.
    pub fn scheme(&self) -> &'static dyn VoteScheme {
        self.scheme
    }

    /// The canonical encoding that hashes bind: the number of members as u32, then identity, vote key and power of each, integers
    /// little-endian. All fields are of fixed length, so different sets have different encodings.
    pub fn hash_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(4 + self.members.len() * (32 + 48 + 8));
        bytes.extend_from_slice(&(self.members.len() as u32).to_le_bytes());
        for member in &self.members {
            bytes.extend_from_slice(member.identity.as_bytes());
            bytes.extend_from_slice(member.vote_key.bytes());
            bytes.extend_from_slice(&member.power.0.to_le_bytes());
        }
        bytes
    }
}

// A set is its members in their order: the scheme is the same in the whole process.
impl PartialEq for ValidatorSet {
    fn eq(&self, other: &Self) -> bool {
        self.members == other.members
    }
}

impl Eq for ValidatorSet {}

impl StdHash for ValidatorSet {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.members.hash(state);
    }
}

/// The hash of an epoch: of its validator set and parameters. What [`Vouched::next_epoch`](crate::Vouched::next_epoch) holds.
pub fn epoch_hash(set: &ValidatorSet, params: &ConsensusParams) -> Hash {
    const VERSION: u8 = 1;
    let params = borsh::to_vec(params).expect("memory");
    sha256_concat(&[b"ALTHING/EPOCH", &[VERSION], &set.hash_bytes(), &params])
}

/// Why members are no validator set.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SetError {
    /// None, or too many.
    #[error("validator set of {members} members: it needs from 1 to {}", ValidatorSet::MAX_MEMBERS)]
    Size {
        /// How many there are.
        members: usize,
    },
    /// One without weight.
    #[error("validator {position} ({identity}) has no power: give it some, or leave it out")]
    NoPower {
        /// Its place in the list.
        position: usize,
        /// Who it is.
        identity: ed25519::PublicKey,
    },
    /// One is listed twice.
    #[error("validator {position} has the identity {identity} of an earlier one: list each validator once")]
    DuplicateIdentity {
        /// The place of the second.
        position: usize,
        /// The identity of both.
        identity: ed25519::PublicKey,
    },
    /// Two share a vote key, so that one vote would count twice.
    #[error(
        "validator {position} ({identity}) has the vote key of an earlier one: each validator needs its own"
    )]
    DuplicateVoteKey {
        /// The place of the second.
        position: usize,
        /// Who the second is.
        identity: ed25519::PublicKey,
    },
    /// The powers add up to more than is allowed.
    #[error(
        "validator {position} ({identity}) with power {power} lifts the set's power above 2^60: scale all powers down"
    )]
    TooMuchPower {
        /// Its place in the list.
        position: usize,
        /// Who it is.
        identity: ed25519::PublicKey,
        /// Its power.
        power: Power,
    },
}

#[cfg(test)]
mod tests;
