//! The fingerprint of an application's whole state.

use std::fmt;

use borsh::{BorshDeserialize, BorshSerialize};

/// A byte string of 0 to 64 bytes that names an application's state: equal state, equal hash, on every validator.
///
/// How it is made is the application's affair (the asset ledger: the 32-byte root of its state tree). Empty is
/// allowed: an application without an authenticated state has nothing to say here.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, BorshSerialize)]
pub struct AppHash(Vec<u8>);

/// A byte string too long for an [`AppHash`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an application hash has {len} bytes, at most {max} are allowed; hash the state to a shorter one", max = AppHash::MAX_BYTES)]
pub struct AppHashTooLong {
    /// The length found.
    pub len: usize,
}

impl AppHash {
    /// The most bytes a hash may have.
    pub const MAX_BYTES: usize = 64;

    /// Takes `bytes` as a hash if there are at most [`Self::MAX_BYTES`] of them.
    pub fn new(bytes: Vec<u8>) -> Result<Self, AppHashTooLong> {
        if bytes.len() > Self::MAX_BYTES {
            return Err(AppHashTooLong { len: bytes.len() });
        }
        Ok(Self(bytes))
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl From<[u8; 32]> for AppHash {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes.to_vec())
    }
}

impl TryFrom<Vec<u8>> for AppHash {
    type Error = AppHashTooLong;

    fn try_from(bytes: Vec<u8>) -> Result<Self, AppHashTooLong> {
        Self::new(bytes)
    }
}

impl BorshDeserialize for AppHash {
    fn deserialize_reader<R: std::io::Read>(reader: &mut R) -> std::io::Result<Self> {
        let len = u32::deserialize_reader(reader)? as usize;
        if len > Self::MAX_BYTES {
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidData, AppHashTooLong { len }));
        }
        let mut bytes = vec![0; len];
        reader.read_exact(&mut bytes)?;
        Ok(Self(bytes))
    }
}

impl fmt::Display for AppHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

impl fmt::Debug for AppHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AppHash({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_is_bounded_wherever_a_hash_comes_from() {
        for len in [0, 1, 32, 64] {
            let hash = AppHash::new(vec![7; len]).unwrap();
            assert_eq!(borsh::from_slice::<AppHash>(&borsh::to_vec(&hash).unwrap()).unwrap(), hash);
        }
        assert_eq!(AppHash::new(vec![0; 65]), Err(AppHashTooLong { len: 65 }));
        let too_long = borsh::to_vec(&vec![0u8; 65]).unwrap();
        assert!(borsh::from_slice::<AppHash>(&too_long).is_err());
        // A length that is only claimed must not be allocated for.
        assert!(borsh::from_slice::<AppHash>(&u32::MAX.to_le_bytes()).is_err());
    }
}
