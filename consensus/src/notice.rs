//! What blocks carry beside transactions, for all validators to know: evidence, and registrations of vote keys.
//!
//! Each notice stands alone and is verified by everyone who votes for its block. What may be carried is a function of the chain: of the
//! block's epoch, and of what its ancestors carry ([`Counted`]). So of one validator at most five convictions an epoch are ever carried,
//! and of one sponsor [`MAX_SPONSORED_AN_EPOCH`] registrations.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};

use althing_crypto::bls::ProofOfPossession;
use althing_crypto::domain::{Domain, sign_bytes};
use althing_crypto::{Encoding, Hash, ed25519, merkle_root, mutant};
use borsh::{BorshDeserialize, BorshSerialize};

use crate::{Charge, Epoch, Evidence};

/// The most notices in a block,
pub const MAX_NOTICES: usize = 16;
/// and the most bytes that their encodings have together.
pub const MAX_NOTICES_BYTES: usize = 64 << 10;
/// Evidence of an epoch is carried in it and in so many after it.
pub const EVIDENCE_EPOCHS: u64 = 8;
/// The most registrations by one sponsor that the blocks of an epoch carry.
pub const MAX_SPONSORED_AN_EPOCH: u32 = 64;

/// What a block carries beside transactions.
// Nearly all are evidence, and few are at hand at a time.
#[allow(clippy::large_enum_variant)]
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub enum Notice {
    /// A validator contradicted itself.
    Evidence(Evidence),
    /// Somebody says which key it would vote with.
    Registration(Box<Registration>),
}

/// A vote key for an identity, which the application can then make a validator by its identity alone. It holds in the blocks of one
/// epoch: so nobody can bring back a key that its owner has replaced since.
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize)]
pub struct Registration {
    /// The epoch of the block that may carry it.
    pub epoch: Epoch,
    /// Whose key it is.
    pub identity: ed25519::PublicKey,
    /// The key, compressed.
    pub vote_key: [u8; 48],
    /// Shows that somebody holds the secret key.
    pub proof: ProofOfPossession,
    /// Of the identity, over [`registration_bytes`].
    pub signature: ed25519::Signature,
    /// The identity of a validator of the epoch that stands for the newcomer: nobody else can fill blocks with registrations.
    pub sponsor: ed25519::PublicKey,
    /// Of the sponsor, over [`sponsorship_bytes`].
    pub sponsor_signature: ed25519::Signature,
}

/// What an identity signs to register a vote key: for this sponsor, as another one could let it go for newcomers of its own.
pub fn registration_bytes(
    chain_id: &str,
    epoch: Epoch,
    vote_key: &[u8; 48],
    sponsor: &ed25519::PublicKey,
) -> Vec<u8> {
    let body = [&vote_key[..], sponsor.as_bytes()].concat();
    sign_bytes(Domain::Registration, chain_id, epoch.0, 0, &body)
}

/// What a validator signs to stand for a registration.
pub fn sponsorship_bytes(
    chain_id: &str,
    epoch: Epoch,
    identity: &ed25519::PublicKey,
    vote_key: &[u8; 48],
) -> Vec<u8> {
    let body = [&identity.as_bytes()[..], vote_key].concat();
    sign_bytes(Domain::Sponsorship, chain_id, epoch.0, 0, &body)
}

/// What a notice is for: two with the same one do not both come into the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NoticeId {
    /// To convict a validator of something.
    Conviction(Charge),
    /// To register a key for an identity, in an epoch.
    Registration(Epoch, [u8; 32], [u8; 48]),
}

impl Notice {
    /// What it is for.
    pub fn id(&self) -> NoticeId {
        match self {
            Self::Evidence(evidence) => NoticeId::Conviction(evidence.charge()),
            Self::Registration(one) => {
                NoticeId::Registration(one.epoch, *one.identity.as_bytes(), one.vote_key)
            }
        }
    }

    /// The epoch in whose set its signers have their places.
    pub fn epoch(&self) -> Epoch {
        match self {
            Self::Evidence(evidence) => evidence.epoch(),
            Self::Registration(registration) => registration.epoch,
        }
    }

    /// Whether a block of this epoch could carry it, had no block yet.
    pub fn is_of(&self, epoch: Epoch) -> bool {
        match self {
            Self::Evidence(evidence) => {
                let oldest = oldest_evidence(epoch);
                (oldest <= evidence.epoch() && evidence.epoch() <= epoch) || mutant!("evidence_of_any_epoch")
            }
            Self::Registration(registration) => registration.epoch == epoch,
        }
    }
}

impl Encoding for Notice {
    const NAME: &'static str = "notice";
    const VERSION: u8 = 2;
    const MAX_BYTES: usize = Evidence::MAX_BYTES + 16;
}

/// The oldest epoch whose evidence a block of this one may carry.
pub fn oldest_evidence(epoch: Epoch) -> Epoch {
    Epoch(epoch.0.saturating_sub(EVIDENCE_EPOCHS).max(1))
}

