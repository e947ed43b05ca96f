//! What an asset is called: a short symbol, which is also its id.

use std::{fmt, io, str::FromStr};

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// An asset's symbol: 1 to 16 characters of `A-Z 0-9 . -`. Encoded as its length in one byte, then its characters.
///
/// Decoding takes any bytes of at most that length, so that a wrong character in a transaction is refused with a code of
/// its own; whoever decodes asks [`Symbol::is_valid`]. Text is checked when it is parsed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Symbol {
    /// Filled up with zeros: so the order is that of the texts.
    bytes: [u8; Self::MAX_BYTES],
    len: u8,
}

impl Symbol {
    /// The most characters it may have.
    pub const MAX_BYTES: usize = 16;

    /// A symbol known when the program is written.
    ///
    /// # Panics
    /// If the text is none.
    pub const fn literal(text: &str) -> Self {
        let symbol = Self::take(text.as_bytes());
        assert!(symbol.is_valid(), "1 to 16 characters of A-Z 0-9 . -");
        symbol
    }

    const fn take(text: &[u8]) -> Self {
        assert!(text.len() <= Self::MAX_BYTES, "at most 16 characters");
        let mut bytes = [0; Self::MAX_BYTES];
        let mut i = 0;
        while i < text.len() {
            bytes[i] = text[i];
            i += 1;
        }
        Self { bytes, len: text.len() as u8 }
    }

    /// Whether it has characters, and allowed ones only.
    pub const fn is_valid(&self) -> bool {
        let mut i = 0;
        while i < self.len as usize {
            if !matches!(self.bytes[i], b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-') {
                return false;
            }
            i += 1;
        }
        self.len > 0
    }

    /// Its characters.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(self.as_bytes()))
    }
}

impl fmt::Debug for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(self.as_bytes()))
    }
}

/// Text that is not a [`Symbol`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{shown:?} is not 1 to 16 characters of A-Z 0-9 . -")]
pub struct SymbolError {
    /// The beginning of the text.
    shown: String,
}

impl FromStr for Symbol {
    type Err = SymbolError;

    fn from_str(text: &str) -> Result<Self, SymbolError> {
        let symbol = (text.len() <= Self::MAX_BYTES).then(|| Self::take(text.as_bytes()));
        symbol
            .filter(Self::is_valid)
            .ok_or_else(|| SymbolError { shown: text.chars().take(2 * Self::MAX_BYTES).collect() })
    }
}

impl BorshSerialize for Symbol {
    fn serialize<W: io::Write>(&self, writer: &mut W) -> io::Result<()> {
        writer.write_all(&[self.len])?;
        writer.write_all(self.as_bytes())
    }
}

impl BorshDeserialize for Symbol {
    fn deserialize_reader<R: io::Read>(reader: &mut R) -> io::Result<Self> {
        let len = u8::deserialize_reader(reader)?;
        if usize::from(len) > Self::MAX_BYTES {
            let reason = format!("a symbol of {len} characters, at most {} are allowed", Self::MAX_BYTES);
            return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
        }
        let mut bytes = [0; Self::MAX_BYTES];
        reader.read_exact(&mut bytes[..usize::from(len)])?;
        Ok(Self { bytes, len })
    }
}

impl Serialize for Symbol {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Symbol {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <String as Deserialize>::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_bytes_and_order_are_those_of_the_characters() {
        for text in ["A", "EUR-2.0", "ABCDEFGHIJKLMNOP"] {
            let symbol: Symbol = text.parse().unwrap();
            assert_eq!((symbol.to_string(), symbol.as_bytes()), (text.to_owned(), text.as_bytes()));
            let bytes = borsh::to_vec(&symbol).unwrap();
            assert_eq!((bytes[0] as usize, &bytes[1..]), (text.len(), text.as_bytes()));
            assert_eq!(borsh::from_slice::<Symbol>(&bytes).unwrap(), symbol);
        }
        let symbol = |text: &str| text.parse::<Symbol>().unwrap();
        assert!(symbol("A") < symbol("AA") && symbol("AA") < symbol("B"));
    }

    #[test]
    fn other_text_is_refused_and_other_bytes_are_known() {
        for text in ["", "a", "A B", "A/B", "ÅR", "ABCDEFGHIJKLMNOPQ", "A\0"] {
            assert!(text.parse::<Symbol>().is_err(), "{text:?}");
        }
        let read = |bytes: &[u8]| borsh::from_slice::<Symbol>(bytes);
        assert!(!read(&[0]).unwrap().is_valid());
        assert!(!read(&[2, b'A', 0]).unwrap().is_valid());
        assert!(read(&[2, b'A']).is_err() && read(&[17; 18]).is_err());
    }
}
