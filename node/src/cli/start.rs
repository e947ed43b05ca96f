//! `althing start`

use std::{io, process::ExitCode, thread};

use althing_genesis::Genesis;
use clap::Args as ClapArgs;
use tokio::sync::oneshot;

use super::{Failure, logs};
use crate::{
    application::{self, Own},
    config::{ConfigError, NodeConfig},
    home::Home,
    run::{run_until, signalled},
};

#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// Override a key of the configuration: rpc.listen=127.0.0.1:26657
    #[arg(long, value_name = "KEY=VALUE", value_parser = setting)]
    set: Vec<String>,
    /// Stop when standard input ends: for a parent that may be killed
    #[arg(long, hide = true)]
    stop_with_stdin: bool,
}

fn setting(text: &str) -> Result<String, ConfigError> {
    if text.contains('=') { Ok(text.to_owned()) } else { Err(ConfigError::Flag(text.to_owned())) }
}

pub(super) fn run(args: &Args, home: &Home, own: &'static [Own]) -> Result<ExitCode, Failure> {
    let config = NodeConfig::load(home, &args.set)?;
    logs::start(&config.log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().thread_name("p2p").enable_all().build()?;
    runtime.block_on(until_stopped(config, own, args.stop_with_stdin))?;
    Ok(ExitCode::SUCCESS)
}

async fn until_stopped(config: NodeConfig, own: &'static [Own], with_stdin: bool) -> Result<(), Failure> {
    let signalled = signalled()?;
    let kind = Genesis::read(&config.home.genesis_file())?.application_kind().to_owned();
    let stop = async {
        tokio::select! {
            () = signalled => {}
            () = end_of_stdin(with_stdin) => tracing::info!("end of standard input: stopping"),
        }
    };
    let settings = config.clone();
    Ok(run_until(config, move |state| application::open(&kind, own, state, &settings), stop).await?)
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
