//! BLS12-381 signatures of votes: public keys of 48 bytes in G1, signatures of 96 bytes in G2, the ciphersuite with proofs
//! of possession of draft-irtf-cfrg-bls-signature.
//!
//! Everything that signs or checks votes does it through a [`VoteScheme`]. [`BLS`] is the only one in this crate; a
//! simulation may bring one that costs less, which no node can hold.

use std::fmt;

use zeroize::Zeroizing;

use crate::bytes::{byte_string, fmt_short};

mod scheme;

pub use scheme::{AggregateError, BLS, Bls, KeyError, VoteScheme};

byte_string!(
    /// A signature, or an aggregate of several. Raw bytes: whether they are a point of the group is checked by whoever uses them.
    Signature,
    96,
    "a BLS signature"
);

byte_string!(
    /// Its maker's proof of knowing the secret of a public key: a signature of that key, under a domain of its own. No set of
    /// validators takes a key without it, or one could choose a key that cancels the keys of others.
    ProofOfPossession,
    96,
    "a BLS proof of possession"
);

/// A public key that its [`VoteScheme`] has checked, with its curve point at hand. Compared, ordered and hashed by its bytes.
///
/// There is no decoding it by itself: bytes become a key by [`VoteScheme::parse_public_key`].
#[derive(Clone)]
pub struct PublicKey {
    bytes: [u8; 48],
    point: Point,
}

#[derive(Clone)]
enum Point {
    /// On the curve, in the subgroup, not infinity.
    Bls(blst::min_pk::PublicKey),
    Opaque,
}

impl PublicKey {
    /// The compressed point.
    pub fn bytes(&self) -> &[u8; 48] {
        &self.bytes
    }

    /// A key without a curve point, for schemes that need none. [`BLS`] refuses it in every check.
    pub fn opaque(bytes: [u8; 48]) -> Self {
        Self { bytes, point: Point::Opaque }
    }

    fn of_point(point: blst::min_pk::PublicKey) -> Self {
        Self { bytes: point.compress(), point: Point::Bls(point) }
    }

    fn point(&self) -> Option<&blst::min_pk::PublicKey> {
        match &self.point {
            Point::Bls(point) => Some(point),
            Point::Opaque => None,
        }
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for PublicKey {}

impl PartialOrd for PublicKey {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for PublicKey {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.bytes.cmp(&other.bytes)
    }
}

impl std::hash::Hash for PublicKey {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.bytes.hash(state);
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_short("PublicKey", &self.bytes, f)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.bytes))
    }
}

/// A secret key and the scheme that it signs by. Wiped from memory when dropped; neither printed nor serialized; compared and
/// hashed by its public key.
#[derive(Clone)]
pub struct SecretKey {
    scheme: &'static dyn VoteScheme,
    secret: Zeroizing<[u8; 32]>,
    public_key: PublicKey,
}

impl SecretKey {
    /// A new key from the randomness of the operating system.
    ///
    /// # Panics
    /// If the operating system has none, as there is no key to go on with.
    pub fn generate(scheme: &'static dyn VoteScheme) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut()).expect("the operating system gives randomness");
        Self::from_seed(scheme, &seed)
    }

    /// The key that `KeyGen` of draft-irtf-cfrg-bls-signature derives from this seed.
    pub fn from_seed(scheme: &'static dyn VoteScheme, seed: &[u8; 32]) -> Self {
        let key = blst::min_pk::SecretKey::key_gen(seed, &[]).expect("32 bytes are enough for KeyGen");
        Self::from_bytes(scheme, &Zeroizing::new(key.to_bytes())).expect("KeyGen makes valid keys")
    }

    /// The key with these bytes, a big-endian number from 1 to the group order - 1.
    pub fn from_bytes(scheme: &'static dyn VoteScheme, bytes: &[u8; 32]) -> Result<Self, KeyError> {
        let public_key = scheme.public_key(bytes)?;
        Ok(Self { scheme, secret: Zeroizing::new(*bytes), public_key })
    }

    /// What [`from_bytes`](Self::from_bytes) takes. Secret.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        self.secret.clone()
    }

    /// The public key that belongs to it.
    pub fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// Signs a message, deterministically.
    pub fn sign(&self, message: &[u8]) -> Signature {
        self.scheme.sign(&self.secret, message)
    }

    /// The proof that whoever holds the public key's secret has made it.
    pub fn prove_possession(&self) -> ProofOfPossession {
        self.scheme.prove_possession(&self.secret)
    }
}

impl PartialEq for SecretKey {
    fn eq(&self, other: &Self) -> bool {
        self.public_key == other.public_key
    }
}

impl Eq for SecretKey {}

impl std::hash::Hash for SecretKey {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.public_key.hash(state);
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "bls::SecretKey(redacted, of {:?})", self.public_key)
    }
}

#[cfg(test)]
mod tests;
