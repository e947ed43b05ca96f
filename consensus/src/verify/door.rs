//! Who is let in, and what is asked of everything.

use std::sync::Arc;

use althing_crypto::{bls, ed25519, mutant};

use super::cache::Cache;
use super::certificates::cache_key;
use super::claims::Claims;
use super::messages::status_bounds;
use super::{KeyOf, Rejection, Verified};
use crate::engine::Aggregated;
use crate::{
    Certificate, ConsensusParams, Epoch, Memory, Message, Position, Proposal, QuorumCertificate, Status,
    TimeoutCertificate, TimeoutVote, Validator, ValidatorSet, View, Vote,
};

/// How many certificates are known as checked: those of the last few hundred views, 32 bytes each.
const CACHED_CERTIFICATES: usize = 1024;
/// Of how many things said a checked certificate is kept: those of the last few views, in which members tell each other.
const KEPT_CLAIMS: usize = 32;

/// A message that passed the door.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Admitted {
    /// A proposal with its certificates. Whether its signer leads the view, and whether its block is valid, is not known yet.
    Proposal(Verified<Proposal>),
    /// A vote or commit vote. Its signature was checked if someone else than its signer sent it.
    Vote(Vote),
    /// A timeout vote. Its certificates were checked, its own signature if someone else than its signer sent it.
    Timeout(TimeoutVote),
    /// A certificate.
    Certificate(Verified<Certificate>),
    /// Where the sender says it stands.
    Status(Status),
    /// Messages of this very node, every signature checked.
    Memory(Memory),
}

/// Checks what peers send in one epoch. Shared by threads: a check changes nothing but which certificates need no second one.
#[derive(Debug)]
pub struct Door {
    pub(super) chain_id: String,
    pub(super) epoch: Epoch,
    pub(super) set: Arc<ValidatorSet>,
    pub(super) me: Option<Position>,
    pub(super) max_block_txs: usize,
    pub(super) cache: Cache,
    pub(super) claims: Claims,
}

impl Door {
    /// The door of a node in this epoch; `me` is its position, if it is a validator.
    pub fn new(
        chain_id: String,
        epoch: Epoch,
        set: Arc<ValidatorSet>,
        params: &ConsensusParams,
        me: Option<Position>,
    ) -> Self {
        let max_block_txs = params.max_block_txs as usize;
        Self {
            chain_id,
            epoch,
            set,
            me,
            max_block_txs,
            cache: Cache::new(CACHED_CERTIFICATES),
            claims: Claims::new(KEPT_CLAIMS),
        }
    }

    /// Checks a message that the authenticated peer `from` sent, none for a peer that is no validator.
    pub fn admit(&self, from: Option<Position>, message: Message) -> Result<Admitted, Rejection> {
        match message {
            Message::Proposal(mut proposal) => {
                self.proposal(&mut proposal)?;
                Ok(Admitted::Proposal(Verified::trust(*proposal)))
            }
            Message::Vote(vote) => {
                self.vote(&vote)?;
                if from != Some(vote.signer) && !mutant!("relayed_vote_unchecked") {
                    self.vote_signature(&vote)?;
                }
                Ok(Admitted::Vote(vote))
            }
            Message::Timeout(timeout) => {
                self.timeout(&timeout)?;
                if from != Some(timeout.signer) {
                    self.timeout_signature(&(&*timeout).into())?;
                }
                self.timeout_certificates(&timeout)?;
                Ok(Admitted::Timeout(*timeout))
            }
            Message::Certificate(mut certificate) => {
                match &mut *certificate {
                    Certificate::Quorum(qc) => self.quorum_certificate_or_known(qc)?,
                    Certificate::Timeout(tc) => self.timeout_certificate(tc)?,
                }
                Ok(Admitted::Certificate(Verified::trust(*certificate)))
            }
            Message::Status(status) => {
                status_bounds(&status)?;
                Ok(Admitted::Status(status))
            }
            Message::Memory(memory) => {
                self.memory(&memory)?;
                Ok(Admitted::Memory(*memory))
            }
        }
    }

    /// Checks a quorum or commit certificate that came by another way: from sync, or from the store.
    pub fn verify_quorum(&self, qc: &QuorumCertificate) -> Result<Verified<QuorumCertificate>, Rejection> {
        if !mutant!("sync_certificate_unchecked") {
            self.quorum_certificate(qc)?;
        }
        Ok(Verified::trust(qc.clone()))
    }

    /// Checks a timeout certificate that came by another way.
    pub fn verify_timeout_certificate(
        &self,
        tc: &TimeoutCertificate,
    ) -> Result<Verified<TimeoutCertificate>, Rejection> {
        self.timeout_certificate(tc)?;
        Ok(Verified::trust(tc.clone()))
    }

    /// Takes note of a certificate that was aggregated here, so that it needs no check when it comes back from a peer.
    pub fn remember(&self, aggregated: &Aggregated) {
        match aggregated {
            Aggregated::Votes { certificate: Some(qc), .. } => {
                self.cache.insert(cache_key(&**qc));
                self.claims.insert(qc);
            }
            Aggregated::Timeouts { certificate: Some(tc), .. } => self.cache.insert(cache_key(&**tc)),
            Aggregated::Votes { .. } | Aggregated::Timeouts { .. } => {}
        }
    }

    /// The epoch is this node's; the view is one that validators vote in, far from overflow.
    pub(super) fn bounds(&self, what: &'static str, epoch: Epoch, view: View) -> Result<(), Rejection> {
        if epoch != self.epoch && !mutant!("other_epochs_let_in") {
            return Err(Rejection::WrongEpoch { what, got: epoch, ours: self.epoch });
        }
        view_bounds(what, view)?;
        if view == View(0) {
            return Err(malformed(what, "view 0 is that of the opening block: nothing is signed in it"));
        }
        Ok(())
    }

    pub(super) fn member(&self, what: &'static str, signer: Position) -> Result<&Validator, Rejection> {
        let members = self.set.len();
        self.set.get(signer).ok_or(Rejection::UnknownSigner { what, signer, members })
    }

    /// The signature of a vote of any kind.
    pub(super) fn vote_key_signature(
        &self,
        what: &'static str,
        view: View,
        signer: Position,
        bytes: &[u8],
        signature: &bls::Signature,
    ) -> Result<(), Rejection> {
        let good = self.set.scheme().verify(&self.member(what, signer)?.vote_key, bytes, signature);
        verified(good, what, view, KeyOf::Vote(signer))
    }

    /// The signature of a proposal.
    pub(super) fn identity_signature(
        &self,
        what: &'static str,
        view: View,
        signer: Position,
        bytes: &[u8],
        signature: &ed25519::Signature,
    ) -> Result<(), Rejection> {
        let good = self.member(what, signer)?.identity.verify(bytes, signature);
        verified(good, what, view, KeyOf::Identity(signer))
    }
}

fn verified(good: bool, what: &'static str, view: View, key: KeyOf) -> Result<(), Rejection> {
    if good || mutant!("bad_signature_accepted") {
        return Ok(());
    }
    Err(Rejection::BadSignature { what, view, key })
}

pub(super) fn view_bounds(what: &'static str, view: View) -> Result<(), Rejection> {
    if view < View::LIMIT {
        return Ok(());
    }
    Err(malformed(what, format!("view {view} is out of bounds: views stay below 2^62")))
}

pub(super) fn malformed(what: &'static str, reason: impl Into<String>) -> Rejection {
    Rejection::Malformed { what, reason: reason.into() }
}
