//! The door: everything that a peer sends is checked here, once, and is a checked type from then on.
//!
//! What a message costs, in pairings: a vote or timeout vote from its signer's own connection none, a relayed one 2; a proposal none but
//! those of its certificates, as its own signature is Ed25519; a quorum certificate 2; a timeout certificate 1 + the number of different
//! views that its signers named, which is at most the number of members. Certificates checked before cost a hash, and so does a quorum
//! certificate that says what a checked one says: that one stands in for it. All that is cheap is checked before the first pairing, and a
//! message's own signature before the certificates that it carries.

mod cache;
mod certificates;
mod claims;
mod door;
mod evidence;
mod messages;
mod notice;
mod rejection;
mod verified;

pub use door::{Admitted, Door};
pub use rejection::{KeyOf, Rejection};
pub use verified::Verified;

#[cfg(test)]
mod tests;
