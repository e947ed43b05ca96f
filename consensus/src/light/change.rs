//! The difference between the validators and parameters of two epochs.

use std::collections::BTreeSet;

use althing_crypto::bls::VoteScheme;
use althing_crypto::ed25519;
use borsh::{BorshDeserialize, BorshSerialize};

use crate::{ConsensusParams, Position, Power, Signers, Validator, ValidatorSet};

/// A validator in bytes that nobody has checked.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Member {
    identity: ed25519::PublicKey,
    vote_key: [u8; 48],
    power: Power,
}

impl From<&Validator> for Member {
    fn from(validator: &Validator) -> Self {
        let Validator { identity, vote_key, power } = validator;
        Self { identity: *identity, vote_key: *vote_key.bytes(), power: *power }
    }
}

impl Member {
    fn check(self, scheme: &dyn VoteScheme) -> Result<Validator, String> {
        let Self { identity, vote_key, power } = self;
        Ok(Validator { identity, vote_key: key(scheme, &identity, &vote_key)?, power })
    }
}

/// All members of a set.
pub(super) fn members_of(set: &ValidatorSet) -> Vec<Member> {
    set.members().iter().map(Member::from).collect()
}

/// The set of these members.
pub(super) fn set_of(scheme: &'static dyn VoteScheme, members: Vec<Member>) -> Result<ValidatorSet, String> {
    // Before any key is looked at: that costs.
    if members.len() > ValidatorSet::MAX_MEMBERS {
        return Err(format!("{} members, at most {} are allowed", members.len(), ValidatorSet::MAX_MEMBERS));
    }
    let members = members.into_iter().map(|member| member.check(scheme)).collect::<Result<_, _>>()?;
    ValidatorSet::new(scheme, members).map_err(|error| error.to_string())
}

fn key(
    scheme: &dyn VoteScheme,
    identity: &ed25519::PublicKey,
    bytes: &[u8; 48],
) -> Result<althing_crypto::bls::PublicKey, String> {
    scheme.parse_public_key(bytes).map_err(|error| format!("the vote key of validator {identity}: {error}"))
}

/// What one who stays gets.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
struct Alteration {
    position: Position,
    vote_key: Option<[u8; 48]>,
    power: Option<Power>,
}

/// From one set and its parameters to the next: who leaves, what those who stay get, who comes. Those who stay keep their order, those
/// who come stand behind them, as the chain itself changes its sets. Between two sets there is one change.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct SetChange {
    leave: Signers,
    alter: Vec<Alteration>,
    come: Vec<Member>,
    params: Option<ConsensusParams>,
}

impl SetChange {
    /// What leads from the one to the other.
    pub fn between(
        before: (&ValidatorSet, &ConsensusParams),
        after: (&ValidatorSet, &ConsensusParams),
    ) -> Self {
        let mut stay = BTreeSet::new();
        let mut alter = Vec::new();
        let mut rest = after.0.members();
        // Whoever stands behind one that stood behind it before counts as one that left and came back.
        while let Some((member, others)) = rest.split_first() {
            let Some(position) = before.0.position_of(&member.identity) else { break };
            if stay.last().is_some_and(|last| *last >= position) {
                break;
            }
            stay.insert(position);
            rest = others;
            let old = before.0.get(position).expect("found there");
            let vote_key = (old.vote_key != member.vote_key).then(|| *member.vote_key.bytes());
            let power = (old.power != member.power).then_some(member.power);
            if vote_key.is_some() || power.is_some() {
                alter.push(Alteration { position, vote_key, power });
            }
        }
        Self {
            leave: before.0.positions().filter(|position| !stay.contains(position)).collect(),
            alter,
            come: rest.iter().map(Member::from).collect(),
            params: (before.1 != after.1).then(|| after.1.clone()),
        }
    }

    /// The set and parameters that it leads to. They are those of an epoch only if their hash is the one that its opening block names.
    pub fn apply(
        &self,
        set: &ValidatorSet,
        params: &ConsensusParams,
    ) -> Result<(ValidatorSet, ConsensusParams), String> {
        let scheme = set.scheme();
        // Before any key is looked at: that costs.
        let counts = [self.alter.len(), self.come.len()];
        if counts.iter().any(|count| *count > ValidatorSet::MAX_MEMBERS) {
            return Err(format!("{counts:?} changes, at most {} are allowed", ValidatorSet::MAX_MEMBERS));
        }
        let mut members: Vec<Option<Validator>> = set.members().iter().cloned().map(Some).collect();
        for position in self.leave.iter() {
            *place(&mut members, position)? = None;
        }
        for Alteration { position, vote_key, power } in &self.alter {
            let member =
                place(&mut members, *position)?.as_mut().ok_or("it changes a validator that leaves")?;
            if let Some(bytes) = vote_key {
                member.vote_key = key(scheme, &member.identity, bytes)?;
            }
            member.power = power.unwrap_or(member.power);
        }
        let come = self.come.iter().cloned().map(|member| member.check(scheme));
        let come = come.collect::<Result<Vec<_>, _>>()?;
        let next = members.into_iter().flatten().chain(come).collect();
        let next = ValidatorSet::new(scheme, next).map_err(|error| error.to_string())?;
        let next_params = self.params.clone().unwrap_or_else(|| params.clone());
        next_params.validate().map_err(|error| error.to_string())?;
        if Self::between((set, params), (&next, &next_params)) != *self {
            return Err("there is a shorter form of it, which is the only one taken".to_owned());
        }
        Ok((next, next_params))
    }
}

fn place(members: &mut [Option<Validator>], position: Position) -> Result<&mut Option<Validator>, String> {
    let count = members.len();
    let place = members.get_mut(usize::from(position.0));
    place.ok_or_else(|| format!("it changes validator {position}, and there are {count}, counted from 0"))
}