/// The Merkle root of notices, in their order: a header's evidence root.
pub fn notices_root(notices: &[Notice]) -> Hash {
    let leaves: Vec<Vec<u8>> = notices.iter().map(Notice::encode).collect();
    merkle_root(&leaves)
}

/// Whether so many notices, of such a size, may stand in one block.
pub fn notices_fit(notices: &[Notice]) -> bool {
    notices.len() <= MAX_NOTICES
        && notices.iter().map(encoded_bytes).sum::<usize>() <= MAX_NOTICES_BYTES
        && notices.iter().all(|notice| encoded_bytes(notice) <= Notice::MAX_BYTES)
}

/// The first of these that may stand in one block together.
pub fn fitting<'a>(notices: impl IntoIterator<Item = &'a Notice>) -> Vec<Notice> {
    let (mut fitting, mut bytes) = (Vec::new(), 0);
    for notice in notices {
        let more = encoded_bytes(notice);
        if fitting.len() < MAX_NOTICES && bytes + more <= MAX_NOTICES_BYTES {
            bytes += more;
            fitting.push(notice.clone());
        }
    }
    fitting
}

/// The length of its encoding, version byte included.
fn encoded_bytes(notice: &Notice) -> usize {
    1 + borsh::object_length(notice).expect("an encoding that fits into memory")
}

/// Reads the notices of a block: no more than a block has.
pub(crate) fn read_notices<R: Read>(reader: &mut R) -> io::Result<Vec<Notice>> {
    let fault = |reason: String| Err(io::Error::new(io::ErrorKind::InvalidData, reason));
    let count = u32::deserialize_reader(reader)? as usize;
    if count > MAX_NOTICES {
        return fault(format!("{count} notices, at most {MAX_NOTICES} are allowed in a block"));
    }
    let (mut notices, mut bytes) = (Vec::with_capacity(count), 0);
    for _ in 0..count {
        let notice = Notice::deserialize_reader(reader)?;
        bytes += encoded_bytes(&notice);
        if bytes > MAX_NOTICES_BYTES {
            return fault(format!("notices of more than {MAX_NOTICES_BYTES} bytes in a block"));
        }
        notices.push(notice);
    }
    Ok(notices)
}

/// What a run of blocks has carried that bears on what later ones may carry: convictions of the epochs that evidence may still be of,
/// and the registrations of the newest epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Counted {
    convictions: BTreeSet<Charge>,
    registrations: BTreeSet<(Epoch, [u8; 32], [u8; 48])>,
    sponsored: BTreeMap<(Epoch, ed25519::PublicKey), u32>,
}

impl Counted {
    /// Takes note of what a block carries.
    pub fn count(&mut self, notice: &Notice) {
        match notice {
            Notice::Evidence(evidence) => _ = self.convictions.insert(evidence.charge()),
            Notice::Registration(one) => {
                self.registrations.insert((one.epoch, *one.identity.as_bytes(), one.vote_key));
                *self.sponsored.entry((one.epoch, one.sponsor)).or_default() += 1;
            }
        }
    }

    /// An epoch has begun: forgets what bears on no block of it.
    pub fn enter(&mut self, epoch: Epoch) {
        let oldest = oldest_evidence(epoch);
        self.convictions.retain(|charge| charge.epoch >= oldest);
        self.registrations.retain(|(of, ..)| *of >= epoch);
        self.sponsored.retain(|(of, _), _| *of >= epoch);
    }

    /// Whether a block has carried this, or another with the same purpose.
    pub fn holds(&self, id: &NoticeId) -> bool {
        match id {
            NoticeId::Conviction(charge) => {
                self.convictions.contains(charge) && !mutant!("evidence_counted_twice")
            }
            NoticeId::Registration(epoch, identity, key) => {
                self.registrations.contains(&(*epoch, *identity, *key))
            }
        }
    }

    /// How many convictions and registrations it knows of.
    pub fn len(&self) -> usize {
        self.convictions.len() + self.registrations.len()
    }

    /// Whether it knows of none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// V10: whether a block of this epoch may carry the notice, when committed blocks have carried what `self` knows, and the
    /// ancestors above them what `also` knows; or why not. Whether its signatures hold is another question.
    pub fn admits(&self, also: &Self, notice: &Notice, epoch: Epoch) -> Result<(), &'static str> {
        if !notice.is_of(epoch) {
            return Err("a notice of an epoch that its block may not speak of");
        }
        let id = notice.id();
        if self.holds(&id) || also.holds(&id) {
            return Err("a notice twice, in it or in its ancestors");
        }
        let Notice::Registration(one) = notice else { return Ok(()) };
        let key = (one.epoch, one.sponsor);
        let count = |counted: &Self| counted.sponsored.get(&key).copied().unwrap_or(0);
        match count(self) + count(also) < MAX_SPONSORED_AN_EPOCH {
            true => Ok(()),
            false => Err("more registrations by one sponsor than an epoch takes"),
        }
    }
}

#[cfg(test)]
mod tests;
