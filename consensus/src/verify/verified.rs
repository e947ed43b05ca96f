//! Values that were checked.

use std::ops::Deref;

use crate::{Certificate, Proposal, QuorumCertificate, TimeoutCertificate};

/// A value whose signatures, and those of all that it carries, were checked: by the [`Door`](super::Door), by the aggregator, or
/// by having been made here.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Verified<T>(T);

impl<T> Verified<T> {
    /// Takes the caller's word. For values that are checked or made in this crate.
    pub(crate) fn trust(value: T) -> Self {
        Self(value)
    }

    /// The value, forgetting that it was checked.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> Deref for Verified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

fn part<T: Clone>(part: Option<&T>) -> Option<Verified<T>> {
    part.cloned().map(Verified)
}

impl Verified<Proposal> {
    /// The certificate that it extends.
    pub fn justify(&self) -> Option<Verified<QuorumCertificate>> {
        part(self.0.justify.as_ref())
    }

    /// The TC of the view before.
    pub fn tc(&self) -> Option<Verified<TimeoutCertificate>> {
        part(self.0.tc.as_ref())
    }

    /// The commit certificate that came with it.
    pub fn commit(&self) -> Option<Verified<QuorumCertificate>> {
        part(self.0.commit.as_ref())
    }
}

impl Verified<TimeoutCertificate> {
    /// The highest certificate that its signers named.
    pub fn high_qc(&self) -> Option<Verified<QuorumCertificate>> {
        part(self.0.high_qc.as_ref())
    }
}

impl Verified<Certificate> {
    /// The quorum certificate, if it is one.
    pub fn quorum(&self) -> Option<Verified<QuorumCertificate>> {
        match &self.0 {
            Certificate::Quorum(qc) => Some(Verified(qc.clone())),
            Certificate::Timeout(_) => None,
        }
    }

    /// The timeout certificate, if it is one.
    pub fn timeout(&self) -> Option<Verified<TimeoutCertificate>> {
        match &self.0 {
            Certificate::Quorum(_) => None,
            Certificate::Timeout(tc) => Some(Verified(tc.clone())),
        }
    }
}

impl From<Verified<QuorumCertificate>> for Verified<Certificate> {
    fn from(qc: Verified<QuorumCertificate>) -> Self {
        Self(Certificate::Quorum(qc.0))
    }
}

impl From<Verified<TimeoutCertificate>> for Verified<Certificate> {
    fn from(tc: Verified<TimeoutCertificate>) -> Self {
        Self(Certificate::Timeout(tc.0))
    }
}
