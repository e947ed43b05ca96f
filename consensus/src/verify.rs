//! The door: everything that a peer sends is checked here, once, and is a checked type from then on.
//!
//! What a message costs, in pairings (about a millisecond each): a vote or timeout vote from its signer's own connection none, a
//! relayed one 1, a proposal 1, each quorum certificate 1, each timeout certificate 1 + the number of different views that its
//! signers named, at most the number of members. Certificates checked before cost a hash. All that is cheap is checked before the
//! first pairing, and a message's own signature before the certificates that it carries.

mod cache;
mod certificates;
mod door;
mod evidence;
mod messages;
mod rejection;
mod verified;

pub use door::{Admitted, Door};
pub use rejection::Rejection;
pub use verified::Verified;

#[cfg(test)]
mod tests;
