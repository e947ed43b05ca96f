//! A chain of several validators on this machine, each a process of its own, under a load of transfers.
//!
//! | file | holds |
//! |---|---|
//! | `layout` | the homes, accounts and ports |
//! | `app_command` | how an application's process is started |
//! | `process` | one process: a validator, or its application |
//! | `load` | transfers at a steady rate, and how long they take |
//! | `latencies` | durations counted |
//! | `monitor` | where the validators stand, and the live lines |
//! | `session` | from the first process to the summary |

use std::{path::PathBuf, time::Duration};

mod app_command;
mod latencies;
mod layout;
mod load;
mod monitor;
mod process;
mod session;

pub use app_command::AppCommand;
pub use layout::Layout;
pub use session::{LatencyMs, Summary, run};
pub(crate) use {layout::Extras, process::Process, session::interruption};

use crate::{client::ClientError, home::HomeError, new_chain::Kind};

/// What chain to run, and for how long: until interrupted if neither `blocks` nor `duration` is given.
#[derive(Debug, Clone)]
pub struct Options {
    /// How many validators.
    pub validators: u16,
    /// What runs on them.
    pub app: Kind,
    /// Starts the application of one validator, if it is a process of its own.
    pub app_command: Option<AppCommand>,
    /// Where the homes are; those already there are used. Without it, a directory that is removed afterwards.
    pub dir: Option<PathBuf>,
    /// The first validator listens on this + 6 and + 7, the next on 10 above.
    pub base_port: u16,
    /// Transfers per second over all validators.
    pub tx_rate: u32,
    /// End once every validator has executed so many blocks.
    pub blocks: Option<u64>,
    /// End after this time.
    pub duration: Option<Duration>,
}

/// Why a local chain could not run.
#[derive(Debug, thiserror::Error)]
pub enum TestnetError {
    /// A home could not be written.
    #[error(transparent)]
    Home(#[from] HomeError),
    /// There is something in the directory for a new chain.
    #[error("{path} exists already; choose another --dir", path = .0.display())]
    Exists(PathBuf),
    /// The directories already there are not this chain's.
    #[error("{dir}: {reason}", dir = dir.display())]
    Directory {
        /// Where.
        dir: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// An account's key cannot be read.
    #[error(transparent)]
    Key(#[from] althing_crypto::key_file::KeyFileError),
    /// The document made is not acceptable.
    #[error(transparent)]
    Genesis(#[from] althing_genesis::GenesisError),
    /// A process could not be started.
    #[error("{name} cannot be started: {source}")]
    Start {
        /// The validator.
        name: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A process ended by itself.
    #[error("{name} ended by itself: {status}; the end of its log {log}:\n{tail}", log = log.display())]
    Ended {
        /// The validator.
        name: String,
        /// How it ended.
        status: String,
        /// Its log.
        log: PathBuf,
        /// The last lines of it.
        tail: String,
    },
    /// The validators did not come up, or stopped making blocks.
    #[error("{reason}; the ends of the logs:\n{tails}")]
    Stalled {
        /// What did not happen in which time.
        reason: String,
        /// The last lines of each log.
        tails: String,
    },
    /// Interrupted before there was anything to sum up.
    #[error("interrupted before the validators were up")]
    Interrupted,
    /// A validator did not answer.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The system refused something else.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}
