//! SHA-256, and one type for each thing that is named by its hash.

use std::fmt;

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256, block_api::compress256};

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
    if bytes.len() <= SHORT_BYTES { sha256_short(&[bytes]) } else { Hash(Sha256::digest(bytes).into()) }
}

/// SHA-256 of the parts one after the other. The parts' borders are not hashed: make lengths explicit where they vary.
pub fn sha256_concat(parts: &[&[u8]]) -> Hash {
    if parts.iter().map(|part| part.len()).sum::<usize>() <= SHORT_BYTES {
        return sha256_short(parts);
    }
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    Hash(hasher.finalize().into())
}

/// So much fits into two blocks with its padding.
const SHORT_BYTES: usize = 2 * BLOCK_BYTES - 9;
const BLOCK_BYTES: usize = 64;

/// The state that SHA-256 begins with (FIPS 180-4, 5.3.3).
const BEGINNING: [u32; 8] =
    [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19];

/// SHA-256 of at most [`SHORT_BYTES`]: padded in place. Leaves and nodes of trees are that short, and a hasher that takes any length
/// costs them half as much again.
fn sha256_short(parts: &[&[u8]]) -> Hash {
    let (mut padded, mut len) = ([0; 2 * BLOCK_BYTES], 0);
    for part in parts {
        padded[len..len + part.len()].copy_from_slice(part);
        len += part.len();
    }
    padded[len] = 0x80;
    let blocks = (len + 9).div_ceil(BLOCK_BYTES);
    let end = blocks * BLOCK_BYTES;
    padded[end - 8..end].copy_from_slice(&(8 * len as u64).to_be_bytes());
    let mut state = BEGINNING;
    compress256(&mut state, &padded.as_chunks().0[..blocks]);
    let mut hash = [0; 32];
    for (bytes, word) in hash.chunks_exact_mut(4).zip(state) {
        bytes.copy_from_slice(&word.to_be_bytes());
    }
    Hash(hash)
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
