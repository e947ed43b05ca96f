//! Who holds an account: 20 bytes of the hash of a key or of a policy of several keys, written in bech32m.

use std::{fmt, str::FromStr};

use althing_crypto::{Hash, ed25519::PublicKey, sha256};
use bech32::{Bech32m, Hrp, primitives::decode::CheckedHrpstring};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::Policy;

const HRP: Hrp = Hrp::parse_unchecked("al");

const ASCII: &str = "its characters are ASCII";
const PREFIX: &[u8; 3] = b"al1";
/// Characters of an address.
const TEXT_BYTES: usize = 41;
const CHARACTERS: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
/// What the checksum of the whole must be.
const BECH32M: u32 = 0x2bc8_30a3;
/// The checksum behind the prefix: the upper three bits of its characters, 0, and the lower five bits.
const AFTER_PREFIX: u32 = {
    let (mut checksum, mut at) = (1, 0);
    let values = [(b'a' >> 5) as u32, (b'l' >> 5) as u32, 0, (b'a' & 31) as u32, (b'l' & 31) as u32];
    while at < values.len() {
        checksum = checksum_with(checksum, values[at]);
        at += 1;
    }
    checksum
};

/// What each combination of the checksum's upper five bits adds to it.
const ADDED: [u32; 32] = {
    let generator = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
    let (mut added, mut upper) = ([0; 32], 0);
    while upper < 32 {
        let mut bit = 0;
        while bit < 5 {
            if upper >> bit & 1 == 1 {
                added[upper] ^= generator[bit];
            }
            bit += 1;
        }
        upper += 1;
    }
    added
};

const fn checksum_with(checksum: u32, value: u32) -> u32 {
    (checksum & 0x1ff_ffff) << 5 ^ value ^ ADDED[(checksum >> 25) as usize]
}

/// An account's address: the first 20 bytes of SHA-256 of its 32-byte Ed25519 public key, or, for a multi-signature
/// account, of `ALTHING/MULTISIG` and its encoded [`Policy`]. As text bech32m with prefix `al`: `al1` and 38 characters,
/// of which the last six find typing errors.
#[derive(Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct Address([u8; 20]);

impl Address {
    /// How many bytes it has.
    pub const BYTES: usize = 20;

    /// The address of the account that `key` controls.
    pub fn of(key: &PublicKey) -> Self {
        Self::begin_of(&sha256(key.as_bytes()))
    }

    /// The address of the account that the keys of `policy` control together. As the tag and a policy are never 32 bytes,
    /// no key has the same.
    pub fn of_policy(policy: &Policy) -> Self {
        let mut bytes = b"ALTHING/MULTISIG".to_vec();
        BorshSerialize::serialize(policy, &mut bytes).expect("writing to memory does not fail");
        Self::begin_of(&sha256(&bytes))
    }

    fn begin_of(hash: &Hash) -> Self {
        let mut bytes = [0; Self::BYTES];
        bytes.copy_from_slice(&hash.as_bytes()[..Self::BYTES]);
        Self(bytes)
    }

    /// The address that has these bytes.
    pub const fn from_bytes(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }

    /// As text.
    pub fn to_text(&self) -> String {
        String::from_utf8(self.text().to_vec()).expect(ASCII)
    }

