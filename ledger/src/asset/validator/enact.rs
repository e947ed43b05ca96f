//! Proposals about validators: whether one could be enacted, enacting it, and telling the node.

use althing_crypto::{
    bls::{BLS, ProofOfPossession, VoteScheme},
    ed25519::PublicKey,
};

use super::{KEY, MAX_VOTE_KEYS_OF_A_BLOCK, Validator, Validators};
use crate::{
    AppError, ParamUpdates, TxError, ValidatorUpdate, VoteKey,
    asset::{
        Code, ConsensusParameter, ValidatorChange,
        consensus_parameter::{self, Consensus, check_params},
        draft::{Block, Draft, Step},
        event, identity,
    },
};

pub(in crate::asset) fn read(draft: &mut Draft<'_, '_>) -> Result<Validators, AppError> {
    Ok(draft.read(KEY)?.unwrap_or_default())
}

/// That a proposal of these changes could be enacted now. Leaves nothing behind.
pub(in crate::asset) fn try_out(draft: &mut Draft<'_, '_>, changes: &[ValidatorChange]) -> Step {
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

pub(super) fn check_vote_key(VoteKey { key, proof }: &VoteKey) -> Result<(), TxError> {
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
pub(in crate::asset) fn apply(draft: &mut Draft<'_, '_>, changes: &[ValidatorChange]) -> Step {
    let (mut validators, height) = (read(draft)?, draft.height());
    let before = validators.clone();
    let mut params: Consensus = draft.read(consensus_parameter::KEY)?.unwrap_or_default();
    let params_before = params.clone();
    for change in changes {
        identity::expect_admissible(draft, &validators, change)?;
        let removed = match change {
            ValidatorChange::Remove { identity } => validators.get(identity),
            _ => None,
        };
        let suspended = removed.is_some_and(|one| one.suspended.is_some());
        validators.change(change, height)?;
        identity::note(draft, &mut validators.named, change, suspended)?;
        if let ValidatorChange::Parameter { parameter, value } = change {
            set(&mut params.0, *parameter, *value)?;
        }
        draft.emit(|| event::validator_changed(change));
    }
    if validators != before {
        validators.check()?;
        draft.write(KEY, &validators);
    }
    if params != params_before {
        check_params(&params.0)?;
        draft.write(consensus_parameter::KEY, &params);
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

/// What the block changes, for the node: how it leaves validators and parameters against how it found them.
pub(in crate::asset) fn updates(
    block: &mut Block<'_>,
) -> Result<(Vec<ValidatorUpdate>, ParamUpdates), AppError> {
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

/// What has changed of the set that votes, which those who are suspended are not in. All come with their keys: without one it would be the
/// key that was named last, or that which the validator itself has registered through a block since.
fn difference(before: &Validators, after: &Validators) -> Vec<ValidatorUpdate> {
    let in_set = |validators: &Validators, identity: &PublicKey| {
        validators.get(identity).filter(|one| one.suspended.is_none()).cloned()
    };
    let gone = before.active().filter(|one| in_set(after, &one.identity).is_none());
    let gone = gone.map(|one| update(one, 0, None));
    let changed = after.active().filter_map(|one| {
        let former = in_set(before, &one.identity);
        let same_key = former.as_ref().is_some_and(|former| former.vote_key.key == one.vote_key.key);
        match former {
            Some(former) if same_key && former.power == one.power => None,
            _ => Some(update(one, one.power, Some(one.vote_key.clone()))),
        }
    });
    gone.chain(changed).collect()
}

fn update(one: &Validator, power: u64, vote_key: Option<VoteKey>) -> ValidatorUpdate {
    ValidatorUpdate { identity: *one.identity.as_bytes(), power, vote_key }
}
