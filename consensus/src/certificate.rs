//! Certificates: quorums of votes, commit votes and timeout votes, aggregated.

use althing_crypto::{BlockHash, Encoding, Hash, bls, sha256};
use borsh::{BorshDeserialize, BorshSerialize};

use crate::{Epoch, Position, View};

/// Which of the two phases a vote, or a certificate made of votes, belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub enum Phase {
    /// "I accept this block in this view."
    Vote,
    /// "I hold the certificate of this view and had not given it up."
    Commit,
}

/// A set of positions as a bitmap; canonical: no trailing zero byte.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, BorshSerialize)]
pub struct Signers(Vec<u8>);

impl Signers {
    /// The most bytes of a bitmap: 1,024 members.
    pub const MAX_BYTES: usize = 128;

    /// The positions, in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = Position> + '_ {
        self.0.iter().enumerate().flat_map(|(index, byte)| {
            (0..8).filter(move |bit| byte >> bit & 1 == 1).map(move |bit| Position((index * 8 + bit) as u16))
        })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.iter().map(|byte| byte.count_ones() as usize).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<Position> for Signers {
    fn from_iter<I: IntoIterator<Item = Position>>(positions: I) -> Self {
        let mut bytes = Vec::new();
        for Position(position) in positions {
            let index = usize::from(position / 8);
            if bytes.len() <= index {
                bytes.resize(index + 1, 0);
            }
            bytes[index] |= 1 << (position % 8);
        }
        Self(bytes)
    }
}

impl BorshDeserialize for Signers {
    fn deserialize_reader<R: std::io::Read>(reader: &mut R) -> std::io::Result<Self> {
        let bytes = Vec::<u8>::deserialize_reader(reader)?;
        let fault = |why| Err(std::io::Error::new(std::io::ErrorKind::InvalidData, why));
        match bytes.last() {
            Some(0) => fault("signer bitmap ends in a zero byte"),
            _ if bytes.len() > Self::MAX_BYTES => fault("signer bitmap of more than 1,024 members"),
            _ => Ok(Self(bytes)),
        }
    }
}

/// A quorum of votes for one block in one view. One of phase [`Phase::Commit`] is a *commit certificate*: it commits its
/// block and counts as a quorum certificate of its view everywhere (rule R4).
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct QuorumCertificate {
    /// Of votes, or of commit votes.
    pub phase: Phase,
    /// The epoch.
    pub epoch: Epoch,
    /// The view voted in.
    pub view: View,
    /// The block voted for.
    pub block: BlockHash,
    /// Who signed.
    pub signers: Signers,
    /// The aggregate of their signatures.
    pub signature: bls::Signature,
}

impl Encoding for QuorumCertificate {
    const NAME: &'static str = "quorum certificate";
    const VERSION: u8 = 1;
    const MAX_BYTES: usize = 1 << 10;
}

impl QuorumCertificate {
    /// Whether it commits its block.
    pub fn is_commit(&self) -> bool {
        self.phase == Phase::Commit
    }
}

/// A quorum of timeout votes of one view.
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct TimeoutCertificate {
    /// The epoch.
    pub epoch: Epoch,
    /// The view given up.
    pub view: View,
    /// Who signed.
    pub signers: Signers,
    /// The view of the high QC that each of them named, in the order of their positions.
    pub high_views: Vec<View>,
    /// The highest certificate named; none if all named the opening block.
    pub high_qc: Option<QuorumCertificate>,
    /// The aggregate of their signatures.
    pub signature: bls::Signature,
}

impl Encoding for TimeoutCertificate {
    const NAME: &'static str = "timeout certificate";
    const VERSION: u8 = 1;
    const MAX_BYTES: usize = 16 << 10;
}

impl TimeoutCertificate {
    /// The highest certificate view that a signer named.
    pub fn max_high_view(&self) -> View {
        self.high_views.iter().copied().max().unwrap_or_default()
    }
}

/// The view of a high QC; 0 where it is the opening block.
pub fn view_of(qc: Option<&QuorumCertificate>) -> View {
    qc.map_or(View(0), |qc| qc.view)
}

/// What ends a view.
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub enum Certificate {
    /// A certified block, committed or not.
    Quorum(QuorumCertificate),
    /// Given up.
    Timeout(TimeoutCertificate),
}

impl Certificate {
    /// The view it ends.
    pub fn view(&self) -> View {
        match self {
            Self::Quorum(qc) => qc.view,
            Self::Timeout(tc) => tc.view,
        }
    }

    /// The epoch.
    pub fn epoch(&self) -> Epoch {
        match self {
            Self::Quorum(qc) => qc.epoch,
            Self::Timeout(tc) => tc.epoch,
        }
    }
}

/// SHA-256 of what a quorum or commit certificate says (phase, epoch, view and block, by Borsh), zero for none: what a proposal's signature
/// binds of its justify QC. By whose votes it says so may differ from member to member.
pub fn claim_hash(qc: Option<&QuorumCertificate>) -> Hash {
    let bytes = |qc: &QuorumCertificate| borsh::to_vec(&(qc.phase, qc.epoch, qc.view, qc.block));
    qc.map_or(Hash::ZERO, |qc| sha256(&bytes(qc).expect("memory takes it")))
}

/// SHA-256 of a certificate's versioned encoding, zero for none: what a proposal's signature binds of its TC.
pub fn certificate_hash<T: Encoding>(certificate: Option<&T>) -> Hash {
    certificate.map_or(Hash::ZERO, |certificate| sha256(&certificate.encode()))
}
