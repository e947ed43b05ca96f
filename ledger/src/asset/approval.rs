//! Approvals: which accounts stand behind a transaction, and their signatures.

use althing_crypto::ed25519::{Item, PublicKey, SecretKey, Signature};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use super::{Address, Code, Policy};
use crate::TxError;

/// One account's approval of a transaction: signatures of [`Transaction::sign_bytes`](super::Transaction::sign_bytes).
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Approval {
    /// Of the account of one key.
    Key {
        /// The key.
        key: PublicKey,
        /// Its signature.
        signature: Signature,
    },
    /// Of a multi-signature account.
    Multi {
        /// Its policy.
        policy: Policy,
        /// Exactly as many signatures as the policy demands, each with the index of its key, ascending.
        signatures: Vec<(u8, Signature)>,
    },
}

impl Approval {
    /// The account that approves.
    pub fn account(&self) -> Address {
        match self {
            Self::Key { key, .. } => Address::of(key),
            Self::Multi { policy, .. } => policy.address(),
        }
    }

    /// Whether it has the form of an approval; signatures are checked elsewhere.
    pub(super) fn check(&self) -> Result<(), TxError> {
        let Self::Multi { policy, signatures } = self else { return Ok(()) };
        policy.check()?;
        let refuse = |log: String| Err(Code::BadSignatureSet.refusal(log));
        let (found, wanted) = (signatures.len(), policy.threshold);
        if found != usize::from(wanted) {
            return refuse(format!("{found} signatures for {}: give exactly {wanted}", policy.address()));
        }
        if !signatures.is_sorted_by(|(a, _), (b, _)| a < b) {
            return refuse("the signatures of one account must ascend by key and none come twice".into());
        }
        match signatures.last() {
            Some((index, _)) if usize::from(*index) >= policy.keys.len() => {
                refuse(format!("a signature of key {index}, the policy has {} (from 0)", policy.keys.len()))
            }
            _ => Ok(()),
        }
    }

    /// Its signatures, to be checked in a batch. Only for what passed [`check`](Self::check).
    pub(super) fn items<'a>(&self, message: &'a [u8], items: &mut Vec<Item<'a>>) {
        match self {
            Self::Key { key, signature } => items.push(Item { key: *key, message, signature: *signature }),
            Self::Multi { policy, signatures } => {
                items.extend(signatures.iter().filter_map(|&(index, signature)| {
                    let key = *policy.keys.get(usize::from(index))?;
                    Some(Item { key, message, signature })
                }));
            }
        }
    }

    pub(super) fn signature_count(&self) -> usize {
        match self {
            Self::Key { .. } => 1,
            Self::Multi { signatures, .. } => signatures.len(),
        }
    }
}

/// Adds the approval of `key`'s own account, in its place.
pub(super) fn add_key(approvals: &mut Vec<Approval>, key: &SecretKey, message: &[u8]) {
    let approval = Approval::Key { key: key.public_key(), signature: key.sign(message) };
    add(approvals, approval);
}

/// Adds `key`'s signature to the approval of the account that `policy` makes. Returns whether the key is one of its.
pub(super) fn add_to_policy(
    approvals: &mut Vec<Approval>,
    policy: &Policy,
    key: &SecretKey,
    message: &[u8],
) -> bool {
    let Some(index) = policy.keys.iter().position(|one| *one == key.public_key()) else { return false };
    let found = approvals.iter().position(|approval| approval.account() == policy.address());
    let mut signatures = match found.map(|at| approvals.swap_remove(at)) {
        Some(Approval::Multi { signatures, .. }) => signatures,
        _ => Vec::new(),
    };
    signatures.retain(|(one, _)| usize::from(*one) != index);
    // A policy that passed its check has at most 16 keys.
    signatures.push((index as u8, key.sign(message)));
    signatures.sort_unstable_by_key(|(one, _)| *one);
    add(approvals, Approval::Multi { policy: policy.clone(), signatures });
    true
}

fn add(approvals: &mut Vec<Approval>, approval: Approval) {
    approvals.retain(|one| one.account() != approval.account());
    approvals.push(approval);
    approvals.sort_by_key(Approval::account);
}

/// Whether `approvals` are of exactly the accounts in `needed` (ascending), in that order, and well formed.
pub(super) fn check(approvals: &[Approval], needed: &[Address]) -> Result<(), TxError> {
    let accounts: Vec<Address> = approvals.iter().map(Approval::account).collect();
    if !accounts.is_sorted_by(|a, b| a < b) {
        let log = "the approvals must ascend by address, each account once".to_owned();
        return Err(Code::ApprovalsUnordered.refusal(log));
    }
    if let Some(missing) = needed.iter().find(|one| accounts.binary_search(one).is_err()) {
        let log = format!("{missing} acts or is debited and has not approved: let it sign");
        return Err(Code::MissingApproval.refusal(log));
    }
    if let Some(needless) = accounts.iter().find(|one| needed.binary_search(one).is_err()) {
        let log = format!("{needless} neither acts nor is debited: leave its approval out");
        return Err(Code::NeedlessApproval.refusal(log));
    }
    approvals.iter().try_for_each(Approval::check)
}
