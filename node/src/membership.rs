//! Who votes, with which keys, under which parameters: what the application's updates change, and an epoch's hash binds.
//!
//! A function of the chain alone. The updates of a block count together or not at all, so that an application that names several
//! changes at once never gets half of them.

use std::collections::{BTreeMap, BTreeSet};

use althing_consensus::{ConsensusParams, Power, Registration, Validator, ValidatorSet, epoch_hash};
use althing_crypto::bls::{ProofOfPossession, VoteScheme};
use althing_crypto::{Encoding, Hash, bls, ed25519, mutant};
use althing_genesis::Genesis;
use althing_ledger::{ParamUpdates, ValidatorUpdate, VoteKey};
use borsh::{BorshDeserialize, BorshSerialize};

/// Identities whose vote key is remembered, members or not.
const MAX_REGISTERED: usize = 4 * ValidatorSet::MAX_MEMBERS;

/// Identities that one validator stands for at a time, and that were never validators themselves.
const MAX_SPONSORED: usize = 8;

/// The members and parameters after a height.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    set: ValidatorSet,
    params: ConsensusParams,
    /// By identity, the vote key that was named last: of members, and of those who were.
    registered: BTreeMap<[u8; 32], [u8; 48]>,
    /// By identity, the vote key that it registered itself, through a block. It counts from when the application names the identity
    /// without a key. None of these keys is another identity's.
    offered: BTreeMap<[u8; 32], Offered>,
}

/// A key that waits for the application to name its owner.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
struct Offered {
    key: [u8; 48],
    /// Who stands for it.
    sponsor: [u8; 32],
    /// Later ones have higher numbers.
    number: u64,
}

/// One who votes, as it is stored: identity, vote key, power.
pub(crate) type Member = ([u8; 32], [u8; 48], u64);

/// As it is stored. Its keys were checked when they came in.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(crate) struct Stored {
    members: Vec<Member>,
    params: ConsensusParams,
    registered: BTreeMap<[u8; 32], [u8; 48]>,
    offered: BTreeMap<[u8; 32], Offered>,
}

impl Stored {
    /// Those who vote.
    pub(crate) fn members(&self) -> &[Member] {
        &self.members
    }
}

impl Encoding for Stored {
    const NAME: &'static str = "membership";
    const VERSION: u8 = 2;
    const MAX_BYTES: usize = 8 << 20;
}

impl Membership {
    /// Those of the genesis document.
    pub fn of_genesis(genesis: &Genesis) -> Self {
        Self::new(ValidatorSet::clone(genesis.validator_set()), genesis.params().clone())
    }

    /// These validators, with the keys that they have.
    pub fn new(set: ValidatorSet, params: ConsensusParams) -> Self {
        let registered = set.members().iter().map(registration).collect();
        Self { set, params, registered, offered: BTreeMap::new() }
    }

    /// The validators.
    pub fn set(&self) -> &ValidatorSet {
        &self.set
    }

    /// The parameters.
    pub fn params(&self) -> &ConsensusParams {
        &self.params
    }

    /// What a header names as the next epoch.
    pub fn hash(&self) -> Hash {
        epoch_hash(&self.set, &self.params)
    }

    /// After a registration that a block carries, whose signatures and proof hold; or why it is of no effect. It changes no set.
    pub fn register(&self, registration: &Registration) -> Result<Self, String> {
        let (identity, key) = (*registration.identity.as_bytes(), registration.vote_key);
        let taken = |(owner, of): (&[u8; 32], &[u8; 48])| *of == key && *owner != identity;
        let offers = self.offered.iter().map(|(owner, offered)| (owner, &offered.key));
        if self.registered.iter().chain(offers).any(taken) && !mutant!("key_of_another_registered") {
            return Err(format!("the vote key of {} is another identity's", registration.identity));
        }
        let mut next = self.clone();
        next.offered.remove(&identity);
        if self.registered.get(&identity) == Some(&key) {
            return Ok(next);
        }
        let sponsor = *registration.sponsor.as_bytes();
        if !self.registered.contains_key(&identity) {
            next.make_room(&sponsor);
        }
        let number = next.offered.values().map(|offered| offered.number + 1).max().unwrap_or(0);
        next.offered.insert(identity, Offered { key, sponsor, number });
        Ok(next)
    }

