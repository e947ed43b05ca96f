//! What is checked of certificates.

use std::collections::BTreeMap;

use althing_crypto::{Encoding, Hash, bls, mutant, sha256_concat};

use super::door::malformed;
use super::{Door, KeyOf, Rejection};
use crate::message::{timeout_bytes, vote_bytes};
use crate::{Certificate, Epoch, QuorumCertificate, Signers, TimeoutCertificate, View, view_of};

impl Door {
    pub(super) fn certificate(&self, certificate: &Certificate) -> Result<(), Rejection> {
        match certificate {
            Certificate::Quorum(qc) => self.quorum_certificate(qc),
            Certificate::Timeout(tc) => self.timeout_certificate(tc),
        }
    }

    pub(super) fn quorum_certificate(&self, qc: &QuorumCertificate) -> Result<(), Rejection> {
        let (what, keys) = self.quorum_certificate_shape(qc)?;
        self.once(what, qc.view, qc, || {
            let bytes = vote_bytes(&self.chain_id, qc.phase, qc.epoch, qc.view, qc.block);
            self.set.scheme().verify_aggregate(&[(&bytes, keys)], &qc.signature)
        })?;
        self.claims.insert(qc);
        Ok(())
    }

    /// All but its signature: what it is, and whose keys signed it.
    fn quorum_certificate_shape(
        &self,
        qc: &QuorumCertificate,
    ) -> Result<(&'static str, Vec<&bls::PublicKey>), Rejection> {
        let what = if qc.is_commit() { "commit certificate" } else { "quorum certificate" };
        self.bounds(what, qc.epoch, qc.view)?;
        Ok((what, self.quorum(what, qc.view, &qc.signers)?))
    }

    /// As [`Self::quorum_certificate`], but a checked one that says the same stands in for it, if there is one.
    pub(super) fn quorum_certificate_or_known(&self, qc: &mut QuorumCertificate) -> Result<(), Rejection> {
        self.quorum_certificate_shape(qc)?;
        match self.claims.find(qc) {
            Some(known) => *qc = known,
            None => self.quorum_certificate(qc)?,
        }
        Ok(())
    }

    pub(super) fn timeout_certificate(&self, tc: &TimeoutCertificate) -> Result<(), Rejection> {
        const WHAT: &str = "timeout certificate";
        self.bounds(WHAT, tc.epoch, tc.view)?;
        let keys = self.quorum(WHAT, tc.view, &tc.signers)?;
        let (named, signed) = (tc.high_views.len(), keys.len());
        if named != signed {
            return Err(malformed(
                WHAT,
                format!("{signed} signers name {named} views, each has to name one"),
            ));
        }
        let (max, carried) = (tc.max_high_view(), view_of(tc.high_qc.as_ref()));
        if max >= tc.view && !mutant!("tc_names_its_own_view") {
            return Err(malformed(
                WHAT,
                format!("of view {}, it names a QC of view {max}, which is not below it", tc.view),
            ));
        }
        if max != carried && !mutant!("maximum_of_the_tc_unchecked") {
            return Err(malformed(
                WHAT,
                format!("it names views up to {max} and carries a QC of view {carried}"),
            ));
        }
        if let Some(qc) = &tc.high_qc {
            self.carried(WHAT, qc.epoch)?;
            self.quorum_certificate(qc)?;
        }
        self.once(WHAT, tc.view, tc, || {
            let mut groups: BTreeMap<View, Vec<&bls::PublicKey>> = BTreeMap::new();
            for (key, view) in keys.into_iter().zip(&tc.high_views) {
                groups.entry(*view).or_default().push(key);
            }
            let groups: Vec<(Vec<u8>, Vec<&bls::PublicKey>)> = groups
                .into_iter()
                .map(|(high, keys)| (timeout_bytes(&self.chain_id, tc.epoch, tc.view, high), keys))
                .collect();
            let groups: Vec<(&[u8], Vec<&bls::PublicKey>)> =
                groups.iter().map(|(bytes, keys)| (&bytes[..], keys.clone())).collect();
            self.set.scheme().verify_aggregate(&groups, &tc.signature)
        })
    }

    /// What is carried is of the epoch of what carries it, which is known to be this node's.
    pub(super) fn carried(&self, what: &'static str, epoch: Epoch) -> Result<(), Rejection> {
        if epoch == self.epoch {
            return Ok(());
        }
        Err(malformed(what, format!("of epoch {}, it carries a certificate of epoch {epoch}", self.epoch)))
    }

    /// The keys of these signers, who are a quorum.
    fn quorum(
        &self,
        what: &'static str,
        view: View,
        signers: &Signers,
    ) -> Result<Vec<&bls::PublicKey>, Rejection> {
        let keys = signers
            .iter()
            .map(|signer| self.member(what, signer).map(|member| &member.vote_key))
            .collect::<Result<_, _>>()?;
        let (power, total) = (self.set.power_of(signers.iter()), self.set.total());
        if !self.set.is_quorum(power) {
            return Err(Rejection::NotAQuorum { what, view, power, total });
        }
        Ok(keys)
    }

    /// Checks an aggregate, unless this very certificate was checked before.
    fn once<T: Encoding>(
        &self,
        what: &'static str,
        view: View,
        certificate: &T,
        check: impl FnOnce() -> bool,
    ) -> Result<(), Rejection> {
        let key = cache_key(certificate);
        if self.cache.contains(&key) {
            return Ok(());
        }
        if !check() && !mutant!("aggregate_unchecked") {
            return Err(Rejection::BadSignature { what, view, key: KeyOf::Aggregate });
        }
        self.cache.insert(key);
        Ok(())
    }
}

/// Names a certificate by all its bytes: the same votes under another signature are another certificate.
pub(super) fn cache_key<T: Encoding>(certificate: &T) -> Hash {
    let mut bytes = certificate.encode();
    if mutant!("known_certificate_whatever_its_signature") {
        bytes.truncate(bytes.len() - size_of::<bls::Signature>());
    }
    sha256_concat(&[T::NAME.as_bytes(), &bytes])
}
