//! The cryptography of Althing: what the other crates hash, sign and verify with.
//!
//! - [`hash`]: SHA-256 and the hash newtypes; [`merkle`]: the trees of RFC 6962.
//! - [`encoding`]: versioned, bounded, canonical encodings over borsh.
//! - [`ed25519`]: signatures of transactions and node identities, by the rules of ZIP-215.
//! - [`bls`]: signatures of votes, which aggregate (BLS12-381, proof of possession).
//! - [`domain`]: the bytes that are signed, bound to what the signature is for.
//! - [`key_file`]: secret keys on disk.
//! - [`mutant!`]: named faults that test the tests; in no ordinary build.
//!
//! Everything here is a function of its arguments, except the `generate` functions and the random coefficients
//! of [`ed25519::verify_batch`], which decide how its verdict is reached and not what it is.

mod bytes;

pub mod bls;
pub mod domain;
pub mod ed25519;
pub mod encoding;
pub mod hash;
pub mod key_file;
pub mod merkle;
pub mod mutant;

pub use encoding::{DecodeError, Encoding};
pub use hash::{BlockHash, Hash, TxHash, sha256, sha256_concat};
pub use merkle::{MerklePath, MerkleProof, merkle_proof, merkle_root};
