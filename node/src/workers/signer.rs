//! The holder of the vote key: what it signs leaves only after everything that must not be forgotten is on disk.

use std::sync::Arc;

use althing_consensus::{SafetyError, SafetyRecord, SafetyRules, Signed, ValidatorSet};
use althing_crypto::{BlockHash, DecodeError, Encoding, Hash, bls, mutant};

use super::Fatal;
use crate::driver::{Done, SafetyJob};
use crate::storage::{ChainStore, SafetyStore, SafetyStoreError};

/// The safety rules with their file, and the store that bodies must be in first.
pub struct Signer {
    rules: SafetyRules,
    store: SafetyStore,
    chain: ChainStore,
}

/// Why a validator cannot sign.
#[derive(Debug, thiserror::Error)]
pub enum SignerError {
    /// The rules refuse key or record.
    #[error(transparent)]
    Rules(#[from] SafetyError),
    /// The file.
    #[error(transparent)]
    Store(#[from] SafetyStoreError),
    /// The record is intact as bytes, and is no record.
    #[error(
        "the safety file holds something else than a safety record: {0}; it was written by another program or version"
    )]
    Record(#[from] DecodeError),
    /// The record is of another chain of the same name.
    #[error(
        "the safety record began with block {found}, this chain begins with {expected}: the home's genesis document or \
         its application state is not the one that this validator has signed for"
    )]
    OtherGenesis {
        /// In the record.
        found: BlockHash,
        /// Of this chain.
        expected: BlockHash,
    },
}

impl Signer {
    /// The signer of this key on an opened safety file with the record found there. The first record is written before anything
    /// else happens.
    pub fn open(
        key: bls::SecretKey,
        chain_id: &str,
        set: Arc<ValidatorSet>,
        (epoch_hash, opening): (Hash, BlockHash),
        (mut store, record): (SafetyStore, Option<Vec<u8>>),
        chain: ChainStore,
    ) -> Result<Self, SignerError> {
        let rules = match record {
            None => {
                let rules = SafetyRules::new_chain(key, chain_id.to_owned(), opening, set, epoch_hash)?;
                store.write(&rules.record().encode())?;
                rules
            }
            Some(bytes) => {
                let record = SafetyRecord::decode(&bytes)?;
                if record.chain_id == chain_id && record.opening != opening {
                    return Err(SignerError::OtherGenesis { found: record.opening, expected: opening });
                }
                SafetyRules::recover(key, chain_id, set, epoch_hash, record)?
            }
        };
        Ok(Self { rules, store, chain })
    }

    /// What the key has signed.
    pub fn record(&self) -> &SafetyRecord {
        self.rules.record()
    }

    /// Does a job. The order is the point: body, rules, record, and only then the message.
    pub fn run(&mut self, job: SafetyJob) -> Result<Done, Fatal> {
        match job {
            SafetyJob::Sign { request, newest, body } => {
                if let Some(body) = body.filter(|_| !mutant!("body_not_stored_first")) {
                    self.chain.put_body(&body)?;
                }
                self.rules.note(&newest);
                match self.rules.request(&request) {
                    Ok((record, signed)) => {
                        let late =
                            matches!(signed, Signed::CommitVote(_)) && mutant!("commit_vote_not_stored");
                        self.keep(record.filter(|_| !late))?;
                        Ok(Done::Signed(Box::new(signed)))
                    }
                    Err(refusal) => Ok(Done::Refused(refusal)),
                }
            }
            SafetyJob::Resume { floor } => {
                let record = self.rules.resume(floor);
                self.keep(record)?;
                Ok(Done::Resumed)
            }
        }
    }

    fn keep(&mut self, record: Option<SafetyRecord>) -> Result<(), SafetyStoreError> {
        record.map_or(Ok(()), |record| self.store.write(&record.encode()))
    }
}
