//! An ABCI 2.0 application for tests of the node: its hash chains all that it executed.

use std::{os::unix::net::UnixListener, path::PathBuf, process::ExitCode, sync::Arc};

use althing_tests::abci::{Death, HashChain, serve};
use clap::Parser;

/// Serves an application whose hash chains every height and transaction, with its state in a file.
#[derive(Parser)]
struct Arguments {
    /// The path of the socket to listen at.
    #[arg(long, value_name = "PATH")]
    listen: PathBuf,
    /// The file with the state.
    #[arg(long, value_name = "FILE")]
    state: PathBuf,
    /// Ends at the commit of this many blocks, before anything is done for it.
    #[arg(long, value_name = "N", conflicts_with = "die_after_commit")]
    die_before_commit: Option<u64>,
    /// Ends at the commit of this many blocks, before it is answered.
    #[arg(long, value_name = "N")]
    die_after_commit: Option<u64>,
}

fn main() -> ExitCode {
    let Arguments { listen, state, die_before_commit, die_after_commit } = Arguments::parse();
    let death = die_before_commit.map(Death::BeforeCommit).or(die_after_commit.map(Death::AfterCommit));
    let served = || serve(&(Arc::new(HashChain::open(&state, death)?) as _), &UnixListener::bind(&listen)?);
    match served() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {} or {}: {error}", state.display(), listen.display());
            ExitCode::FAILURE
        }
    }
}
