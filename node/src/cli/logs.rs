//! Where log lines go: to standard error, as `[log]` says.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

use super::Failure;
use crate::config::{LogConfig, LogFormat};

/// What the network's libraries say of the ordinary: that a connection broke, their own name for this node. `[log]` may ask for it.
const QUIET: &str = "error,yamux=error,libp2p_swarm=error";

pub(super) fn start(config: &LogConfig) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(format!("{QUIET},{}", config.level))
        .map_err(|error| format!("configuration: log.level: {:?} is no filter: {error}", config.level))?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    match config.format {
        LogFormat::Text => lines.with_ansi(io::stderr().is_terminal()).try_init(),
        LogFormat::Json => lines.json().try_init(),
    }
}
