//! What a proof is made of: headers, and what commits them.

use althing_crypto::{BlockHash, Encoding, bls};
use borsh::{BorshDeserialize, BorshSerialize};

use super::{Member, SetChange};
use crate::{ConsensusParams, Epoch, Header, Height, Phase, QuorumCertificate, Signers, View};

/// What a commit certificate says beyond the block and the epoch, where both are known.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Seal {
    /// The view voted in.
    pub view: View,
    /// Who signed.
    pub signers: Signers,
    /// The aggregate of their signatures.
    pub signature: bls::Signature,
}

impl Seal {
    /// The certificate that it stands for.
    pub fn certificate(&self, epoch: Epoch, block: BlockHash) -> QuorumCertificate {
        let Self { view, signers, signature } = self.clone();
        QuorumCertificate { phase: Phase::Commit, epoch, view, block, signers, signature }
    }
}

impl From<&QuorumCertificate> for Seal {
    fn from(certificate: &QuorumCertificate) -> Self {
        let QuorumCertificate { view, signers, signature, .. } = certificate.clone();
        Self { view, signers, signature }
    }
}

/// The end of an epoch, and who votes in the next.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct EpochEnd {
    /// The header of the block that ends it.
    pub header: Header,
    /// What commits that block.
    pub seal: Seal,
    /// From the set and parameters of the epoch to those whose hash the header names.
    pub change: SetChange,
}

impl Encoding for EpochEnd {
    const NAME: &'static str = "end of an epoch";
    const VERSION: u8 = 1;
    const MAX_BYTES: usize = 256 << 10;
}

/// Headers of one epoch, each the parent of the next, and what commits the last, and thereby all of them.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Run {
    /// The headers, ascending.
    pub headers: Vec<Header>,
    /// What commits the block of the last one.
    pub seal: Seal,
}

impl Encoding for Run {
    const NAME: &'static str = "run of headers";
    const VERSION: u8 = 1;
    const MAX_BYTES: usize = 8 << 20;
}

/// A header that is trusted for a reason of one's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trusted {
    /// Its height.
    pub height: Height,
    /// Its hash.
    pub hash: BlockHash,
}

/// Where a proof starts.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Start {
    /// At the genesis document, which whoever checks it has.
    Genesis,
    /// At a trusted header. It names the set that votes after it by hash, and not of which epoch that set is. Its parent tells: what a
    /// parent names is the set of its children, so a header that names another one ends its epoch.
    Trusted {
        /// The header.
        header: Box<Header>,
        /// Its parent, whose hash is in it.
        parent: Box<Header>,
        /// The members of the set in force after it.
        members: Vec<Member>,
        /// The parameters in force after it.
        params: ConsensusParams,
    },
}

impl Encoding for Start {
    const NAME: &'static str = "start of a light proof";
    const VERSION: u8 = 1;
    const MAX_BYTES: usize = 256 << 10;
}
