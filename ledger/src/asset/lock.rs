//! Hash time locks: units that go to who shows a secret before a height, and back from that height on.
//!
//! Two chains swap by locks of one hash: whoever claims on one shows the preimage to the other. A settled lock stays, so
//! that its outcome and the preimage can be proved; only the list of each party's open locks forgets it.
//!
//! What is locked has left its account, so freezing that account, or the recipient's, does not touch it: a lock from before a freeze
//! can be claimed and refunded. Else the issuer could break a swap of which the other half is done. What comes back to a frozen
//! account, or reaches one, stays there until it is unfrozen.

use std::{fmt, str::FromStr};

use althing_crypto::{Encoding, Hash, sha256};
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{
    Address, Code, Symbol, balance,
    draft::{Draft, Step},
    event,
    record::Mark,
    text,
};

/// Names a lock: the sender of the transaction that made it (20 bytes), its sequence (8, big-endian) and the index of the
/// instruction in it (1). As text 58 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, BorshSerialize, BorshDeserialize)]
pub struct LockId([u8; 29]);

impl LockId {
    /// The id of the lock that this instruction makes.
    pub fn new(sender: &Address, sequence: u64, index: u8) -> Self {
        let mut bytes = [0; 29];
        bytes[..20].copy_from_slice(sender.as_bytes());
        bytes[20..28].copy_from_slice(&sequence.to_be_bytes());
        bytes[28] = index;
        Self(bytes)
    }

    /// The id that has these bytes.
    pub const fn from_bytes(bytes: [u8; 29]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 29] {
        &self.0
    }
}

impl fmt::Display for LockId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for LockId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for LockId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut bytes = [0; 29];
        hex::decode_to_slice(text, &mut bytes)
            .map_err(|error| format!("a lock is named by 58 hexadecimal digits: {error}"))?;
        Ok(Self(bytes))
    }
}

impl Serialize for LockId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for LockId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <String as Deserialize>::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// A lock. Freezing an account in the asset does not touch its locks. As JSON part of the answers to the queries `lock` and `locks`.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Lock {
    /// Of which asset.
    pub asset: Symbol,
    /// Who paid, and gets them back by a refund.
    pub from: Address,
    /// Who receives them by a claim.
    pub to: Address,
    /// How many of the smallest units.
    #[serde(with = "text")]
    pub amount: u128,
    /// SHA-256 of the 32 bytes that claim it.
    pub hash: Hash,
    /// From this height on it can only be refunded.
    #[serde(with = "text")]
    pub refund_height: u64,
    /// What has become of it.
    pub state: LockState,
}

/// What has become of a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LockState {
    /// It holds its units.
    Open,
    /// They went to the recipient.
    Claimed {
        /// The height of the claim.
        #[serde(with = "text")]
        height: u64,
        /// What was shown.
        preimage: Hash,
    },
    /// They went back.
    Refunded {
        /// The height of the refund.
        #[serde(with = "text")]
        height: u64,
    },
}

impl Encoding for Lock {
    const NAME: &'static str = "lock";
    const VERSION: u8 = 1;
    const MAX_BYTES: usize = 256;
}

pub(super) fn key(id: &LockId) -> Vec<u8> {
    [b"l/", id.as_bytes().as_slice()].concat()
}

/// Where the open locks of one party lie, by id.
pub(super) fn keys_of(party: &Address) -> Vec<u8> {
    [b"k/", party.as_bytes().as_slice()].concat()
}

fn key_of(party: &Address, id: &LockId) -> Vec<u8> {
    [b"k/", party.as_bytes().as_slice(), id.as_bytes()].concat()
}

/// `Lock`.
pub(super) fn lock(
    draft: &mut Draft<'_, '_>,
    (asset, from, to, amount): (&Symbol, &Address, &Address, u128),
    hash: &Hash,
    refund_height: u64,
) -> Step {
    if refund_height <= draft.height() {
        let height = draft.height();
        let log = format!("refund height {refund_height} is not after this one, {height}: give a later one");
        return Err(Code::RefundHeightPast.refusal(log).into());
    }
    balance::debit(draft, asset, from, amount)?;
    let id = LockId::new(&draft.sender, draft.sequence, draft.index);
    let lock = Lock {
        asset: *asset,
        from: *from,
        to: *to,
        amount,
        hash: *hash,
        refund_height,
        state: LockState::Open,
    };
    draft.write(key(&id), &lock);
    draft.write(key_of(from, &id), &Mark);
    draft.write(key_of(to, &id), &Mark);
    draft.emit(|| event::locked(&id, &lock));
    Ok(())
}

/// `Claim`.
pub(super) fn claim(draft: &mut Draft<'_, '_>, id: &LockId, preimage: &Hash) -> Step {
    let lock = expect_open(draft, id)?;
    let height = draft.height();
    if height >= lock.refund_height {
        let until = lock.refund_height;
        let log = format!("at height {height} it can only be refunded: its refund height is {until}");
        return Err(Code::LockExpired.refusal(log).into());
    }
    if sha256(preimage.as_bytes()) != lock.hash {
        let log = format!("SHA-256 of the preimage is not the lock's hash {}", lock.hash);
        return Err(Code::WrongPreimage.refusal(log).into());
    }
    let to = lock.to;
    settle(draft, id, lock, &to, LockState::Claimed { height, preimage: *preimage })
}

/// `Refund`.
pub(super) fn refund(draft: &mut Draft<'_, '_>, id: &LockId) -> Step {
    let lock = expect_open(draft, id)?;
    let height = draft.height();
    if height < lock.refund_height {
        let from = lock.refund_height;
        let log = format!("it can be refunded from height {from} on, this is {height}: wait until then");
        return Err(Code::LockNotExpired.refusal(log).into());
    }
    let from = lock.from;
    settle(draft, id, lock, &from, LockState::Refunded { height })
}

fn expect_open(draft: &mut Draft<'_, '_>, id: &LockId) -> Step<Lock> {
    let unknown = || Code::UnknownLock.refusal(format!("there is no lock {id}: check its id"));
    let lock = draft.read::<Lock>(&key(id))?.ok_or_else(unknown)?;
    let (outcome, height) = match lock.state {
        LockState::Open => return Ok(lock),
        LockState::Claimed { height, .. } => ("claimed", height),
        LockState::Refunded { height } => ("refunded", height),
    };
    Err(Code::LockSettled.refusal(format!("the lock was {outcome} at height {height}")).into())
}

fn settle(draft: &mut Draft<'_, '_>, id: &LockId, lock: Lock, winner: &Address, state: LockState) -> Step {
    balance::credit(draft, &lock.asset, winner, lock.amount)?;
    draft.remove(key_of(&lock.from, id));
    draft.remove(key_of(&lock.to, id));
    let lock = Lock { state, ..lock };
    draft.emit(|| event::settled(id, &lock));
    draft.write(key(id), &lock);
    Ok(())
}
