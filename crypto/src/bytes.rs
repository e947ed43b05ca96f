//! Byte strings of fixed length as types of their own: hashes, public keys, signatures.

use std::fmt;

/// Text that should have been a fixed number of hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HexError {
    /// Too few or too many digits.
    #[error("{name} is written as {expected} hexadecimal digits, got {found} characters")]
    Length {
        /// The type that was expected.
        name: &'static str,
        /// Digits of that type.
        expected: usize,
        /// Length of the text in bytes.
        found: usize,
    },
    /// The right length, but not all of it hexadecimal.
    #[error("{name} is written in hexadecimal digits only (0-9, a-f), without a prefix")]
    Digit {
        /// The type that was expected.
        name: &'static str,
    },
}

pub(crate) fn parse_hex<const N: usize>(name: &'static str, text: &str) -> Result<[u8; N], HexError> {
    if text.len() != 2 * N {
        return Err(HexError::Length { name, expected: 2 * N, found: text.len() });
    }
    let mut bytes = [0; N];
    hex::decode_to_slice(text, &mut bytes).map_err(|_| HexError::Digit { name })?;
    Ok(bytes)
}

/// Enough of a long byte string to tell it from others in a log line.
pub(crate) fn fmt_short(name: &str, bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "{name}({}…)", hex::encode(&bytes[..4]))
}

/// `byte_string!(/// doc, Name, N, "what it is called in errors")`
macro_rules! byte_string {
    ($(#[$doc:meta])* $name:ident, $len:literal, $called:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, borsh::BorshSerialize, borsh::BorshDeserialize)]
        pub struct $name([u8; $len]);

        // As derived, but by one comparison of numbers where they do not begin alike, which hashes and keys hardly ever do: trees of them
        // are most of what a mempool does.
        impl Ord for $name {
            fn cmp(&self, other: &Self) -> std::cmp::Ordering {
                let head = |bytes: &[u8; $len]| bytes.first_chunk().map(|head| u64::from_be_bytes(*head));
                head(&self.0).cmp(&head(&other.0)).then_with(|| self.0.cmp(&other.0))
            }
        }

        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
                Some(self.cmp(other))
            }
        }

        impl $name {
            /// Wraps bytes as they are; whether they mean anything is checked when they are used.
            pub const fn from_bytes(bytes: [u8; $len]) -> Self {
                Self(bytes)
            }

            /// The bytes.
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }
        }

        impl From<[u8; $len]> for $name {
            fn from(bytes: [u8; $len]) -> Self {
                Self(bytes)
            }
        }

        impl AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                crate::bytes::fmt_short(stringify!($name), &self.0, f)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl std::str::FromStr for $name {
            type Err = crate::bytes::HexError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                crate::bytes::parse_hex($called, text).map(Self)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

pub(crate) use byte_string;
