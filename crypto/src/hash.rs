//! SHA-256, and one type for each thing that is named by its hash.

use std::fmt;

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub use crate::bytes::HexError;
use crate::bytes::byte_string;

byte_string!(
    /// 32 bytes of SHA-256. Written as 64 lowercase hexadecimal digits.
    Hash,
    32,
    "a hash"
);

impl Hash {
    /// Stands where there is no hash yet; no known input has it.
    pub const ZERO: Hash = Hash([0; 32]);
}

impl Default for Hash {
    fn default() -> Self {
        Self::ZERO
    }
}

/// SHA-256 of `bytes`.
pub fn sha256(bytes: &[u8]) -> Hash {
    Hash(Sha256::digest(bytes).into())
}

/// SHA-256 of the parts one after the other. The parts' borders are not hashed: make lengths explicit where they vary.
pub fn sha256_concat(parts: &[&[u8]]) -> Hash {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    Hash(hasher.finalize().into())
}

macro_rules! hash_of {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Hash);

        impl $name {
            /// Stands where there is none yet.
            pub const ZERO: $name = $name(Hash::ZERO);

            /// The bytes of the hash.
            pub const fn as_bytes(&self) -> &[u8; 32] {
                self.0.as_bytes()
            }
        }

        impl AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                self.0.as_ref()
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                crate::bytes::fmt_short(stringify!($name), self.as_bytes(), f)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = HexError;

            fn from_str(text: &str) -> Result<Self, HexError> {
                text.parse().map(Self)
            }
        }
    };
}

hash_of!(
    /// Names a transaction: SHA-256 of its bytes as submitted.
    TxHash
);
hash_of!(
    /// Names a block: SHA-256 of its encoded header.
    BlockHash
);

impl TxHash {
    /// The hash of a transaction's bytes as submitted.
    pub fn of(tx: &[u8]) -> TxHash {
        TxHash(sha256(tx))
    }
}

#[cfg(test)]
mod tests;
