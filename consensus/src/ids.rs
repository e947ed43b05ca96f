//! The integers that mean something.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash,
            BorshSerialize, BorshDeserialize, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}", self.0)
            }
        }
    };
}

number! {
    /// A block's position in the chain, across epochs; genesis is 0.
    Height(u64)
}
number! {
    /// One leader's turn within an epoch: 1, 2, 3 …; 0 is the view of the epoch's opening block.
    View(u64)
}
number! {
    /// A span of heights with one validator set and one set of parameters; genesis is epoch 0.
    Epoch(u64)
}
number! {
    /// A validator's weight, or a sum of weights.
    Power(u64)
}
number! {
    /// A validator's place in its epoch's set.
    Position(u16)
}
number! {
    /// Microseconds on a clock that never goes back; its zero means nothing.
    Micros(u64)
}

impl Height {
    /// The height above.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.checked_add(1).expect("heights stay below 2^64"))
    }
}

impl View {
    /// No view that a peer may name reaches it, nor does a height: sums of a few stay far from overflow.
    pub const LIMIT: Self = Self(1 << 62);

    /// The view that follows.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.checked_add(1).expect("the door refuses views near 2^64"))
    }
}

impl Position {
    /// No place in any set: sets are smaller.
    pub const NONE: Self = Self(u16::MAX);
}

impl Micros {
    /// `n` milliseconds.
    pub const fn from_millis(n: u64) -> Self {
        Self(n.saturating_mul(1_000))
    }

    /// This instant, `span` later.
    #[must_use]
    pub const fn after(self, span: Self) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

/// What the clocks say at a step: the engine has none of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Now {
    /// For timers.
    pub mono: Micros,
    /// For block times: milliseconds since 1970, as far as this machine knows.
    pub unix_ms: u64,
}
