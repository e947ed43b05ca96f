//! The epochs of the chain as this node knows them: who votes in each, and the door for it. Read from the store once, then kept.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use althing_consensus::engine::EngineConfig;
use althing_consensus::{Door, EVIDENCE_EPOCHS, Epoch, EpochStart, Header, Height, Power, ValidatorSet};
use althing_crypto::bls::VoteScheme;
use althing_crypto::{bls, ed25519, mutant};
use althing_genesis::Genesis;

use crate::membership::{Membership, Stored, changes};
use crate::recovery::door;
use crate::storage::{ChainStore, Opening, StoreError};
use crate::workers::Fatal;

/// Epochs kept at hand: those that messages, notices, execution and questions are of. Older ones are read again.
const KEPT: usize = EVIDENCE_EPOCHS as usize + 4;

/// One epoch.
#[derive(Debug)]
pub struct EpochContext {
    /// What an engine is made for.
    pub config: EngineConfig,
    /// What lets its messages in.
    pub door: Door,
}

/// What makes this node a validator, in the epochs whose set says so.
#[derive(Clone, Debug, Default)]
pub struct Seat {
    /// Its identity.
    pub identity: Option<ed25519::PublicKey>,
    /// The vote keys that it holds: one, or two while it changes them.
    pub vote_keys: Vec<bls::PublicKey>,
}

/// All epochs, for everyone in the node.
#[derive(Debug)]
pub struct Epochs {
    chain_id: String,
    genesis: Membership,
    seat: Seat,
    chain: ChainStore,
    known: Mutex<BTreeMap<Epoch, Arc<EpochContext>>>,
    /// The members and parameters that were read last: each block's execution reads them, and most change nothing.
    read: Mutex<Option<(Stored, Membership)>>,
}

impl Epochs {
    /// Those of the chain in this store, which has begun.
    pub fn new(genesis: &Genesis, chain: ChainStore, seat: Seat) -> Self {
        Self {
            chain_id: genesis.chain_id().to_owned(),
            genesis: Membership::of_genesis(genesis),
            seat,
            chain,
            known: Mutex::default(),
            read: Mutex::default(),
        }
    }

    /// Those of a chain whose first epoch is known, and of whose validators this node is the one that `first` says: for tests of parts
    /// of a node.
    pub fn beginning(first: EngineConfig, chain: ChainStore) -> Self {
        let own = first.me.and_then(|me| first.set.get(me));
        let seat = Seat {
            identity: own.map(|own| own.identity),
            vote_keys: own.map(|own| own.vote_key.clone()).into_iter().collect(),
        };
        let context = EpochContext { door: door(&first), config: first.clone() };
        Self {
            chain_id: first.chain_id,
            genesis: Membership::new(ValidatorSet::clone(&first.set), first.params),
            seat,
            chain,
            known: Mutex::new(BTreeMap::from([(Epoch(1), Arc::new(context))])),
            read: Mutex::default(),
        }
    }

    /// An epoch, if its opening block is committed, and executed as far as that block vouches for.
    pub fn of(&self, epoch: Epoch) -> Result<Option<Arc<EpochContext>>, Fatal> {
        let lock = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lock().get(&epoch) {
            return Ok(Some(known.clone()));
        }
        let Some(context) = self.read(epoch)?.map(Arc::new) else { return Ok(None) };
        let mut known = lock();
        known.insert(epoch, context.clone());
        while known.len() > KEPT {
            known.pop_first();
        }
        Ok(Some(context))
    }

    /// An epoch that this node is or was in.
    pub fn entered(&self, epoch: Epoch) -> Result<Arc<EpochContext>, Fatal> {
        self.of(epoch)?.ok_or_else(|| Fatal::Missing { what: format!("epoch {epoch}") })
    }

    /// The newest epoch that there is enough of in the store to be in it.
    pub fn newest(&self) -> Result<Arc<EpochContext>, Fatal> {
        let newest = self.chain.newest_epoch()?;
        match self.of(newest)? {
            Some(context) => Ok(context),
            None => self.entered(Epoch(newest.0.saturating_sub(1))),
        }
    }

