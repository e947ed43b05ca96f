//! What holds of every canonical encoding.

use std::fmt::Debug;

use althing_crypto::Encoding;

/// Decodes; if that succeeds, the bytes must be the one encoding of the value, within its limit, and neither longer nor shorter
/// bytes with the same beginning may decode.
pub(super) fn decode<T: Encoding + PartialEq + Debug>(bytes: &[u8]) -> Option<T> {
    let value = T::decode(bytes).ok()?;
    let name = T::NAME;
    assert!(bytes.len() <= T::MAX_BYTES, "{name}: {} bytes were decoded", bytes.len());
    assert_eq!(value.encode(), bytes, "{name}: another encoding of the same value");
    let longer = [bytes, &[0]].concat();
    assert!(T::decode(&longer).is_err(), "{name}: a byte more is decoded, too");
    assert!(T::decode(&bytes[..bytes.len() - 1]).is_err(), "{name}: a byte less is decoded, too");
    Some(value)
}

/// Encodes a value that was made here and reads it back.
pub(super) fn again<T: Encoding + PartialEq + Debug>(value: &T) {
    let bytes = value.encode();
    if bytes.len() <= T::MAX_BYTES {
        let read = T::decode(&bytes).unwrap_or_else(|error| panic!("its own encoding is refused: {error}"));
        assert_eq!(read, *value, "{}: read back as another value", T::NAME);
    }
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use althing_crypto::DecodeError;
    use borsh::{BorshDeserialize, BorshSerialize};

    use super::{Encoding, decode};

    /// A number whose decoder is careless as the const says.
    #[derive(BorshSerialize, BorshDeserialize, PartialEq, Debug)]
    struct Careless<const HOW: u8>(u8);

    const EVEN: u8 = 1;
    const LONGER: u8 = 2;
    const SHORTER: u8 = 3;

    impl<const HOW: u8> Encoding for Careless<HOW> {
        const NAME: &'static str = "careless";
        const VERSION: u8 = 1;
        const MAX_BYTES: usize = 2;

        fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
            let number = bytes.get(1).copied().unwrap_or_default();
            match (HOW, bytes.len()) {
                (_, 2) => Ok(Self(if HOW == EVEN { number & !1 } else { number })),
                (LONGER, 3) | (SHORTER, 1) => Ok(Self(number)),
                _ => Err(DecodeError::Empty { name: Self::NAME }),
            }
        }
    }

    fn passes<const HOW: u8>(bytes: &[u8]) -> bool {
        catch_unwind(|| decode::<Careless<HOW>>(bytes)).is_ok()
    }

    #[test]
    fn a_careless_decoder_is_noticed() {
        assert!(passes::<0>(&[1, 3]) && passes::<0>(&[1]) && passes::<0>(&[1, 3, 0]));
        assert!(passes::<EVEN>(&[1, 2]) && !passes::<EVEN>(&[1, 3]), "two encodings of one value");
        assert!(!passes::<LONGER>(&[1, 3]) && !passes::<SHORTER>(&[1, 3]));
        assert!(!passes::<LONGER>(&[1, 3, 0]), "beyond its limit");
    }
}
