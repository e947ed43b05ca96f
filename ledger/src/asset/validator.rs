//! The validators of the chain: a record of the ledger, put there by the genesis, changed by proposals, told to the node.
//!
//! What the ledger enacts the node takes: every rule by which a node would drop a change is a refusal here. So the record and the set
//! that votes never part.

mod preview;

use std::collections::BTreeSet;

use althing_crypto::{
    Encoding,
    bls::{BLS, ProofOfPossession, VoteScheme},
    ed25519::PublicKey,
};
use borsh::{BorshDeserialize, BorshSerialize};

use super::{
    Address, Code, ConsensusParameter, ValidatorChange,
    consensus_parameter::{self, Consensus, check_params},
    draft::{Block, Draft, Step},
    event,
    record::AtHeight,
};
use crate::{AppError, ParamUpdates, TxError, ValidatorUpdate, VoteKey};

pub use preview::preview;

/// A validator.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct Validator {
    pub(super) identity: PublicKey,
    pub(super) vote_key: VoteKey,
    pub(super) power: u64,
    pub(super) name: String,
    /// Who votes for it on proposals.
    pub(super) account: Option<Address>,
    /// Since which height it is as it is; 0 for genesis.
    pub(super) since: u64,
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
    const VERSION: u8 = 1;
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

/// Where it lies that an identity is or was a validator.
pub(super) fn named_key(identity: &PublicKey) -> Vec<u8> {
    [b"v/", identity.as_bytes().as_slice()].concat()
}

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
            Ok(_) => {
                let log = format!("there is a validator {} already", validator.identity);
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
        if self.all.is_empty() {
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
        let sum = self.all.iter().try_fold(0u64, |sum, one| sum.checked_add(one.power));
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

    /// Makes one change, as of this height.
    fn change(&mut self, change: &ValidatorChange, height: u64) -> Result<(), TxError> {
        match change.clone() {
            ValidatorChange::Add { identity, vote_key, power, name, account } => {
                let account = Some(account);
                self.insert(Validator { identity, vote_key, power, name, account, since: height })?;
            }
            ValidatorChange::Remove { identity } => {
                let found = self.expect(&identity)?.identity;
                self.all.retain(|one| one.identity != found);
            }
            ValidatorChange::Power { identity, power } => {
                let one = self.expect(&identity)?;
                expect_other(one.power != power, &identity, "has that power already")?;
                (one.power, one.since) = (power, height);
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
        }
        Ok(())
    }
}

fn expect_other(changes: bool, identity: &PublicKey, how: &str) -> Result<(), TxError> {
    if changes { Ok(()) } else { Err(Code::NothingChanges.refusal(format!("validator {identity} {how}"))) }
}

pub(super) fn read(draft: &mut Draft<'_, '_>) -> Result<Validators, AppError> {
    Ok(draft.read(KEY)?.unwrap_or_default())
}

/// That a proposal of these changes could be enacted now. Leaves nothing behind.
pub(super) fn try_out(draft: &mut Draft<'_, '_>, changes: &[ValidatorChange]) -> Step {
    draft.try_out(|draft| apply(draft, changes))?;
    changes.iter().filter_map(ValidatorChange::vote_key).try_for_each(|key| {
        if draft.count_vote_key() > MAX_VOTE_KEYS_OF_A_BLOCK {
            let max = MAX_VOTE_KEYS_OF_A_BLOCK;
            let log = format!("{max} vote keys have been proposed in this block: propose it in another one");
            return Err(Code::TooManyVoteKeys.refusal(log));
        }
        check_vote_key(key)
    })?;
    Ok(())
}

fn check_vote_key(VoteKey { key, proof }: &VoteKey) -> Result<(), TxError> {
    let found = BLS.parse_public_key(key).map_err(|error| Code::BadVoteKey.refusal(error.to_string()))?;
    if BLS.verify_possession(&found, &ProofOfPossession::from_bytes(*proof)) {
        return Ok(());
    }
    let log = format!(
        "the proof of possession of vote key {found} is not that of its owner: `althing keys show` tells it"
    );
    Err(Code::BadVoteKey.refusal(log))
}

/// Makes all changes, or says why not. The proofs of vote keys were checked when the proposal was made.
pub(super) fn apply(draft: &mut Draft<'_, '_>, changes: &[ValidatorChange]) -> Step {
    let (mut validators, height) = (read(draft)?, draft.height());
    let before = validators.clone();
    let mut params: Consensus = draft.read(consensus_parameter::KEY)?.unwrap_or_default();
    let params_before = params.clone();
    for change in changes {
        validators.change(change, height)?;
        match change {
            ValidatorChange::Add { identity, .. } | ValidatorChange::Identity { to: identity, .. } => {
                name(draft, &mut validators, identity)?;
            }
            ValidatorChange::Parameter { parameter, value } => set(&mut params.0, *parameter, *value)?,
            _ => {}
        }
        draft.emit(event::validator_changed(change));
    }
    if validators != before {
        validators.check()?;
        draft.write(KEY.to_vec(), &validators);
    }
    if params != params_before {
        check_params(&params.0)?;
        draft.write(consensus_parameter::KEY.to_vec(), &params);
    }
    Ok(())
}

fn set(params: &mut ParamUpdates, parameter: ConsensusParameter, value: u64) -> Result<(), TxError> {
    if parameter.of(params) == Some(value) {
        return Err(Code::NothingChanges.refusal(format!("{parameter} is {value} already")));
    }
    parameter.set(params, value);
    Ok(())
}

/// Counts an identity that was never a validator.
fn name(draft: &mut Draft<'_, '_>, validators: &mut Validators, identity: &PublicKey) -> Step {
    let (key, height) = (named_key(identity), draft.height());
    if !draft.has(&key)? {
        validators.named = validators.named.saturating_add(1);
        draft.write(key, &AtHeight(height));
    }
    Ok(())
}

/// What the block changes, for the node: how it leaves validators and parameters against how it found them.
pub(super) fn updates(block: &mut Block<'_>) -> Result<(Vec<ValidatorUpdate>, ParamUpdates), AppError> {
    let validators = match block.changed::<Validators>(KEY)? {
        Some((before, after)) => difference(&before.unwrap_or_default(), &after),
        None => Vec::new(),
    };
    let params = match block.changed::<Consensus>(consensus_parameter::KEY)? {
        Some((before, after)) => consensus_parameter::difference(&before.unwrap_or_default().0, &after.0),
        None => ParamUpdates::default(),
    };
    Ok((validators, params))
}

fn difference(before: &Validators, after: &Validators) -> Vec<ValidatorUpdate> {
    let gone = before.all.iter().filter(|one| after.at(&one.identity).is_err());
    let gone = gone.map(|one| update(one, 0, None));
    let changed = after.all.iter().filter_map(|one| {
        let former = before.at(&one.identity).ok().map(|at| &before.all[at]);
        let same_key = former.is_some_and(|former| former.vote_key.key == one.vote_key.key);
        match former {
            Some(former) if same_key && former.power == one.power => None,
            _ => Some(update(one, one.power, (!same_key).then(|| one.vote_key.clone()))),
        }
    });
    gone.chain(changed).collect()
}

fn update(one: &Validator, power: u64, vote_key: Option<VoteKey>) -> ValidatorUpdate {
    ValidatorUpdate { identity: *one.identity.as_bytes(), power, vote_key }
}
