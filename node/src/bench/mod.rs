//! `althing bench`: a chain under a load, measured, beside what the machine itself can do. `docs/benchmarks.md` says what each figure is.
//!
//! | file | holds |
//! |---|---|
//! | `options` | what is to be measured |
//! | `accounts`, `workload` | the transactions |
//! | `chain` | the validators, started here or joined |
//! | `delay` | a wide area between them |
//! | `load` | handing transactions in when they are due |
//! | `follow` | seeing them executed |
//! | `window` | what happened in the time that counts |
//! | `machine` | signatures, disk and store, without a chain |
//! | `processes`, `metrics` | what the system and the nodes say of themselves |
//! | `search` | the highest rate within a bound |
//! | `session` | from the first process to the report |
//! | `ratios` | what the chain took over what the machine would take |
//! | `report`, `plot` | what is told |

// Figures for people: nothing here reaches a block.
#![allow(clippy::float_arithmetic)]

mod accounts;
mod chain;
mod delay;
mod follow;
mod load;
mod machine;
mod metrics;
mod options;
mod plot;
mod processes;
mod ratios;
mod report;
mod search;
mod session;
mod window;
mod workload;

pub use delay::Delay;
pub use options::{Options, Rate, Workload};
pub use plot::svg;
pub use ratios::Ratios;
pub use report::{Kill, LatencyMs, Report, Step, TwoMs};
pub use session::run;

use crate::{client::ClientError, testnet::TestnetError};

/// Why nothing was measured.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The validators.
    #[error(transparent)]
    Testnet(#[from] TestnetError),
    /// A node did not answer.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// An account's key cannot be read.
    #[error(transparent)]
    Key(#[from] althing_crypto::key_file::KeyFileError),
    /// The disk on which the machine is measured.
    #[error(transparent)]
    Store(#[from] crate::storage::StoreError),
    /// The options do not fit together, or not the chain.
    #[error("{0}")]
    Options(String),
    /// The chain did not do what is waited for.
    #[error("{0}")]
    Stalled(String),
    /// The system refused something else.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}
