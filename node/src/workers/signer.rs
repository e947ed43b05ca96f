//! The holder of the keys that consensus messages are signed with: what it signs leaves only after everything that must not be forgotten is on disk.

use std::sync::Arc;

use althing_consensus::audit::Justification;
use althing_consensus::engine::{EngineConfig, EpochEntered};
use althing_consensus::{
    Epoch, Position, SafetyError, SafetyRecord, SafetyRules, Signed, Validator, ValidatorSet,
};
use althing_crypto::{BlockHash, DecodeError, Encoding, bls, ed25519, mutant};

use super::Fatal;
use crate::driver::{Done, SafetyJob};
use crate::epochs::Epochs;
use crate::storage::{ChainStore, SafetyStore, SafetyStoreError};

/// The safety rules with their file, and the store that bodies must be in first.
pub struct Signer {
    identity: Arc<ed25519::SecretKey>,
    keys: Vec<bls::SecretKey>,
    state: State,
    store: SafetyStore,
    chain: ChainStore,
    epochs: Arc<Epochs>,
}

/// Whether it can sign.
#[allow(clippy::large_enum_variant, reason = "there is one")]
enum State {
    /// The record is of an epoch that the chain data know.
    Rules(SafetyRules),
    /// The chain data lost their end: the record is of an epoch that they do not reach. Nothing is signed before they do.
    Ahead(SafetyRecord),
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
    /// The epochs that the record is behind could not be entered.
    #[error(transparent)]
    Fatal(#[from] Box<Fatal>),
    /// None of the keys is the record's.
    #[error(
        "the safety record is of vote key {found}, which is not in this home: put that key back beside the new one"
    )]
    OtherKey {
        /// The record's.
        found: String,
    },
    /// The record is of another chain of the same name.
    #[error(
        "the safety record's epoch began with block {found}, this chain's with {expected}: the home's genesis document or \
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
    /// The signer of this identity, which signs proposals, and these vote keys, at least one, on an opened safety file with the record found there. The first record is written before
    /// anything else happens; then it enters in turn the epochs that the chain data are ahead of it.
    pub fn open(
        identity: Arc<ed25519::SecretKey>,
        keys: Vec<bls::SecretKey>,
        epochs: Arc<Epochs>,
        (mut store, record): (SafetyStore, Option<Vec<u8>>),
        chain: ChainStore,
    ) -> Result<Self, SignerError> {
        let state = match record {
            None => {
                let first = &epochs.entered(Epoch(1)).map_err(Box::new)?.config;
                let EngineConfig { chain_id, epoch_hash, opening, set, .. } = first.clone();
                let key = key_in(&keys, &set, first.me);
                let rules = SafetyRules::new_chain(identity.clone(), key, chain_id, opening, set, epoch_hash);
                store.write(&rules.record().encode())?;
                State::Rules(rules)
            }
            Some(bytes) => recover(&identity, &keys, &epochs, SafetyRecord::decode(&bytes)?)?,
        };
        let mut signer = Self { identity, keys, state, store, chain, epochs };
        let newest = signer.epochs.newest().map_err(Box::new)?.config.epoch;
        while signer.record().epoch < newest {
            let next = Epoch(signer.record().epoch.0 + 1);
            signer.enter(next).map_err(Box::new)?;
        }
        Ok(signer)
    }

    /// What the keys have signed.
    pub fn record(&self) -> &SafetyRecord {
        match &self.state {
            State::Rules(rules) => rules.record(),
            State::Ahead(record) => record,
        }
    }

    /// The place that it signs for in this epoch, if it signs there: that of its vote key, where it is also that of this node's identity.
    /// Else another process, which has the identity, may sign with the same key.
    pub fn place(&self, epoch: Epoch) -> Option<Position> {
        let State::Rules(rules) = &self.state else { return None };
        let seat = self.epochs.entered(epoch).ok()?.config.me;
        rules.signer().filter(|place| rules.record().epoch == epoch && seat == Some(*place))
    }

    /// Whether it signs, as far as is known what it has signed.
    fn is_resumed(&self) -> bool {
        matches!(&self.state, State::Rules(rules) if rules.is_resumed())
    }

    /// S9. Whatever epoch the record is of, afterwards it is of none before this one; of a later one, nothing is signed in this one.
    fn enter(&mut self, epoch: Epoch) -> Result<(), Fatal> {
        match &mut self.state {
            State::Rules(rules) if rules.record().epoch < epoch => {
                let me = self.epochs.entered(epoch)?.config.me;
                let start = self.epochs.start(epoch)?;
                let key = key_in(&self.keys, &start.set, me);
                let record = rules.enter_epoch(&start, key)?;
                if !mutant!("epoch_entered_and_not_stored") {
                    self.store.write(&record.encode())?;
                }
            }
            State::Ahead(record) if record.epoch == epoch => {
                let recovered = recover(&self.identity, &self.keys, &self.epochs, record.clone());
                self.state = recovered.map_err(Box::new)?;
            }
            State::Rules(_) | State::Ahead(_) => {}
        }
        Ok(())
    }

    /// Does a job. The order is the point: body, rules, record, and only then the message.
    pub fn run(&mut self, job: SafetyJob) -> Result<Done, Fatal> {
        match job {
            SafetyJob::Sign { request, newest, body } => {
                if let Some(body) = body.filter(|_| !mutant!("body_not_stored_first")) {
                    self.chain.put_proposed(&body, Justification::of(&request).as_ref())?;
                }
                let State::Rules(rules) = &mut self.state else { return Err(Fatal::NoKey) };
                rules.note(&newest);
                match rules.request(&request) {
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
                let State::Rules(rules) = &mut self.state else { return Err(Fatal::NoKey) };
                let record = rules.resume(floor);
                self.keep(record)?;
                Ok(Done::Resumed)
            }
            SafetyJob::EnterEpoch(epoch) => {
                self.enter(epoch)?;
                let mut config = self.epochs.entered(epoch)?.config.clone();
                config.me = self.place(epoch);
                let record = Some(self.record().clone());
                let next = Box::new(EpochEntered { config, record, resumed: self.is_resumed() });
                Ok(Done::EpochEntered { next, certificate: self.epochs.start(epoch)?.certificate })
            }
        }
    }

    fn keep(&mut self, record: Option<SafetyRecord>) -> Result<(), SafetyStoreError> {
        record.map_or(Ok(()), |record| self.store.write(&record.encode()))
    }
}

