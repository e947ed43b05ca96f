//! Why the door did not let something in.

use std::fmt;

use thiserror::Error;

use crate::{Epoch, Position, Power, View};

/// Why a message is refused.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Error)]
pub enum Rejection {
    /// It is of another epoch: one of the two nodes is behind. No misdeed.
    #[error("{what} of epoch {got}, this node is in epoch {ours}: the older of the two has to catch up")]
    WrongEpoch {
        /// What was checked.
        what: &'static str,
        /// Its epoch.
        got: Epoch,
        /// This node's.
        ours: Epoch,
    },
    /// Its signer is not in the set.
    #[error("{what} signed by validator {signer}, but the set has only {members} members, counted from 0")]
    UnknownSigner {
        /// What was checked.
        what: &'static str,
        /// The position claimed.
        signer: Position,
        /// How many members there are.
        members: usize,
    },
    /// The signature is not that of the signers over the contents.
    #[error("{what} of view {view}: the signature does not verify under {key}")]
    BadSignature {
        /// What was checked.
        what: &'static str,
        /// Its view.
        view: View,
        /// Under which key it should.
        key: KeyOf,
    },
    /// Too few have signed.
    #[error(
        "{what} of view {view}: its signers have power {power} of {total}, a quorum is more than two thirds"
    )]
    NotAQuorum {
        /// What was checked.
        what: &'static str,
        /// Its view.
        view: View,
        /// The signers' power.
        power: Power,
        /// The power of all members.
        total: Power,
    },
    /// Its parts do not fit together, or do not fit this chain.
    #[error("{what}: {reason}")]
    Malformed {
        /// What was checked.
        what: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

/// The key that a signature has to verify under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyOf {
    /// A member's vote key: votes of every kind.
    Vote(Position),
    /// A member's identity: proposals.
    Identity(Position),
    /// The vote keys of a certificate's signers together.
    Aggregate,
}

impl fmt::Display for KeyOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vote(signer) => write!(f, "the vote key of validator {signer}"),
            Self::Identity(signer) => write!(f, "the identity of validator {signer}"),
            Self::Aggregate => f.write_str("the aggregate of its signers' vote keys"),
        }
    }
}

impl Rejection {
    /// Whether no correct validator sends or relays such a message.
    pub fn is_misdeed(&self) -> bool {
        !matches!(self, Self::WrongEpoch { .. })
    }
}
