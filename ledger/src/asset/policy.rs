//! Accounts of several keys: so many of these must sign.

use althing_crypto::ed25519::PublicKey;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use super::{Address, Code};
use crate::TxError;

/// Who controls a multi-signature account: `threshold` of `keys`. It is registered nowhere; the account's address is
/// its hash, and each transaction that the account approves shows it.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// How many of the keys must sign, from 1 to all of them.
    pub threshold: u8,
    /// 1 to 16 keys, ascending, none twice.
    pub keys: Vec<PublicKey>,
}

impl Policy {
    /// The most keys a policy may have.
    pub const MAX_KEYS: usize = 16;

    /// The policy of these keys in whatever order, or why there is none.
    pub fn new(threshold: u8, mut keys: Vec<PublicKey>) -> Result<Self, TxError> {
        keys.sort_unstable();
        let policy = Self { threshold, keys };
        policy.check()?;
        Ok(policy)
    }

    /// The account's address.
    pub fn address(&self) -> Address {
        Address::of_policy(self)
    }

    pub(super) fn check(&self) -> Result<(), TxError> {
        let refuse = |log: String| Err(Code::BadPolicy.refusal(log));
        let (count, max) = (self.keys.len(), Self::MAX_KEYS);
        if count == 0 || count > max {
            return refuse(format!("a policy of {count} keys: name 1 to {max}"));
        }
        if !self.keys.is_sorted_by(|a, b| a < b) {
            return refuse("the keys of a policy must ascend and none come twice".into());
        }
        if self.threshold == 0 || usize::from(self.threshold) > count {
            let threshold = self.threshold;
            return refuse(format!("{threshold} of {count} keys must sign: say 1 to {count}"));
        }
        Ok(())
    }
}
