//! The consensus parameters that all validators of an epoch share.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Consensus parameters, fixed for an epoch; part of what the next-epoch hash binds.
#[derive(Clone, Debug, PartialEq, Eq, Hash, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConsensusParams {
    /// Bytes of all transactions of one block together.
    pub max_block_bytes: u32,
    /// Transactions in one block.
    pub max_block_txs: u32,
    /// Bytes of one transaction.
    pub max_tx_bytes: u32,
    /// How far ordering may run ahead of what headers vouch for: a block of height h that vouches for e carries no
    /// transactions if `h - 1 - e` is above it.
    pub max_unexecuted_blocks: u32,
    /// The view timer's base never falls below it, in milliseconds.
    pub timeout_min_ms: u64,
    /// The view timer's adaptive base never rises above it, in milliseconds.
    pub timeout_base_max_ms: u64,
    /// What doubling stops at, in milliseconds.
    pub timeout_max_ms: u64,
    /// How often a validator past its view timer repeats itself, in milliseconds.
    pub repeat_interval_ms: u64,
    /// A block is made after so long without a commit, in milliseconds; 0 is never.
    pub heartbeat_ms: u64,
    /// A block whose time is further ahead of a voter's clock is refused, in milliseconds.
    pub max_time_ahead_ms: u64,
}

impl Default for ConsensusParams {
    fn default() -> Self {
        Self {
            max_block_bytes: 2 << 20,
            max_block_txs: 5_000,
            max_tx_bytes: 64 << 10,
            max_unexecuted_blocks: 8,
            timeout_min_ms: 500,
            timeout_base_max_ms: 4_000,
            timeout_max_ms: 16_000,
            repeat_interval_ms: 500,
            heartbeat_ms: 0,
            max_time_ahead_ms: 10_000,
        }
    }
}

/// A parameter out of its bounds.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("parameter {field} is {value}, must be {bounds}")]
pub struct ParamError {
    /// The parameter's name.
    pub field: &'static str,
    /// What it was.
    pub value: u64,
    /// What it may be.
    pub bounds: String,
}

impl ConsensusParams {
    /// The most that [`Self::max_block_bytes`] may be, in any epoch.
    pub const MAX_BLOCK_BYTES: u32 = 8 << 20;
    /// The most that [`Self::max_block_txs`] may be.
    pub const MAX_BLOCK_TXS: u32 = 20_000;
    /// The most that [`Self::max_tx_bytes`] may be.
    pub const MAX_TX_BYTES: u32 = 1 << 20;

    /// Whether each parameter is within its bounds and fits the others.
    pub fn validate(&self) -> Result<(), ParamError> {
        let check = |field, value: u64, low: u64, high: u64| {
            if (low..=high).contains(&value) {
                Ok(())
            } else {
                Err(ParamError { field, value, bounds: format!("from {low} to {high}") })
            }
        };
        check("max_tx_bytes", self.max_tx_bytes.into(), 1, Self::MAX_TX_BYTES.into())?;
        let most = Self::MAX_BLOCK_BYTES.into();
        check("max_block_bytes", self.max_block_bytes.into(), self.max_tx_bytes.into(), most)?;
        check("max_block_txs", self.max_block_txs.into(), 1, Self::MAX_BLOCK_TXS.into())?;
        check("max_unexecuted_blocks", self.max_unexecuted_blocks.into(), 0, 100)?;
        check("timeout_min_ms", self.timeout_min_ms, 1, 60_000)?;
        check("timeout_base_max_ms", self.timeout_base_max_ms, self.timeout_min_ms, 600_000)?;
        check("timeout_max_ms", self.timeout_max_ms, self.timeout_base_max_ms, 3_600_000)?;
        check("repeat_interval_ms", self.repeat_interval_ms, 1, 60_000)?;
        check("heartbeat_ms", self.heartbeat_ms, 0, 86_400_000)?;
        check("max_time_ahead_ms", self.max_time_ahead_ms, 1, 3_600_000)
    }
}
