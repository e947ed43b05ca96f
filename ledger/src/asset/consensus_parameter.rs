//! The consensus parameters as the ledger knows them: what may be proposed of them, so that no node drops what members decided.
//!
//! The bounds are those of the consensus, which this crate does not see; the node's tests hold the two to each other.

use std::fmt;

use althing_crypto::Encoding;
use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use super::Code;
use crate::{ParamUpdates, TxError};

/// A consensus parameter. The order is that of the numbers in the encoding; the genesis document says what each means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "each is the parameter of its name")]
pub enum ConsensusParameter {
    MaxBlockBytes,
    MaxBlockTxs,
    MaxTxBytes,
    MaxUnexecutedBlocks,
    TimeoutMinMs,
    TimeoutBaseMaxMs,
    TimeoutMaxMs,
    RepeatIntervalMs,
    HeartbeatMs,
    MaxTimeAheadMs,
}

/// The most bytes that the transactions of a block may ever have together.
pub(crate) const MAX_BLOCK_BYTES: u32 = 8 << 20;
/// The least bytes that transactions may have: else no proposal could undo it.
const MIN_TX_BYTES: u64 = 8192;

impl ConsensusParameter {
    /// All of them, by number.
    pub const ALL: [Self; 10] = [
        Self::MaxBlockBytes,
        Self::MaxBlockTxs,
        Self::MaxTxBytes,
        Self::MaxUnexecutedBlocks,
        Self::TimeoutMinMs,
        Self::TimeoutBaseMaxMs,
        Self::TimeoutMaxMs,
        Self::RepeatIntervalMs,
        Self::HeartbeatMs,
        Self::MaxTimeAheadMs,
    ];

    /// The name, in snake case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::MaxBlockBytes => "max_block_bytes",
            Self::MaxBlockTxs => "max_block_txs",
            Self::MaxTxBytes => "max_tx_bytes",
            Self::MaxUnexecutedBlocks => "max_unexecuted_blocks",
            Self::TimeoutMinMs => "timeout_min_ms",
            Self::TimeoutBaseMaxMs => "timeout_base_max_ms",
            Self::TimeoutMaxMs => "timeout_max_ms",
            Self::RepeatIntervalMs => "repeat_interval_ms",
            Self::HeartbeatMs => "heartbeat_ms",
            Self::MaxTimeAheadMs => "max_time_ahead_ms",
        }
    }

    /// Its value in `params`, if that says one.
    pub fn of(self, params: &ParamUpdates) -> Option<u64> {
        match self {
            Self::MaxBlockBytes => params.max_block_bytes.map(u64::from),
            Self::MaxBlockTxs => params.max_block_txs.map(u64::from),
            Self::MaxTxBytes => params.max_tx_bytes.map(u64::from),
            Self::MaxUnexecutedBlocks => params.max_unexecuted_blocks.map(u64::from),
            Self::TimeoutMinMs => params.timeout_min_ms,
            Self::TimeoutBaseMaxMs => params.timeout_base_max_ms,
            Self::TimeoutMaxMs => params.timeout_max_ms,
            Self::RepeatIntervalMs => params.repeat_interval_ms,
            Self::HeartbeatMs => params.heartbeat_ms,
            Self::MaxTimeAheadMs => params.max_time_ahead_ms,
        }
    }

    /// Sets it in `params`. What does not fit its type is far above its bounds, and stays so.
    pub fn set(self, params: &mut ParamUpdates, value: u64) {
        let small = u32::try_from(value).unwrap_or(u32::MAX);
        match self {
            Self::MaxBlockBytes => params.max_block_bytes = Some(small),
            Self::MaxBlockTxs => params.max_block_txs = Some(small),
            Self::MaxTxBytes => params.max_tx_bytes = Some(small),
            Self::MaxUnexecutedBlocks => params.max_unexecuted_blocks = Some(small),
            Self::TimeoutMinMs => params.timeout_min_ms = Some(value),
            Self::TimeoutBaseMaxMs => params.timeout_base_max_ms = Some(value),
            Self::TimeoutMaxMs => params.timeout_max_ms = Some(value),
            Self::RepeatIntervalMs => params.repeat_interval_ms = Some(value),
            Self::HeartbeatMs => params.heartbeat_ms = Some(value),
            Self::MaxTimeAheadMs => params.max_time_ahead_ms = Some(value),
        }
    }

    /// The least and the most that it may be beside the others.
    fn bounds(self, params: &ParamUpdates) -> (u64, u64) {
        let at_least = |other: Self, least: u64| other.of(params).unwrap_or(least).max(least);
        match self {
            Self::MaxTxBytes => (MIN_TX_BYTES, 1 << 20),
            Self::MaxBlockBytes => (at_least(Self::MaxTxBytes, MIN_TX_BYTES), MAX_BLOCK_BYTES.into()),
            Self::MaxBlockTxs => (1, 20_000),
            Self::MaxUnexecutedBlocks => (0, 100),
            Self::TimeoutMinMs | Self::RepeatIntervalMs => (1, 60_000),
            Self::TimeoutBaseMaxMs => (at_least(Self::TimeoutMinMs, 1), 600_000),
            Self::TimeoutMaxMs => (at_least(Self::TimeoutBaseMaxMs, 1), 3_600_000),
            Self::HeartbeatMs => (0, 86_400_000),
            Self::MaxTimeAheadMs => (1, 3_600_000),
        }
    }
}

impl fmt::Display for ConsensusParameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whether each of these parameters that is there is within its bounds, and fits the others.
pub fn check_params(params: &ParamUpdates) -> Result<(), TxError> {
    for parameter in ConsensusParameter::ALL {
        let (low, high) = parameter.bounds(params);
        if let Some(value) = parameter.of(params).filter(|value| !(low..=high).contains(value)) {
            let log =
                format!("{parameter} would be {value}, it must be from {low} to {high} beside the others");
            return Err(Code::BadParameter.refusal(log));
        }
    }
    Ok(())
}

/// What of `after` is not as in `before`.
pub(super) fn difference(before: &ParamUpdates, after: &ParamUpdates) -> ParamUpdates {
    let mut changed = ParamUpdates::default();
    for parameter in ConsensusParameter::ALL {
        let value = parameter.of(after);
        if let Some(value) = value.filter(|_| value != parameter.of(before)) {
            parameter.set(&mut changed, value);
        }
    }
    changed
}

/// The record of the parameters that hold.
#[derive(Debug, Clone, PartialEq, Eq, Default, BorshSerialize, BorshDeserialize)]
pub(super) struct Consensus(pub(super) ParamUpdates);

impl Encoding for Consensus {
    const NAME: &'static str = "consensus parameters";
    const VERSION: u8 = 1;
    const MAX_BYTES: usize = 128;
}

pub(super) const KEY: &[u8] = b"n";
