//! What genesis fixes for good.

use althing_crypto::Encoding;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use super::{Fees, text};

/// What genesis fixes for good. As JSON the answer to the query `parameters`.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct Parameters {
    /// The chain's id.
    pub chain_id: String,
    /// The height of its first block.
    #[serde(with = "text")]
    pub initial_height: u64,
    /// Whether only submitters, members and administrators may send transactions.
    pub closed: bool,
    /// For how many heights after its own a proposal can be approved.
    #[serde(with = "text")]
    pub proposal_lifetime: u64,
    /// For how many heights after its success an idempotency key is taken.
    #[serde(with = "text")]
    pub idempotency_window: u64,
    /// What transactions cost, if they do.
    pub fees: Option<Fees>,
    /// What becomes of validators that contradict themselves.
    #[serde(default)]
    pub evidence: OnEvidence,
}

/// What becomes of a validator of which a block proves that it contradicted itself.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, BorshSerialize, BorshDeserialize, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum OnEvidence {
    /// It has no power until members reinstate it, unless nobody else has some. It is recorded, too.
    #[default]
    Suspend,
    /// It is recorded.
    Record,
}

impl Encoding for Parameters {
    const NAME: &'static str = "parameters";
    const VERSION: u8 = 2;
    const MAX_BYTES: usize = 512;
}

pub(super) const KEY: &[u8] = b"c";