    /// The oldest newcomer of a sponsor goes, if it stands for as many as one may.
    fn make_room(&mut self, sponsor: &[u8; 32]) {
        let newcomers = self
            .offered
            .iter()
            .filter(|(identity, one)| one.sponsor == *sponsor && !self.registered.contains_key(*identity));
        let newcomers: BTreeMap<u64, [u8; 32]> =
            newcomers.map(|(identity, one)| (one.number, *identity)).collect();
        if newcomers.len() >= MAX_SPONSORED
            && let Some(oldest) = newcomers.values().next()
        {
            self.offered.remove(oldest);
        }
    }

    /// After a block's updates; or why none of them counts.
    pub fn after(&self, validators: &[ValidatorUpdate], params: &ParamUpdates) -> Result<Self, String> {
        let mut registered = self.registered.clone();
        let mut offered = self.offered.clone();
        let mut members = self.set.members().to_vec();
        let mut named = BTreeSet::new();
        for update in validators {
            let identity = ed25519::PublicKey::from_bytes(update.identity);
            if !identity.is_point() {
                return Err(format!("{identity} is no identity key"));
            }
            if !named.insert(update.identity) {
                return Err(format!("validator {identity} is named twice"));
            }
            if let Some(key) = &update.vote_key {
                check_key(self.set.scheme(), key)
                    .map_err(|reason| format!("validator {identity}: {reason}"))?;
                registered.insert(update.identity, key.key);
                // What the application says goes before what anyone offered: also if it gives the key to somebody else.
                offered.retain(|owner, offered| *owner != update.identity && offered.key != key.key);
            }
        }
        for update in validators {
            let identity = ed25519::PublicKey::from_bytes(update.identity);
            let at = members.iter().position(|member| member.identity == identity);
            match (at, update.power) {
                (None, 0) if mutant!("half_of_the_updates_count") => {}
                (None, 0) => return Err(format!("validator {identity} is to be removed and is none")),
                (Some(at), 0) => drop(members.remove(at)),
                (at, power) => {
                    if let Some(own) = offered.remove(&update.identity) {
                        registered.insert(update.identity, own.key);
                    }
                    let key = registered.get(&update.identity);
                    let key =
                        key.ok_or_else(|| format!("validator {identity} has no registered vote key"))?;
                    let member =
                        Validator { identity, vote_key: parse(self.set.scheme(), key)?, power: Power(power) };
                    match at {
                        Some(at) => members[at] = member,
                        None => members.push(member),
                    }
                }
            }
        }
        if registered.len() > MAX_REGISTERED {
            return Err(format!("vote keys of more than {MAX_REGISTERED} identities"));
        }
        let params = change(&self.params, params);
        params.validate().map_err(|error| error.to_string())?;
        let set = ValidatorSet::new(self.set.scheme(), members).map_err(|error| error.to_string())?;
        Ok(Self { set, params, registered, offered })
    }

    pub(crate) fn to_stored(&self) -> Stored {
        Stored {
            members: as_stored(&self.set),
            params: self.params.clone(),
            registered: self.registered.clone(),
            offered: self.offered.clone(),
        }
    }

    pub(crate) fn from_stored(stored: Stored, scheme: &'static dyn VoteScheme) -> Result<Self, String> {
        let Stored { members, params, registered, offered } = stored;
        let member = |(identity, key, power): Member| {
            let identity = ed25519::PublicKey::from_bytes(identity);
            Ok::<_, String>(Validator { identity, vote_key: parse(scheme, &key)?, power: Power(power) })
        };
        let members = members.into_iter().map(member).collect::<Result<_, _>>()?;
        let set = ValidatorSet::new(scheme, members).map_err(|error| error.to_string())?;
        Ok(Self { set, params, registered, offered })
    }
}

