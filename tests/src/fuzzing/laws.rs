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
