//! Who has approved a transaction that goes from hand to hand, and who has yet to.

use std::fmt;

use althing_ledger::asset::{Address, Approval, Transaction};
use serde_json::{Value, json};

use crate::cli::Failure;

/// How many signatures the account of one who must approve has given, of how many.
pub(super) struct Standing {
    pub(super) account: Address,
    pub(super) signatures: usize,
    /// Unknown of a multi-signature account whose policy nobody has shown yet.
    pub(super) needed: Option<usize>,
}

impl Standing {
    /// Of all who must approve, in the order of their addresses.
    pub(super) fn of(tx: &Transaction) -> Vec<Self> {
        let standing = |account: Address| {
            let (signatures, needed) = match approval_of(tx, &account) {
                None => (0, None),
                Some(Approval::Key { .. }) => (1, Some(1)),
                Some(Approval::Multi { policy, signatures }) => {
                    (signatures.len(), Some(usize::from(policy.threshold)))
                }
            };
            Self { account, signatures, needed }
        };
        tx.approvers().into_iter().map(standing).collect()
    }

    pub(super) fn is_complete(&self) -> bool {
        self.needed.is_some_and(|needed| self.signatures >= needed)
    }

    pub(super) fn object(&self) -> Value {
        json!({ "account": self.account, "approved": self.is_complete(), "signatures": self.signatures, "needed": self.needed })
    }
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.is_complete(), self.needed) {
            (true, _) => write!(f, "{} has approved", self.account),
            (false, Some(needed)) => {
                write!(f, "{} must approve: {} of {needed} signatures", self.account, self.signatures)
            }
            (false, None) => write!(f, "{} must approve", self.account),
        }
    }
}

pub(super) fn approval_of<'a>(tx: &'a Transaction, account: &Address) -> Option<&'a Approval> {
    tx.approvals.iter().find(|approval| approval.account() == *account)
}

/// That nobody is missing.
pub(super) fn expect_complete(tx: &Transaction) -> Result<(), Failure> {
    match Standing::of(tx).iter().find(|one| !one.is_complete()) {
        None => Ok(()),
        Some(missing) => Err(format!("{missing}: see `althing tx sign`").into()),
    }
}

/// That all signatures are of this very transaction: one that was changed after it was signed must not go on to the next signer.
pub(super) fn expect_good(tx: &Transaction) -> Result<(), Failure> {
    let message = tx.sign_bytes();
    for approval in &tx.approvals {
        let good = match approval {
            Approval::Key { key, signature } => key.verify(&message, signature),
            Approval::Multi { policy, signatures } => signatures.iter().all(|(index, signature)| {
                let key = policy.keys.get(usize::from(*index));
                key.is_some_and(|key| key.verify(&message, signature))
            }),
        };
        if !good {
            let account = approval.account();
            return Err(format!(
                "a signature of {account} is not of this transaction: was it changed afterwards?"
            )
            .into());
        }
    }
    Ok(())
}
