//! What changes would come to, for those who are about to propose them.

use super::{Validator, Validators, enact::check_vote_key};
use crate::{
    TxError,
    asset::{ValidatorChange, ValidatorView, validator_change},
};

/// What these validators would be after these changes, by identity; or why the ledger would refuse them. Parameters are not looked
/// at, nor what identities were before. Whether an account is a member is known only of those that `validators` show.
pub fn preview(
    validators: &[ValidatorView],
    changes: &[ValidatorChange],
) -> Result<Vec<ValidatorView>, TxError> {
    validator_change::check_all(changes)?;
    let all = validators.iter().cloned().map(|view| {
        let ValidatorView { identity, name, power, account, since, suspended, vote_key, .. } = view;
        Validator { identity, vote_key, power, name, account, since, suspended, admitted: 0 }
    });
    let mut set = Validators { all: all.collect(), named: 0 };
    set.all.sort_by_key(|one| one.identity);
    changes.iter().try_for_each(|change| set.change(change, 0))?;
    set.check()?;
    changes.iter().filter_map(ValidatorChange::vote_key).try_for_each(check_vote_key)?;
    let is_member = |one: &Validator| {
        let mut known = validators.iter().filter(|view| view.member);
        one.account.is_some() && known.any(|view| view.account == one.account)
    };
    let view = |one: Validator| {
        let member = is_member(&one);
        let Validator { identity, vote_key, power, name, account, since, suspended, .. } = one;
        ValidatorView { identity, name, power, account, member, since, suspended, vote_key }
    };
    Ok(set.all.into_iter().map(view).collect())
}