/// The rules with a record read back, if the chain data reach its epoch.
fn recover(
    identity: &Arc<ed25519::SecretKey>,
    keys: &[bls::SecretKey],
    epochs: &Epochs,
    record: SafetyRecord,
) -> Result<State, SignerError> {
    let Some(context) = epochs.of(record.epoch).map_err(Box::new)? else { return Ok(State::Ahead(record)) };
    let EngineConfig { chain_id, epoch_hash, opening, set, .. } = &context.config;
    if record.chain_id == *chain_id && record.opening != *opening {
        return Err(SignerError::OtherGenesis { found: record.opening, expected: *opening });
    }
    let own = |key: &&bls::SecretKey| *key.public_key().bytes() == record.vote_key;
    // With one key, the rules say better what is wrong with it.
    let key = keys.iter().find(own).or(keys.first().filter(|_| keys.len() == 1));
    let other = || SignerError::OtherKey { found: bls::PublicKey::opaque(record.vote_key).to_string() };
    let key = key.ok_or_else(other)?.clone();
    let (identity, set) = (identity.clone(), set.clone());
    Ok(State::Rules(SafetyRules::recover(identity, key, chain_id, set, *epoch_hash, record)?))
}

/// The key that this place votes with. Without a place, as while the identity changes, the one that has a place in the set; where none has,
/// the newest, which is there to stay.
pub(super) fn key_in(keys: &[bls::SecretKey], set: &ValidatorSet, me: Option<Position>) -> bls::SecretKey {
    let votes = |key: &&bls::SecretKey, member: &Validator| *key.public_key() == member.vote_key;
    let own = me.and_then(|me| set.get(me));
    let found = own.and_then(|own| keys.iter().find(|key| votes(key, own)));
    let found = found.or_else(|| keys.iter().find(|key| set.members().iter().any(|one| votes(key, one))));
    found.or(keys.last()).expect("a signer has a key").clone()
}
