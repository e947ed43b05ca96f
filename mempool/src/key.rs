//! A transaction's hash as the pool's maps compare it.

use std::hash::{Hash, Hasher};

use althing_crypto::TxHash;

/// Orders as the hash does, but by words, of which the first nearly always decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key([u64; 4]);

impl From<&TxHash> for Key {
    fn from(hash: &TxHash) -> Self {
        let (words, _) = hash.as_bytes().as_chunks::<8>();
        Key(std::array::from_fn(|n| u64::from_be_bytes(words[n])))
    }
}

/// A table finds it by one word: only the SHA-256 of chosen bytes gets here, and nobody finds many that agree in one.
impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0[0]);
    }
}

#[cfg(test)]
mod tests {
    use althing_crypto::Hash;

    use super::*;

    #[test]
    fn keys_order_as_hashes_do() {
        let mut hashes = vec![TxHash(Hash::from_bytes([0; 32]))];
        for n in 0..32 {
            let mut bytes = [0; 32];
            for byte in [1, 0x80, 0xff] {
                bytes[n] = byte;
                hashes.push(TxHash(Hash::from_bytes(bytes)));
            }
        }
        for a in &hashes {
            for b in &hashes {
                assert_eq!(a.cmp(b), Key::from(a).cmp(&Key::from(b)), "{a} and {b}");
            }
        }
    }
}