/// The members of a set, as they are stored.
pub(crate) fn as_stored(set: &ValidatorSet) -> Vec<Member> {
    let member = |one: &Validator| (*one.identity.as_bytes(), *one.vote_key.bytes(), one.power.0);
    set.members().iter().map(member).collect()
}

/// Whose power or vote key is another: by identity, with the power after the change, 0 of one who is gone.
pub(crate) fn changes(before: &[Member], after: &[Member]) -> Vec<(ed25519::PublicKey, Power)> {
    let named = |identity: &[u8; 32], power| (ed25519::PublicKey::from_bytes(*identity), Power(power));
    let new =
        after.iter().filter(|one| !before.contains(one)).map(|(identity, _, power)| named(identity, *power));
    let gone = before.iter().filter(|(identity, ..)| after.iter().all(|(other, ..)| other != identity));
    new.chain(gone.map(|(identity, ..)| named(identity, 0))).collect()
}

fn registration(member: &Validator) -> ([u8; 32], [u8; 48]) {
    (*member.identity.as_bytes(), *member.vote_key.bytes())
}

fn parse(scheme: &dyn VoteScheme, key: &[u8; 48]) -> Result<bls::PublicKey, String> {
    scheme.parse_public_key(key).map_err(|error| format!("its vote key: {error}"))
}

fn check_key(scheme: &dyn VoteScheme, key: &VoteKey) -> Result<(), String> {
    let proof = ProofOfPossession::from_bytes(key.proof);
    let key = parse(scheme, &key.key)?;
    if scheme.verify_possession(&key, &proof) || mutant!("possession_unproven") {
        return Ok(());
    }
    Err("its vote key comes without a proof of possession that holds".to_owned())
}

/// These parameters, as updates of all of them.
pub(crate) fn as_updates(params: &ConsensusParams) -> ParamUpdates {
    ParamUpdates {
        max_block_bytes: Some(params.max_block_bytes),
        max_block_txs: Some(params.max_block_txs),
        max_tx_bytes: Some(params.max_tx_bytes),
        max_unexecuted_blocks: Some(params.max_unexecuted_blocks),
        timeout_min_ms: Some(params.timeout_min_ms),
        timeout_base_max_ms: Some(params.timeout_base_max_ms),
        timeout_max_ms: Some(params.timeout_max_ms),
        repeat_interval_ms: Some(params.repeat_interval_ms),
        heartbeat_ms: Some(params.heartbeat_ms),
        max_time_ahead_ms: Some(params.max_time_ahead_ms),
    }
}

fn change(params: &ConsensusParams, updates: &ParamUpdates) -> ConsensusParams {
    ConsensusParams {
        max_block_bytes: updates.max_block_bytes.unwrap_or(params.max_block_bytes),
        max_block_txs: updates.max_block_txs.unwrap_or(params.max_block_txs),
        max_tx_bytes: updates.max_tx_bytes.unwrap_or(params.max_tx_bytes),
        max_unexecuted_blocks: updates.max_unexecuted_blocks.unwrap_or(params.max_unexecuted_blocks),
        timeout_min_ms: updates.timeout_min_ms.unwrap_or(params.timeout_min_ms),
        timeout_base_max_ms: updates.timeout_base_max_ms.unwrap_or(params.timeout_base_max_ms),
        timeout_max_ms: updates.timeout_max_ms.unwrap_or(params.timeout_max_ms),
        repeat_interval_ms: updates.repeat_interval_ms.unwrap_or(params.repeat_interval_ms),
        heartbeat_ms: updates.heartbeat_ms.unwrap_or(params.heartbeat_ms),
        max_time_ahead_ms: updates.max_time_ahead_ms.unwrap_or(params.max_time_ahead_ms),
    }
}

#[cfg(test)]
mod tests;
