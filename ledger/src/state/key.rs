//! A key as the bits that a crit-bit tree branches on, and the hashes of the tree.
//!
//! Each byte of a key is a 1 and then its eight bits, most significant first; behind the last byte there are only 0s. So
//! no key is the beginning of another, and the order of the bit strings is that of the keys.

use althing_crypto::{sha256, sha256_concat};

/// The longest key, in bytes.
pub const MAX_KEY: usize = 128;

const BITS_PER_BYTE: u16 = 9;

/// Bits of the longest key, with the 0 behind it.
pub(super) const MAX_BITS: u16 = MAX_KEY as u16 * BITS_PER_BYTE + 1;

/// A SHA-256.
pub(super) type Digest = [u8; 32];

/// The bit of `key` at place `n`.
pub(super) fn bit(key: &[u8], n: u16) -> bool {
    let within = n % BITS_PER_BYTE;
    match key.get(usize::from(n / BITS_PER_BYTE)) {
        None => false,
        Some(byte) => within == 0 || (byte >> (BITS_PER_BYTE - 1 - within)) & 1 == 1,
    }
}

/// The first place at which the bits of two keys of at most [`MAX_KEY`] bytes differ; `None` if they are the same.
pub(super) fn first_difference(a: &[u8], b: &[u8]) -> Option<u16> {
    let words = a.chunks_exact(8).zip(b.chunks_exact(8)).take_while(|(a, b)| a == b).count();
    let rest = a[8 * words..].iter().zip(&b[8 * words..]).take_while(|(a, b)| a == b).count();
    let shared = 8 * words + rest;
    let within = match (a.get(shared), b.get(shared)) {
        (None, None) => return None,
        (Some(a), Some(b)) => 1 + (a ^ b).leading_zeros(),
        _ => 0,
    };
    Some(shared as u16 * BITS_PER_BYTE + within as u16)
}

/// The root of a state without records.
pub(super) fn empty_hash() -> Digest {
    *sha256(&[2]).as_bytes()
}

/// The hash of a leaf, for a key of at most [`MAX_KEY`] bytes.
pub(super) fn leaf_hash(key: &[u8], value: &[u8]) -> Digest {
    *sha256_concat(&[&[0, key.len() as u8], key, sha256(value).as_bytes()]).as_bytes()
}

/// The hash of the node that branches at place `bit`.
pub(super) fn node_hash(bit: u16, left: &Digest, right: &Digest) -> Digest {
    let mut bytes = [0; 67];
    bytes[0] = 1;
    bytes[1..3].copy_from_slice(&bit.to_be_bytes());
    bytes[3..35].copy_from_slice(left);
    bytes[35..].copy_from_slice(right);
    *sha256(&bytes).as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bits_are_ordered_as_keys_are(a in prop::collection::vec(0u8..4, 0..5), b in prop::collection::vec(any::<u8>(), 0..5)) {
            let differing = first_difference(&a, &b);
            let naive = (0..MAX_BITS).find(|&n| bit(&a, n) != bit(&b, n));
            prop_assert_eq!(differing, naive);
            if let Some(n) = differing {
                prop_assert_eq!(bit(&b, n), a < b);
            }
        }
    }

    #[test]
    fn the_longest_keys_have_no_bit_beyond_the_last_place() {
        let (long, longer) = ([255; MAX_KEY - 1], [255; MAX_KEY]);
        assert_eq!(first_difference(&long, &longer), Some(MAX_BITS - 1 - BITS_PER_BYTE));
        assert!(!bit(&longer, MAX_BITS - 1));
        assert!(bit(&longer, MAX_BITS - 2));
    }

    #[test]
    fn hashes_of_a_leaf_a_node_and_of_nothing() {
        let leaf = leaf_hash(b"key", b"value");
        let root = node_hash(9, &leaf, &empty_hash());
        assert_eq!(
            hex::encode(empty_hash()),
            "dbc1b4c900ffe48d575b5da5c638040125f65db0fe3e24494b76ea986457d986"
        );
        assert_eq!(hex::encode(leaf), "2eb722f5031cc752b67b06c5eff4fa38865ea8eceec214695dc73d922da7c954");
        assert_eq!(hex::encode(root), "56617defb9cdf4cde0981a4427dcb24f9a8ed8cf32125d97fe747ed678022061");
    }
}
