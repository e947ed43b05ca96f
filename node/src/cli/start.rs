//! `althing start`

use std::{io, process::ExitCode, sync::Arc, thread};

use althing_genesis::Genesis;
use clap::Args as ClapArgs;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::oneshot,
};

use super::{Failure, logs};
use crate::{application, config::NodeConfig, home::Home, run::start as start_node};

#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// Override a key of the configuration: rpc.listen=127.0.0.1:26657
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Stop when standard input ends: for a parent that may be killed
    #[arg(long, hide = true)]
    stop_with_stdin: bool,
}

pub(super) fn run(args: &Args, home: &Home) -> Result<ExitCode, Failure> {
    let config = NodeConfig::load(home, &args.set)?;
    logs::start(&config.log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(until_stopped(config, args.stop_with_stdin))?;
    Ok(ExitCode::SUCCESS)
}

async fn until_stopped(config: NodeConfig, with_stdin: bool) -> Result<(), Failure> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let kind = Genesis::read(&config.home.genesis_file())?.application_kind().to_owned();
    let mut node = start_node(config, move |state| application::open(&kind, Arc::new(state))).await?;
    let why = tokio::select! {
        ended = node.ended() => return Ok(ended?),
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
        () = end_of_stdin(with_stdin) => "the end of standard input",
    };
    tracing::info!("stopping on {why}");
    Ok(node.stop().await?)
}

/// On a thread of its own, since no read of standard input can be given up: the process ends without it.
async fn end_of_stdin(awaited: bool) {
    if !awaited {
        return std::future::pending().await;
    }
    let (ended, end) = oneshot::channel::<()>();
    thread::spawn(move || {
        // Whatever is written is ignored; an unreadable input has ended, too.
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        drop(ended);
    });
    drop(end.await);
}