    /// The epoch of a committed height.
    pub fn at(&self, height: Height) -> Result<Option<Arc<EpochContext>>, Fatal> {
        let Some(body) = self.chain.block(height)? else { return Ok(None) };
        self.of(Epoch(body.block.header.epoch.0.max(1)))
    }

    /// The members and parameters after a height that is executed.
    pub fn membership(&self, height: Height) -> Result<Membership, Fatal> {
        let Some(stored) = self.chain.membership(height)? else { return Ok(self.genesis.clone()) };
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, known)) = read.as_ref().filter(|(known, _)| *known == stored) {
            return Ok(known.clone());
        }
        let damaged = |what: String| StoreError::Corrupt { path: "data/chain".into(), what };
        let members = Membership::from_stored(stored.clone(), self.scheme()).map_err(damaged)?;
        *read = Some((stored, members.clone()));
        Ok(members)
    }

    /// Whom the block of an executed height made vote with another power or key: by identity, with the power from then on, 0 of one who
    /// votes no more. It counts from the epoch after.
    pub fn changed(&self, height: Height) -> Result<Vec<(ed25519::PublicKey, Power)>, Fatal> {
        // Registrations are stored so, too: they change nobody.
        let Some(after) = self.chain.new_membership(height)? else { return Ok(Vec::new()) };
        let before = self.chain.membership(Height(height.0.saturating_sub(1)))?;
        Ok(changes(before.unwrap_or_else(|| self.genesis.to_stored()).members(), after.members()))
    }

    /// The header of the block that opened an epoch this node is or was in.
    pub fn opening(&self, epoch: Epoch) -> Result<Header, Fatal> {
        let opening = self.chain.opening(epoch)?;
        Ok(opening.ok_or_else(|| Fatal::Missing { what: format!("the opening of epoch {epoch}") })?.header)
    }

    /// What shows that an epoch after the first begins; for the safety rules.
    pub fn start(&self, epoch: Epoch) -> Result<EpochStart, Fatal> {
        let EngineConfig { set, params, .. } = &self.entered(epoch)?.config;
        let missing = |what: &str| Fatal::Missing { what: format!("the {what} of epoch {epoch}") };
        let Opening { header, certificate } = self.chain.opening(epoch)?.ok_or_else(|| missing("opening"))?;
        let certificate = certificate.ok_or_else(|| missing("opening certificate"))?;
        Ok(EpochStart { epoch, opening: header, certificate, set: set.clone(), params: params.clone() })
    }

    fn scheme(&self) -> &'static dyn VoteScheme {
        self.genesis.set().scheme()
    }

    fn read(&self, epoch: Epoch) -> Result<Option<EpochContext>, Fatal> {
        let Some(opening) = self.chain.opening(epoch)? else { return Ok(None) };
        let vouched = &opening.header.vouched;
        if self.chain.executed()? < vouched.height {
            return Ok(None);
        }
        let as_of = if mutant!("updates_count_too_early") { opening.header.height } else { vouched.height };
        let members = self.membership(as_of)?;
        if members.hash() != opening.epoch_hash() {
            return Err(Fatal::Contract(format!(
                "a quorum vouched for the set and parameters {} at height {}, this node executed to {}",
                opening.epoch_hash(),
                vouched.height,
                members.hash()
            )));
        }
        let set = Arc::new(members.set().clone());
        let config = EngineConfig {
            chain_id: self.chain_id.clone(),
            epoch,
            epoch_hash: opening.epoch_hash(),
            opening: opening.header.hash(),
            me: self.seat.place(&set),
            set,
            params: members.params().clone(),
        };
        let voters = if mutant!("doors_of_the_first_set") { self.genesis.set() } else { &*config.set };
        let door = door(&EngineConfig { set: Arc::new(voters.clone()), ..config.clone() });
        Ok(Some(EpochContext { config, door }))
    }
}

impl Seat {
    /// The place of this identity, if the vote key that the set has for it is here.
    fn place(&self, set: &ValidatorSet) -> Option<althing_consensus::Position> {
        let place = set.position_of(self.identity.as_ref()?)?;
        let key = &set.get(place)?.vote_key;
        self.vote_keys.contains(key).then_some(place)
    }
}
