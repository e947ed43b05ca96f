//! The validators of the chain: a record of the ledger, put there by the genesis, changed by proposals and by proofs of misbehaviour,
//! told to the node.
//!
//! What the ledger enacts the node takes: every rule by which a node would drop a change is a refusal here. So the record and the set
//! that votes never part.

mod enact;
mod preview;

use std::collections::BTreeSet;

use althing_crypto::{Encoding, ed25519::PublicKey};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use super::{Address, Code, Outcome, ValidatorChange, text};
use crate::{MisbehaviourKind, TxError, VoteKey};

pub(super) use enact::{apply, read, try_out, updates};
pub use preview::preview;

/// A validator.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct Validator {
    pub(super) identity: PublicKey,
    pub(super) vote_key: VoteKey,
    /// Its weight; 0 while it is suspended.
    pub(super) power: u64,
    pub(super) name: String,
    /// Who votes for it on proposals.
    pub(super) account: Option<Address>,
    /// Since which height it is as it is; 0 for genesis.
    pub(super) since: u64,
    /// Why it has no power now.
    pub(super) suspended: Option<Suspension>,
    /// At which height members last added or reinstated it; 0 if it is of genesis.
    pub(super) admitted: u64,
}

/// Why a validator has no power for the time being.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Suspension {
    /// The power that it had, and has again when it is reinstated.
    #[serde(with = "text")]
    pub power: u64,
    /// What it did.
    pub kind: MisbehaviourKind,
    /// In which epoch.
    #[serde(with = "text")]
    pub epoch: u64,
    /// In which view of that.
    #[serde(with = "text")]
    pub view: u64,
    /// The height of the block that proved it.
    #[serde(with = "text")]
    pub since: u64,
    /// The number under which the ledger has recorded it.
    #[serde(with = "text")]
    pub misbehaviour: u64,
}

impl Validator {
    /// The power that it has, or would have were it not suspended.
    fn own_power(&mut self) -> &mut u64 {
        match &mut self.suspended {
            Some(suspension) => &mut suspension.power,
            None => &mut self.power,
        }
    }
}

/// All validators.
#[derive(Debug, Clone, PartialEq, Eq, Default, BorshSerialize, BorshDeserialize)]
pub(super) struct Validators {
    /// By identity.
    pub(super) all: Vec<Validator>,
    /// How many identities ever were validators. Nodes remember the vote keys of all of them.
    pub(super) named: u32,
}

impl Encoding for Validators {
    const NAME: &'static str = "validators";
    const VERSION: u8 = 2;
    const MAX_BYTES: usize = 1 << 19;
}

/// The most validators: as many as an epoch may have.
pub(super) const MAX: usize = 1024;
/// The most identities that nodes remember.
const MAX_NAMED: u32 = 4 * MAX as u32;
/// The most power of all together.
pub(super) const MAX_POWER: u64 = 1 << 60;
/// The most vote keys whose proofs a block has time to check: about a tenth of a second.
pub(super) const MAX_VOTE_KEYS_OF_A_BLOCK: u32 = 64;

/// Where the validators lie.
pub(super) const KEY: &[u8] = b"v";

impl Validators {
    /// The power of all.
    pub(super) fn total(&self) -> u64 {
        self.all.iter().map(|one| one.power).fold(0, u64::saturating_add)
    }

    /// The power for which these accounts vote.
    pub(super) fn power_of(&self, accounts: &[Address]) -> u64 {
        let ours =
            self.all.iter().filter(|one| one.account.is_some_and(|account| accounts.contains(&account)));
        ours.map(|one| one.power).fold(0, u64::saturating_add)
    }

    /// Whether so much of the power decides: more than two thirds.
    pub(super) fn is_quorum(&self, power: u64) -> bool {
        3 * u128::from(power) > 2 * u128::from(self.total())
    }

    /// Those that are not suspended: the set that votes.
    fn active(&self) -> impl Iterator<Item = &Validator> {
        self.all.iter().filter(|one| one.suspended.is_none())
    }

    pub(super) fn get(&self, identity: &PublicKey) -> Option<&Validator> {
        self.at(identity).ok().map(|at| &self.all[at])
    }

    fn at(&self, identity: &PublicKey) -> Result<usize, usize> {
        self.all.binary_search_by_key(identity, |one| one.identity)
    }

    fn expect(&mut self, identity: &PublicKey) -> Result<&mut Validator, TxError> {
        let unknown = || {
            let log =
                format!("no validator has the identity {identity}: `althing validator list` shows them");
            Code::UnknownValidator.refusal(log)
        };
        let at = self.at(identity).map_err(|_| unknown())?;
        Ok(&mut self.all[at])
    }

