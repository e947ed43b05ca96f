//! The light client: what one can be sure of who has no chain, only the genesis document, or one header that one trusts.
//!
//! A [`Trail`] starts there and passes one epoch after the other: the header that ends it, which a quorum of its set has committed, names
//! the next set by its hash. In the set that it stands in it [admits](Trail::admit) headers, under a commit certificate of their own or
//! of a descendant; a [`Claim`] shows that such a header vouches for a transaction, a result or an application hash. A [`LightProof`] is
//! all of this in one file.
//!
//! Nothing is taken from a proof before a hash or a signature has shown it. What is relied on: of each set passed, less than a third of
//! the power has ever signed two tales of its epoch, also later, when its members may have left. A key that enters a set comes without
//! proof of possession: those before it, of whom a quorum vouched for the set's hash, have checked that.
//!
//! Pure, as all in this crate, and without use for the engine: a wallet or another chain can build on it.

mod change;
mod claim;
mod proof;
mod source;
mod trail;

pub use change::{Member, SetChange};
pub use claim::{Claim, Outcome};
pub use proof::{Anchor, LightProof, Shown};
pub use source::{EpochEnd, Run, Seal, Start, Trusted};
pub use trail::{Committed, Trail};

use thiserror::Error;

/// Which part of a proof is wrong, and how.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{part}: {reason}")]
pub struct Flaw {
    /// The part.
    pub part: String,
    /// What is wrong with it.
    pub reason: String,
}

impl Flaw {
    pub(crate) fn new(part: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { part: part.into(), reason: reason.into() }
    }
}
