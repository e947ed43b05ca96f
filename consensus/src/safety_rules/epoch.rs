//! Rule S9: from one epoch to the next, as one change of the record, and never back.

use std::sync::Arc;

use althing_crypto::{BlockHash, Hash, bls, mutant};
use thiserror::Error;

use super::{SafetyRules, place};
use crate::{
    ConsensusParams, Door, Epoch, Header, QuorumCertificate, Rejection, SafetyRecord, ValidatorSet, View,
    epoch_hash,
};

/// How an epoch begins: what shows that the one before has ended, and who votes now.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EpochStart {
    /// The epoch.
    pub epoch: Epoch,
    /// The header of its opening block, which ends the epoch before.
    pub opening: Header,
    /// The commit certificate of that block, from the epoch before.
    pub certificate: QuorumCertificate,
    /// The epoch's validators,
    pub set: Arc<ValidatorSet>,
    /// and parameters.
    pub params: ConsensusParams,
}

impl SafetyRules {
    /// S9: enters the epoch after the record's own with this key. It forgets what was signed before, as nothing is signed in an earlier
    /// epoch any more. Returns the record, which must be durable before anything is signed.
    ///
    /// Whether this key may have signed in the new epoch unknown to the record has to be asked there (rule S7), unless it was asked
    /// in this one and the record was the newest.
    #[must_use = "the record must be durable before anything is signed"]
    pub fn enter_epoch(
        &mut self,
        start: &EpochStart,
        key: bls::SecretKey,
    ) -> Result<SafetyRecord, EnterError> {
        let hash = self.check_start(start)?;
        let same_key = key.public_key() == self.key.public_key();
        let newest = same_key && self.signer().is_some() && self.record.floor == View(0);
        self.resumed &= newest || mutant!("epoch_entered_resumed");
        let record = SafetyRecord {
            chain_id: self.record.chain_id.clone(),
            epoch: start.epoch,
            epoch_hash: hash,
            opening: start.opening.hash(),
            signer: place(&key, &start.set),
            vote_key: *key.public_key().bytes(),
            floor: View(0),
            proposal: None,
            vote: None,
            commit_vote: None,
            timeout: None,
            high_qc: None,
            tc: None,
            commit: None,
        };
        assert!(record.epoch > self.record.epoch || mutant!("epoch_entered_again"), "S9: epochs only grow");
        let key = if mutant!("old_key_signs_on") { self.key.clone() } else { key };
        (self.key, self.set, self.record) = (key, start.set.clone(), record);
        Ok(self.record.clone())
    }

    /// Whether this is how the next epoch begins; the hash of its set and parameters.
    fn check_start(&self, start: &EpochStart) -> Result<Hash, EnterError> {
        let EpochStart { epoch, opening, certificate, set, params } = start;
        let own = self.record.epoch;
        if *epoch <= own && !mutant!("epoch_entered_again") {
            return Err(EnterError::Behind { epoch: *epoch, own });
        }
        if epoch.0 != own.0 + 1 && !mutant!("epoch_entered_again") {
            return Err(EnterError::Skips { epoch: *epoch, own });
        }
        let (found, expected) = (epoch_hash(set, params), opening.vouched.next_epoch);
        if found != expected && !mutant!("set_of_the_epoch_unchecked") {
            return Err(EnterError::OtherSet { found, expected });
        }
        let ends = opening.chain_id == self.record.chain_id
            && opening.epoch.0 + 1 == epoch.0
            && expected != self.record.epoch_hash;
        if !ends && !mutant!("epoch_entered_again") {
            return Err(EnterError::NoEnd { block: opening.hash() });
        }
        if mutant!("end_of_the_epoch_unchecked") {
            return Ok(found);
        }
        if !certificate.is_commit() || certificate.block != opening.hash() {
            return Err(EnterError::OtherCertificate { block: certificate.block });
        }
        let voters = if mutant!("next_set_certifies_the_end") { set } else { &self.set };
        let door = Door::new(
            self.record.chain_id.clone(),
            Epoch(epoch.0 - 1),
            voters.clone(),
            &ConsensusParams::default(),
            None,
        );
        door.verify_quorum(certificate).map_err(EnterError::Certificate)?;
        Ok(found)
    }
}

/// Why an epoch is not entered. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EnterError {
    /// S9: epochs only grow.
    #[error("epoch {epoch} is not entered: the safety record is of epoch {own}")]
    Behind {
        /// The epoch asked for.
        epoch: Epoch,
        /// That of the record.
        own: Epoch,
    },
    /// S9: each in turn, as only the set of one tells the certificate of its end.
    #[error("epoch {epoch} is not entered from epoch {own}: those between come first")]
    Skips {
        /// The epoch asked for.
        epoch: Epoch,
        /// That of the record.
        own: Epoch,
    },
    /// The set and parameters are not those that the opening block names.
    #[error("the set and parameters have the hash {found}, the opening block names {expected}")]
    OtherSet {
        /// Of those given.
        found: Hash,
        /// In the opening block.
        expected: Hash,
    },
    /// The block does not end the record's epoch.
    #[error("block {block} does not end this epoch of this chain")]
    NoEnd {
        /// The block.
        block: BlockHash,
    },
    /// The certificate does not commit the opening block.
    #[error("the certificate, for block {block}, does not commit the opening block")]
    OtherCertificate {
        /// What it is for.
        block: BlockHash,
    },
    /// The certificate is not one of the record's set.
    #[error("the certificate of the epoch's end: {0}")]
    Certificate(Rejection),
}
