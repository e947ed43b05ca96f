//! Canonical encodings: one value has one byte string, and no other byte string decodes to it.
//!
//! What is hashed or signed must not have two forms, and what a peer sends must be bounded before it is parsed.
//! [`Encoding`] puts both at the door: a version byte, a size limit, and a decoder that takes back only its own output.

use std::io;

use borsh::{BorshDeserialize, BorshSerialize};

/// A type with a versioned, bounded, canonical encoding: the version byte, then borsh.
pub trait Encoding: BorshSerialize + BorshDeserialize {
    /// What errors call it.
    const NAME: &'static str;
    /// The first byte of every encoding.
    const VERSION: u8;
    /// The longest encoding that is decoded, version byte included.
    const MAX_BYTES: usize;

    /// The version byte, then borsh. Whoever builds a value keeps it within `MAX_BYTES`; nobody would decode it otherwise.
    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(TYPICAL_BYTES.min(Self::MAX_BYTES));
        bytes.push(Self::VERSION);
        self.serialize(&mut bytes).expect("writing to memory fails for no type that we encode");
        bytes
    }

    /// The value of which `bytes` is the encoding.
    ///
    /// Refuses bytes that are too many, of another version, malformed, followed by others, or not what [`encode`](Self::encode) gives.
    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let name = Self::NAME;
        if bytes.len() > Self::MAX_BYTES {
            return Err(DecodeError::TooLarge { name, len: bytes.len(), max: Self::MAX_BYTES });
        }
        let (&found, body) = bytes.split_first().ok_or(DecodeError::Empty { name })?;
        if found != Self::VERSION {
            return Err(DecodeError::Version { name, found, expected: Self::VERSION });
        }
        let value = Self::try_from_slice(body)
            .map_err(|error| DecodeError::Malformed { name, reason: error.to_string() })?;
        // Borsh is canonical for the types it derives; this holds for those written by hand, too.
        let mut expected = Expected(body);
        match value.serialize(&mut expected) {
            Ok(()) if expected.0.is_empty() => Ok(value),
            _ => Err(DecodeError::NotCanonical { name }),
        }
    }
}

/// Most messages are a few hundred bytes.
const TYPICAL_BYTES: usize = 512;

/// A writer that takes these bytes and no others: so that to compare an encoding needs no memory.
struct Expected<'a>(&'a [u8]);

impl io::Write for Expected<'_> {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        self.0 = self.0.strip_prefix(part).ok_or(io::ErrorKind::InvalidData)?;
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Why bytes are not the encoding of a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not even a version byte.
    #[error("{name}: no bytes to decode")]
    Empty {
        /// What was expected.
        name: &'static str,
    },
    /// Longer than any encoding of this type may be.
    #[error("{name}: {len} bytes, at most {max} are accepted")]
    TooLarge {
        /// What was expected.
        name: &'static str,
        /// Bytes received.
        len: usize,
        /// Bytes accepted.
        max: usize,
    },
    /// Made by another version of the software.
    #[error("{name}: encoding version {found}, this build reads version {expected} only")]
    Version {
        /// What was expected.
        name: &'static str,
        /// First byte received.
        found: u8,
        /// First byte accepted.
        expected: u8,
    },
    /// The bytes do not parse, or some are left over.
    #[error("{name}: malformed: {reason}")]
    Malformed {
        /// What was expected.
        name: &'static str,
        /// What the parser says.
        reason: String,
    },
    /// The bytes parse, but the value has another encoding.
    #[error("{name}: not the canonical encoding of the value that it holds")]
    NotCanonical {
        /// What was expected.
        name: &'static str,
    },
}

#[cfg(test)]
mod tests;
