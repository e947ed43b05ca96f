//! Records: what the ledger keeps in the state, under which keys.
//!
//! | key | record |
//! |---|---|
//! | `a/` address | [`Account`](super::account::Account) |
//! | `b/` symbol `0x00` address | [`Balance`](super::balance::Balance) |
//! | `c` | [`Parameters`](super::Parameters), fixed by genesis |
//! | `g` | [`Governance`](super::role::Governance) |
//! | `i/` sender, idempotency key | the last height of its window |
//! | `k/` account, lock id | nothing: an open lock that the account is party to |
//! | `l/` lock id | [`Lock`](super::lock::Lock) |
//! | `m` | [`Pieces`](super::misbehaviour::Pieces): how many pieces of misbehaviour there were |
//! | `m/` number (big-endian) | [`Piece`](super::misbehaviour::Piece), of the newest of them |
//! | `n` | [`Consensus`](super::consensus_parameter::Consensus): the parameters that hold |
//! | `p/` number (big-endian) | [`Proposal`](super::proposal::Proposal), if open |
//! | `r/` role, address | since which height the account has the role |
//! | `s/` symbol | [`Asset`](super::asset_record::Asset) |
//! | `v` | [`Validators`](super::validator::Validators) |
//! | `v/` identity | [`Known`](super::identity::Known): it is or was that of a validator |
//! | `x/` height (big-endian), sender, idempotency key | nothing: what to remove after that height |

use althing_crypto::{DecodeError, Encoding};
use borsh::{BorshDeserialize, BorshSerialize};

use crate::{AppError, state::Records};

/// A record that only says at which height it began or ends to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct AtHeight(pub(super) u64);

impl Encoding for AtHeight {
    const NAME: &'static str = "height";
    const VERSION: u8 = 1;
    const MAX_BYTES: usize = 9;
}

/// A record whose key says it all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub(super) struct Mark;

impl Encoding for Mark {
    const NAME: &'static str = "mark";
    const VERSION: u8 = 1;
    const MAX_BYTES: usize = 1;
}

/// Reads one record. What does not decode is damage: only the ledger writes its state.
pub(super) fn read<T: Encoding>(records: &dyn Records, key: &[u8]) -> Result<Option<T>, AppError> {
    records.get(key)?.map(|bytes| decode(&bytes)).transpose()
}

pub(super) fn decode<T: Encoding>(bytes: &[u8]) -> Result<T, AppError> {
    T::decode(bytes).map_err(|error: DecodeError| corrupt(T::NAME, error))
}

pub(super) fn corrupt(at: impl Into<String>, reason: impl ToString) -> AppError {
    AppError::Corrupt { at: at.into(), reason: reason.to_string() }
}
