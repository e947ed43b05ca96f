//! What is to be measured.

use std::{fmt, num::NonZeroU32, path::PathBuf, str::FromStr, time::Duration};

use super::Delay;
use crate::{client::NodeUrl, new_chain::Kind};

/// What the chain is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Workload {
    /// Signed transfers between many accounts of the asset ledger
    Transfer,
    /// The writing transactions of SmallBank, as transfers of the asset ledger
    Smallbank,
    /// Updates and inserts of the key-value sample, some keys more often than others, as in YCSB
    Kv,
    /// 512 random bytes each, to an application that only counts them: no signatures, nothing executed
    Opaque,
    /// Blocks without transactions, as fast as they come
    Empty,
}

impl Workload {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Transfer => "transfer",
            Self::Smallbank => "smallbank",
            Self::Kv => "kv",
            Self::Opaque => "opaque",
            Self::Empty => "empty",
        }
    }

    /// What runs on the chain.
    pub(super) fn application(self) -> Kind {
        match self {
            Self::Transfer | Self::Smallbank => Kind::Ledger,
            Self::Kv => Kind::Kv,
            Self::Opaque | Self::Empty => Kind::Noop,
        }
    }

    /// Signatures in a hundred transactions, which each validator has to check.
    pub(super) fn signatures_per_100(self) -> u32 {
        match self {
            Self::Transfer => 100,
            // One in five has two.
            Self::Smallbank => 120,
            Self::Kv | Self::Opaque | Self::Empty => 0,
        }
    }
}

/// How fast transactions come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rate {
    /// So many a second, over all validators, whatever becomes of them.
    Fixed(NonZeroU32),
    /// The highest at which the 99th percentile of the latency stays within the bound: it is searched for.
    Max,
    /// As many as are taken while so many are under way.
    Saturate,
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "max" => Ok(Self::Max),
            "saturate" => Ok(Self::Saturate),
            number => number.parse().map(Self::Fixed).map_err(|_| {
                format!("{number:?} is no rate: say how many transactions a second, or max, or saturate")
            }),
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(rate) => write!(f, "{rate}"),
            Self::Max => f.write_str("max"),
            Self::Saturate => f.write_str("saturate"),
        }
    }
}

/// One measurement.
#[derive(Debug, Clone)]
pub struct Options {
    /// What the chain is asked to do.
    pub workload: Workload,
    /// How many validators are started, if none is joined.
    pub validators: u16,
    /// How long it counts.
    pub duration: Duration,
    /// How long the load runs before.
    pub warm_up: Duration,
    /// How fast transactions come.
    pub rate: Rate,
    /// Accounts, or keys.
    pub accounts: usize,
    /// What a search keeps the 99th percentile within.
    pub p99_bound: Duration,
    /// Transactions under way at [`Rate::Saturate`].
    pub in_flight: usize,
    /// Nodes of a chain that runs already.
    pub join: Vec<NodeUrl>,
    /// The key files of funded accounts of that chain.
    pub keys: Option<PathBuf>,
    /// Where the homes are; without it, a directory that is removed afterwards.
    pub dir: Option<PathBuf>,
    /// The first validator listens on this + 6 and + 7, the next on 10 above.
    pub base_port: u16,
    /// Consensus parameters other than the usual ones.
    pub params: Vec<(String, u64)>,
    /// Keys of the nodes' configuration other than the usual ones, as `KEY=VALUE`.
    pub settings: Vec<String>,
    /// How far the validators are from one another.
    pub delay: Option<Delay>,
    /// When one validator is killed, from the begin of the time that counts.
    pub kill_at: Option<Duration>,
    /// Bytes of an opaque transaction or of a value, other than the usual ones.
    pub tx_bytes: Option<usize>,
    /// Whether a throughput-latency curve is measured as well.
    pub sweep: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_number_or_a_word() {
        assert_eq!("200".parse(), Ok(Rate::Fixed(NonZeroU32::new(200).unwrap())));
        assert_eq!(("max".parse(), "saturate".parse()), (Ok(Rate::Max), Ok(Rate::Saturate)));
        for wrong in ["0", "-1", "fast", ""] {
            assert!(wrong.parse::<Rate>().is_err(), "{wrong}");
        }
    }
}