    fn insert(&mut self, validator: Validator) -> Result<(), TxError> {
        match self.at(&validator.identity) {
            Ok(at) => {
                let how = if self.all[at].suspended.is_some() { ", suspended: reinstate it" } else { "" };
                let log = format!("there is a validator {} already{how}", validator.identity);
                Err(Code::ValidatorExists.refusal(log))
            }
            Err(at) => {
                self.all.insert(at, validator);
                Ok(())
            }
        }
    }

    /// What must hold of all together once all changes are made, so that some of them may pass through what may not stay.
    pub(super) fn check(&self) -> Result<(), TxError> {
        if self.active().next().is_none() {
            return Err(Code::LastValidator.refusal("there would be no validator: add another one first"));
        }
        if self.all.len() > MAX || self.named > MAX_NAMED {
            let log = format!(
                "{} validators, {} identities that ever were: at most {MAX} and {MAX_NAMED} may be",
                self.all.len(),
                self.named
            );
            return Err(Code::TooManyValidators.refusal(log));
        }
        // With the powers of those who are suspended: so each can be reinstated, whatever was decided meanwhile.
        let powers = self.all.iter().map(|one| one.suspended.map_or(one.power, |suspended| suspended.power));
        let sum = powers.into_iter().try_fold(0u64, u64::checked_add);
        if sum.is_none_or(|sum| sum > MAX_POWER) {
            return Err(
                Code::TooMuchPower.refusal("the powers would add up to more than 2^60: scale them down")
            );
        }
        let mut keys = BTreeSet::new();
        if let Some(twice) = self.all.iter().find(|one| !keys.insert(one.vote_key.key)) {
            let log = format!(
                "validator {} would vote with the key of another: each needs its own",
                twice.identity
            );
            return Err(Code::DuplicateVoteKey.refusal(log));
        }
        Ok(())
    }

    /// Takes a validator's power, by this block. `first` is the first height of the epoch in which it contradicted itself: what was before
    /// members added or reinstated it is over.
    pub(super) fn suspend(&mut self, identity: &PublicKey, why: Suspension, first: u64) -> Outcome {
        let others = self.active().filter(|one| one.identity != *identity).count();
        let Ok(at) = self.at(identity) else { return Outcome::NoValidator };
        let one = &mut self.all[at];
        if one.suspended.is_some() {
            return Outcome::AlreadySuspended;
        }
        if one.admitted != 0 && first <= one.admitted {
            return Outcome::Forgiven;
        }
        if others == 0 {
            return Outcome::LastValidator;
        }
        let power = std::mem::take(&mut one.power);
        (one.suspended, one.since) = (Some(Suspension { power, ..why }), why.since);
        Outcome::Suspended
    }

    /// Makes one change, as of this height.
    fn change(&mut self, change: &ValidatorChange, height: u64) -> Result<(), TxError> {
        match change.clone() {
            ValidatorChange::Add { identity, vote_key, power, name, account } => {
                let account = Some(account);
                let (since, admitted) = (height, height);
                self.insert(Validator {
                    identity,
                    vote_key,
                    power,
                    name,
                    account,
                    since,
                    suspended: None,
                    admitted,
                })?;
            }
            ValidatorChange::Remove { identity } => {
                let found = self.expect(&identity)?.identity;
                self.all.retain(|one| one.identity != found);
            }
            ValidatorChange::Power { identity, power } => {
                let one = self.expect(&identity)?;
                expect_other(*one.own_power() != power, &identity, "has that power already")?;
                (*one.own_power(), one.since) = (power, height);
            }
            ValidatorChange::VoteKey { identity, vote_key } => {
                let one = self.expect(&identity)?;
                expect_other(one.vote_key.key != vote_key.key, &identity, "votes with that key already")?;
                (one.vote_key, one.since) = (vote_key, height);
            }
            ValidatorChange::Identity { identity, to } => {
                let one = self.expect(&identity)?.clone();
                self.insert(Validator { identity: to, since: height, ..one })?;
                self.all.retain(|one| one.identity != identity);
            }
            ValidatorChange::Account { identity, account } => {
                let one = self.expect(&identity)?;
                expect_other(one.account != Some(account), &identity, "has that account already")?;
                (one.account, one.since) = (Some(account), height);
            }
            ValidatorChange::Parameter { .. } => {}
            ValidatorChange::Reinstate { identity } => {
                let one = self.expect(&identity)?;
                let Some(suspension) = one.suspended.take() else {
                    let log = format!("validator {identity} is not suspended");
                    return Err(Code::NotSuspended.refusal(log));
                };
                (one.power, one.since, one.admitted) = (suspension.power, height, height);
            }
        }
        Ok(())
    }
}

fn expect_other(changes: bool, identity: &PublicKey, how: &str) -> Result<(), TxError> {
    if changes { Ok(()) } else { Err(Code::NothingChanges.refusal(format!("validator {identity} {how}"))) }
}
