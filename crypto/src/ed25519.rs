//! Ed25519 signatures of transactions and node identities, by the rules of ZIP-215.
//!
//! RFC 8032 leaves open which odd signatures are valid, and libraries differ; a chain whose nodes differ splits. ZIP-215
//! settles it by three rules: the key and R are encodings of points of any order, non-canonical ones included; s is below
//! the group order; and `[8][s]B = [8]R + [8][k]A`. The factor 8 makes a batch agree with single checks on every input.

use std::fmt;

use ed25519_zebra::{Signature as ZebraSignature, SigningKey, VerificationKey};
use getrandom::{SysRng, rand_core::UnwrapErr};
use zeroize::Zeroizing;

use crate::bytes::byte_string;

byte_string!(
    /// A public key. Any 32 bytes may be called so: whether they are a point is found out when a signature is checked.
    PublicKey,
    32,
    "an Ed25519 public key"
);

byte_string!(
    /// A signature: R and s, 32 bytes each.
    Signature,
    64,
    "an Ed25519 signature"
);

/// A secret key. Wiped from memory when dropped; neither printed nor serialized; compared and hashed by its public key.
#[derive(Clone)]
pub struct SecretKey(Zeroizing<SigningKey>);

impl SecretKey {
    /// The key that RFC 8032 derives from this seed.
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(Zeroizing::new(SigningKey::from(seed)))
    }

    /// A new key from the randomness of the operating system.
    ///
    /// # Panics
    /// If the operating system has none, as there is no key to go on with.
    pub fn generate() -> Self {
        Self(Zeroizing::new(SigningKey::new(UnwrapErr(SysRng))))
    }

    /// The seed: all there is to keep. Secret.
    pub fn seed(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// The public key that belongs to it.
    pub fn public_key(&self) -> PublicKey {
        PublicKey(self.0.verification_key().into())
    }

    /// Signs a message, deterministically.
    pub fn sign(&self, message: &[u8]) -> Signature {
        Signature(self.0.sign(message).to_bytes())
    }
}

impl PartialEq for SecretKey {
    fn eq(&self, other: &Self) -> bool {
        self.public_key() == other.public_key()
    }
}

impl Eq for SecretKey {}

impl std::hash::Hash for SecretKey {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.public_key().hash(state);
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ed25519::SecretKey(redacted, of {:?})", self.public_key())
    }
}

impl PublicKey {
    /// Whether it is the encoding of a point, without which nothing verifies under it.
    pub fn is_point(&self) -> bool {
        VerificationKey::try_from(self.0).is_ok()
    }

    /// Whether `signature` is this key's of `message`.
    pub fn verify(&self, message: &[u8], signature: &Signature) -> bool {
        VerificationKey::try_from(self.0)
            .and_then(|key| key.verify(&ZebraSignature::from_bytes(&signature.0), message))
            .is_ok()
    }
}

mod batch;

pub use batch::{Item, Verifier, verify_batch};

#[cfg(test)]
mod tests;