    /// Bech32m: each character stands for five bits, the last six make the checksum come out as it must. (BIP 173 and 350.)
    fn text(&self) -> [u8; TEXT_BYTES] {
        let (mut text, mut at) = ([0; TEXT_BYTES], PREFIX.len());
        text[..at].copy_from_slice(PREFIX);
        let mut checksum = AFTER_PREFIX;
        for five in self.0.chunks_exact(5) {
            let bits = five.iter().fold(0, |bits, byte| bits << 8 | u64::from(*byte));
            for (place, character) in (0..8).rev().zip(&mut text[at..at + 8]) {
                let value = (bits >> (5 * place) & 31) as u32;
                checksum = checksum_with(checksum, value);
                *character = CHARACTERS[value as usize];
            }
            at += 8;
        }
        checksum = (0..6).fold(checksum, |checksum, _| checksum_with(checksum, 0)) ^ BECH32M;
        for (place, character) in (0..6).rev().zip(&mut text[at..]) {
            *character = CHARACTERS[(checksum >> (5 * place) & 31) as usize];
        }
        text
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(str::from_utf8(&self.text()).expect(ASCII))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Text that is not an [`Address`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not bech32m, or a character is wrong.
    #[error("not an address: {reason}; an address is bech32m text such as al1…, copy it whole")]
    Text {
        /// What the decoder says.
        reason: String,
    },
    /// Bech32m of something else.
    #[error("not an address of this ledger: its prefix is {found:?}, expected \"al\"")]
    Prefix {
        /// The prefix found.
        found: String,
    },
    /// Bech32m with the right prefix, but not of 20 bytes.
    #[error("not an address: {len} characters, an address has 41")]
    Length {
        /// How long the text is.
        len: usize,
    },
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let wrong_length = AddressError::Length { len: text.len() };
        // Bech32m finds errors in texts of up to 90 characters; no need to read longer ones.
        if text.len() > 90 {
            return Err(wrong_length);
        }
        let parsed = CheckedHrpstring::new::<Bech32m>(text)
            .map_err(|error| AddressError::Text { reason: error.to_string() })?;
        if parsed.hrp() != HRP {
            return Err(AddressError::Prefix { found: parsed.hrp().to_string() });
        }
        let bytes: Vec<u8> = parsed.byte_iter().collect();
        let address = Self(bytes.try_into().map_err(|_| wrong_length.clone())?);
        // One more character of padding would decode to the same bytes.
        if address.to_string().len() != text.len() {
            return Err(wrong_length);
        }
        Ok(address)
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <String as Deserialize>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_bytes_are_one_to_one() {
        let address = Address::from_bytes(std::array::from_fn(|i| i as u8));
        let text = address.to_string();
        assert_eq!(text.len(), TEXT_BYTES);
        assert_eq!(text.parse(), Ok(address));
        assert_eq!(text.to_uppercase().parse(), Ok(address), "bech32 may be written in capitals");
        assert_eq!(serde_json::from_str::<Address>(&serde_json::to_string(&text).unwrap()).unwrap(), address);
    }

    #[test]
    fn the_text_is_bech32m_of_the_bytes() {
        for n in 0..1_000u32 {
            let hash = sha256(&n.to_be_bytes());
            let address = Address::begin_of(&hash);
            let expected = bech32::encode_lower::<Bech32m>(HRP, address.as_bytes()).unwrap();
            assert_eq!((address.to_text(), address.to_string()), (expected.clone(), expected));
        }
    }

    #[test]
    fn other_text_is_refused_with_the_reason() {
        let text = Address::from_bytes([7; 20]).to_string();
        let mut typo = text.clone().into_bytes();
        typo[10] = if typo[10] == b'q' { b'p' } else { b'q' };
        let encode =
            |hrp: &str, len| bech32::encode::<Bech32m>(Hrp::parse(hrp).unwrap(), &vec![0; len]).unwrap();
        let old_checksum = bech32::encode::<bech32::Bech32>(HRP, &[7; 20]).unwrap();
        let longer_padding = {
            use bech32::{ByteIterExt, Fe32, Fe32IterExt};
            let fives = [7u8; 20].into_iter().bytes_to_fes().chain([Fe32::Q]);
            fives.with_checksum::<Bech32m>(&HRP).chars().collect::<String>()
        };
        for (text, expected) in [
            (String::new(), "not an address"),
            (String::from_utf8(typo).unwrap(), "not an address"),
            (old_checksum, "not an address"),
            (text[..40].to_owned(), "not an address"),
            (encode("bc", 20), "prefix is \"bc\""),
            (encode("al", 19), "characters"),
            (encode("al", 21), "characters"),
            (longer_padding, "42 characters"),
            ("a".repeat(10_000), "10000 characters"),
        ] {
            let error = text.parse::<Address>().unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
