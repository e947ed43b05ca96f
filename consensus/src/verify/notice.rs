//! What blocks carry beside transactions.

use althing_crypto::mutant;

use super::door::malformed;
use super::{Door, Rejection};
use crate::{Notice, Registration, registration_bytes, sponsorship_bytes};

const WHAT: &str = "registration of a vote key";

impl Door {
    /// Checks a notice by the set of this door's epoch, which must be the notice's: at most 4 pairings.
    pub fn verify_notice(&self, notice: &Notice) -> Result<(), Rejection> {
        match notice {
            Notice::Evidence(evidence) => self.verify_evidence(evidence),
            Notice::Registration(registration) => self.verify_registration(registration),
        }
    }

    /// Checks who signed a registration, and that somebody holds its key; the cheap first. Whether the key is another's already is
    /// seen when its block is executed.
    pub fn verify_registration(&self, registration: &Registration) -> Result<(), Rejection> {
        let Registration { epoch, identity, vote_key, proof, signature, sponsor, sponsor_signature } =
            registration;
        if *epoch != self.epoch {
            return Err(Rejection::WrongEpoch { what: WHAT, got: *epoch, ours: self.epoch });
        }
        if self.set.position_of(sponsor).is_none() && !mutant!("sponsor_unchecked") {
            return Err(malformed(WHAT, format!("its sponsor {sponsor} is no validator of the epoch")));
        }
        let word = sponsorship_bytes(&self.chain_id, *epoch, identity, vote_key);
        if !sponsor.verify(&word, sponsor_signature) {
            return Err(malformed(WHAT, format!("it is not signed by its sponsor {sponsor}")));
        }
        let word = registration_bytes(&self.chain_id, *epoch, vote_key, sponsor);
        if !identity.verify(&word, signature) && !mutant!("forged_registration") {
            return Err(malformed(WHAT, format!("it is not signed by identity {identity}")));
        }
        let scheme = self.set.scheme();
        let key = scheme
            .parse_public_key(vote_key)
            .map_err(|error| malformed(WHAT, format!("its vote key: {error}")))?;
        if !scheme.verify_possession(&key, proof) && !mutant!("registration_without_possession") {
            return Err(malformed(WHAT, "the proof of possession of its vote key does not hold"));
        }
        Ok(())
    }
}
