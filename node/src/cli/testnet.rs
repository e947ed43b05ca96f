//! `althing testnet` and `althing testnet init`

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::{
    Arg, Args as ClapArgs, CommandFactory, Subcommand,
    builder::{PossibleValue, PossibleValuesParser, TypedValueParser},
    error::ErrorKind,
};
use serde_json::json;

use super::{Cli, Failure, Output};
use crate::{
    application::Own,
    new_chain::Kind,
    testnet::{self, AppCommand, Layout, Options},
};

/// Ports of one validator: so many apart from the next one's.
const MAX_VALIDATORS: u16 = 100;

#[derive(Debug, ClapArgs)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    chain: Chain,
    /// Transfers per second, over all validators together
    #[arg(long, value_name = "R", default_value_t = 10)]
    tx_rate: u32,
    /// End once every validator has executed so many blocks
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    blocks: Option<u64>,
    /// End after this time
    #[arg(long = "for", value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    seconds: Option<u64>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write the homes and accounts of a chain, and start nothing
    Init(Chain),
}

#[derive(Debug, Clone, ClapArgs)]
struct Chain {
    /// How many
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=i64::from(MAX_VALIDATORS)))]
    validators: u16,
    /// What runs on them
    #[arg(long, default_value = "ledger", value_parser = kind(&[]))]
    app: Kind,
    /// With --app abci: the command that starts a validator's application; {address} stands for where it is to listen
    /// (unix:///PATH), {path} for PATH
    #[arg(long, value_name = "CMD")]
    app_command: Option<AppCommand>,
    /// Where the homes and accounts are [default: a new directory for temporary files, removed afterwards]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Validator i listens for peers on P + 10i + 6 and for JSON-RPC on P + 10i + 7
    #[arg(long, value_name = "P", default_value_t = 26650)]
    base_port: u16,
}

/// An application by its name.
fn kind(own: &'static [Own]) -> impl TypedValueParser<Value = Kind> {
    let names = Kind::all(own).map(|kind| PossibleValue::new(kind.name()).help(kind.about()));
    PossibleValuesParser::new(names)
        .try_map(|name| Kind::of(&name, own).ok_or("there is no such application"))
}

/// The command line of a program with these applications of its own.
pub(super) fn with_kinds(command: clap::Command, own: &'static [Own]) -> clap::Command {
    let app = move |arg: Arg| match own.first() {
        Some(first) => arg.value_parser(kind(own)).default_value(first.kind),
        None => arg,
    };
    command.mut_subcommand("testnet", |testnet| {
        testnet.mut_arg("app", app).mut_subcommand("init", |init| init.mut_arg("app", app))
    })
}

impl Args {
    /// What the parser alone cannot see.
    pub(super) fn check(&self) -> Result<(), clap::Error> {
        let wrong = |text: String| Err(Cli::command().error(ErrorKind::ValueValidation, text));
        let chain = match &self.command {
            Some(Command::Init(chain)) => chain,
            None => &self.chain,
        };
        let last = u32::from(chain.base_port) + 10 * (u32::from(chain.validators) - 1) + 7;
        if last > u32::from(u16::MAX) {
            return wrong(format!(
                "--base-port {}: the last validator's port would be {last}",
                chain.base_port
            ));
        }
        if self.tx_rate == 0 && self.blocks.is_some_and(|blocks| blocks > 1) {
            return wrong("--blocks needs a --tx-rate above 0: a chain at rest makes no blocks".to_owned());
        }
        match (chain.app, &self.command, &chain.app_command) {
            (Kind::Abci, None, None) => {
                return wrong(
                    "--app abci needs --app-command 'CMD {address}', which starts the application".to_owned(),
                );
            }
            (Kind::Abci, _, _) | (_, _, None) => {}
            (app, _, Some(_)) => {
                return wrong(format!(
                    "--app-command is for --app abci: {} runs in the node itself",
                    app.name()
                ));
            }
        }
        match &self.command {
            Some(Command::Init(chain)) if chain.dir.is_none() => {
                wrong("testnet init needs --dir DIR".to_owned())
            }
            _ => Ok(()),
        }
    }
}

pub(super) fn run(args: Args, output: &Output) -> Result<ExitCode, Failure> {
    if let Err(wrong) = args.check() {
        wrong.exit();
    }
    if let Some(Command::Init(Chain { validators, app, dir: Some(dir), base_port, app_command: _ })) =
        args.command
    {
        let layout = Layout::new(dir, validators, base_port, app);
        layout.write()?;
        let homes: Vec<_> = layout.homes().map(|home| home.path().to_owned()).collect();
        let text = homes.iter().map(|home| format!("althing start --home {}", home.display()));
        let text = text.collect::<Vec<_>>().join("\n");
        let nodes: Vec<_> = layout.nodes().map(|node| node.to_string()).collect();
        output.result(&json!({ "homes": homes, "accounts": layout.accounts_dir(), "nodes": nodes }), text);
        return Ok(ExitCode::SUCCESS);
    }
    let options = Options {
        validators: args.chain.validators,
        app: args.chain.app,
        app_command: args.chain.app_command,
        dir: args.chain.dir,
        base_port: args.chain.base_port,
        tx_rate: args.tx_rate,
        blocks: args.blocks,
        duration: args.seconds.map(Duration::from_secs),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let summary = runtime.block_on(testnet::run(options))?;
    output.result(&serde_json::to_value(&summary)?, &summary);
    // Validators that disagree are the one thing that must not look like success.
    Ok(if summary.agree { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
