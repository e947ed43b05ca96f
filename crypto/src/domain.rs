//! The bytes that are signed: what for, by which rules, on which chain, when, and then the body.
//!
//! ```text
//! tag || version (1 byte) || length of chain id (u64 BE) || chain id || epoch (u64 BE) || view (u64 BE) || body
//! ```
//!
//! No tag is the beginning of another, and all before the body is of fixed length or carries its length, so different
//! arguments give different bytes: a signature can never be passed off as one for something else.

/// Version of the layout above.
pub const SIGN_BYTES_VERSION: u8 = 1;

/// What a signature is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Domain {
    /// A vote for a block.
    Vote,
    /// A commit vote for a certified block.
    CommitVote,
    /// Giving up a view.
    TimeoutVote,
    /// A leader's proposal.
    Proposal,
    /// The beginning of a process that holds an identity's keys. Of no epoch; its view is the time.
    Session,
    /// A newcomer's word that it will vote with this key.
    Registration,
    /// A validator's word for a newcomer's registration.
    Sponsorship,
    /// The seed of the choice of a leader among the members not left out. Nobody signs it; as a domain of its own it
    /// collides with nothing that is signed.
    Leader,
}

impl Domain {
    /// All of them.
    pub const ALL: [Domain; 8] = [
        Domain::Vote,
        Domain::CommitVote,
        Domain::TimeoutVote,
        Domain::Proposal,
        Domain::Session,
        Domain::Registration,
        Domain::Sponsorship,
        Domain::Leader,
    ];

    /// The first bytes of everything signed for this purpose.
    pub const fn tag(self) -> &'static str {
        match self {
            Domain::Vote => "ALTHING/VOTE",
            Domain::CommitVote => "ALTHING/COMMIT-VOTE",
            Domain::TimeoutVote => "ALTHING/TIMEOUT-VOTE",
            Domain::Proposal => "ALTHING/PROPOSAL",
            Domain::Session => "ALTHING/SESSION",
            Domain::Registration => "ALTHING/REGISTRATION",
            Domain::Sponsorship => "ALTHING/SPONSORSHIP",
            Domain::Leader => "ALTHING/LEADER",
        }
    }
}

/// The bytes to sign for `domain` in this `epoch` and `view` of the chain.
pub fn sign_bytes(domain: Domain, chain_id: &str, epoch: u64, view: u64, body: &[u8]) -> Vec<u8> {
    [
        domain.tag().as_bytes(),
        &[SIGN_BYTES_VERSION],
        &(chain_id.len() as u64).to_be_bytes(),
        chain_id.as_bytes(),
        &epoch.to_be_bytes(),
        &view.to_be_bytes(),
        body,
    ]
    .concat()
}

#[cfg(test)]
mod tests;
