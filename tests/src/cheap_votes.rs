//! A vote scheme that costs next to nothing and protects nothing: for simulation and model checking. It lives in this crate, on
//! which no node depends, so that no release node can hold it.
//!
//! A signature is derived from public key and message by hashing, so that anyone could make it: Byzantine members of a simulation
//! are trusted not to. An aggregate is the exclusive or of its parts.

use std::cell::Cell;

use althing_crypto::bls::{AggregateError, KeyError, ProofOfPossession, PublicKey, Signature, VoteScheme};
use althing_crypto::sha256_concat;

/// The scheme.
#[derive(Debug)]
pub struct CheapVotes;

thread_local! {
    static CHECKS: Cell<u64> = const { Cell::new(0) };
}

/// How many signatures and aggregates this thread has checked.
pub fn checks() -> u64 {
    CHECKS.get()
}

/// The one instance that keys refer to.
pub static CHEAP_VOTES: CheapVotes = CheapVotes;

fn public_bytes(secret: &[u8; 32]) -> [u8; 48] {
    let mut bytes = [0; 48];
    bytes[..32].copy_from_slice(sha256_concat(&[b"cheap public key", secret]).as_bytes());
    bytes
}

fn signature_bytes(key: &[u8; 48], message: &[u8]) -> [u8; 96] {
    let hash = sha256_concat(&[b"cheap signature", key, message]);
    let mut bytes = [0; 96];
    // One hash is enough to tell signatures apart; the parts differ so that no byte of them may go unread.
    for (index, part) in bytes.chunks_exact_mut(32).enumerate() {
        part.copy_from_slice(hash.as_bytes());
        part.rotate_left(index);
    }
    bytes
}

impl CheapVotes {
    /// The proof of possession of a public key: a function of it, as everything here.
    pub fn possession(&self, key: &[u8; 48]) -> ProofOfPossession {
        ProofOfPossession::from_bytes(signature_bytes(key, b"possession"))
    }
}

fn add(sum: &mut [u8; 96], part: &[u8; 96]) {
    for (sum, part) in sum.iter_mut().zip(part) {
        *sum ^= part;
    }
}

impl VoteScheme for CheapVotes {
    fn public_key(&self, secret: &[u8; 32]) -> Result<PublicKey, KeyError> {
        Ok(PublicKey::opaque(public_bytes(secret)))
    }

    fn parse_public_key(&self, bytes: &[u8; 48]) -> Result<PublicKey, KeyError> {
        Ok(PublicKey::opaque(*bytes))
    }

    fn verify_possession(&self, key: &PublicKey, proof: &ProofOfPossession) -> bool {
        *proof == self.possession(key.bytes())
    }

    fn prove_possession(&self, secret: &[u8; 32]) -> ProofOfPossession {
        self.possession(&public_bytes(secret))
    }

    fn sign(&self, secret: &[u8; 32], message: &[u8]) -> Signature {
        Signature::from_bytes(signature_bytes(&public_bytes(secret), message))
    }

    fn verify(&self, key: &PublicKey, message: &[u8], signature: &Signature) -> bool {
        CHECKS.set(CHECKS.get() + 1);
        *signature.as_bytes() == signature_bytes(key.bytes(), message)
    }

    fn aggregate(&self, signatures: &[Signature]) -> Result<Signature, AggregateError> {
        if signatures.is_empty() {
            return Err(AggregateError::Empty);
        }
        let mut sum = [0; 96];
        signatures.iter().for_each(|signature| add(&mut sum, signature.as_bytes()));
        Ok(Signature::from_bytes(sum))
    }

    fn verify_aggregate(&self, groups: &[(&[u8], Vec<&PublicKey>)], signature: &Signature) -> bool {
        CHECKS.set(CHECKS.get() + 1);
        let mut sum = [0; 96];
        for (message, keys) in groups {
            keys.iter().for_each(|key| add(&mut sum, &signature_bytes(key.bytes(), message)));
        }
        !groups.is_empty() && groups.iter().all(|(_, keys)| !keys.is_empty()) && sum == *signature.as_bytes()
    }
}
