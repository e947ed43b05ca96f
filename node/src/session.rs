//! Which process speaks for an identity: of two that hold its keys, the one that began later.
//!
//! A home that was copied and is run twice has two processes with the keys of one validator, each with a safety record of its own. What
//! both sign can contradict itself. So a process says when it began, in a statement signed with the identity key, before it says
//! anything else; and one that is shown the statement of a later one stops.

use althing_crypto::domain::{Domain, sign_bytes};
use althing_crypto::ed25519::{PublicKey, SecretKey, Signature};
use borsh::{BorshDeserialize, BorshSerialize};

/// The beginning of a process, signed with the identity key that it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Session {
    /// Whose keys it holds.
    pub identity: PublicKey,
    /// When it began, in milliseconds since 1970 by its own clock.
    pub began_ms: u64,
    /// Tells apart two that began at one instant.
    pub nonce: u64,
    /// The identity's, over [`Domain::Session`], the chain id and the two numbers.
    pub signature: Signature,
}

impl Session {
    /// A process that begins now, on this chain.
    pub fn new(chain_id: &str, key: &SecretKey, began_ms: u64, nonce: u64) -> Self {
        let signature = key.sign(&bytes(chain_id, began_ms, nonce));
        Self { identity: key.public_key(), began_ms, nonce, signature }
    }

    /// Whether the identity signed it.
    pub fn holds(&self, chain_id: &str) -> bool {
        self.identity.verify(&bytes(chain_id, self.began_ms, self.nonce), &self.signature)
    }

    /// Of two of one identity the greater began later.
    pub fn order(&self) -> (u64, u64) {
        (self.began_ms, self.nonce)
    }
}

fn bytes(chain_id: &str, began_ms: u64, nonce: u64) -> Vec<u8> {
    sign_bytes(Domain::Session, chain_id, 0, began_ms, &nonce.to_be_bytes())
}
