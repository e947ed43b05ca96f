//! The command line: one file per command.
//!
//! Exit codes: 0 done, 1 failed, 2 wrong usage. With `--json` the last line on standard output is one JSON object, `{"error": …}` if
//! the command failed. Wrong usage is told on standard error only, also with `--json`.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use althing_ledger::asset::{Address, AddressError, Role};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use serde_json::json;

use crate::{application::Own, home::Home};

mod audit;
mod bench;
mod evidence;
mod init;
mod keys;
mod light;
mod logs;
mod node_arg;
mod output;
mod passphrase;
mod policy_file;
mod query;
mod start;
mod status;
#[cfg(test)]
mod testing;
mod testnet;
mod tx;
mod validator;
mod version;
mod with;

use output::Output;

/// What ends a command with exit code 1: said to the user as it is.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A permissioned BFT blockchain node.
#[derive(Debug, Parser)]
#[command(name = "althing", version, propagate_version = true)]
struct Cli {
    /// The node's directory [default: ~/.althing]
    #[arg(long, global = true, env = "ALTHING_HOME", value_name = "DIR")]
    home: Option<PathBuf>,
    /// Print one JSON object
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a home: keys, configuration, and a genesis document if none is given
    Init(init::Args),
    /// Run the node
    Start(start::Args),
    /// Run a chain of several validators on this machine
    Testnet(testnet::Args),
    /// Measure a chain of several validators on this machine under a load, beside what the machine can do
    Bench(Box<bench::Args>),
    /// Make and show keys
    #[command(subcommand)]
    Keys(keys::Command),
    /// Make, submit and show transactions
    #[command(subcommand)]
    Tx(Box<tx::Command>),
    /// Show the validators, and propose changes of them to the members
    #[command(subcommand)]
    Validator(Box<validator::Command>),
    /// What blocks prove of validators that contradicted themselves
    #[command(subcommand)]
    Evidence(evidence::Command),
    /// Ask a node about the chain
    #[command(subcommand)]
    Query(query::Command),
    /// Proofs for those who have no chain
    #[command(subcommand)]
    Light(light::Command),
    /// Compare two chains of one genesis: where they part, and which validators must have misbehaved
    ///
    /// Takes exports of nodes that do not agree (`althing audit export`); further ones may hold what these lack. Ends with 1 if the chains
    /// part, with 0 if nothing shows that they do.
    Audit(audit::Args),
    /// Show where a node stands
    Status(status::Args),
    /// Show the version
    Version,
}

/// Runs the command that the process's arguments name.
pub fn main() -> ExitCode {
    main_with(&[])
}

/// As [`main`], for a program with applications of its own: they are kinds for its `start`, and for its `testnet`, where the first is
/// what runs if none is named.
///
/// ```no_run
/// # use std::sync::Arc;
/// # use althing_ledger::kv::KeyValue;
/// use althing_node::application::Own;
///
/// fn main() -> std::process::ExitCode {
///     althing_node::cli::main_with(&[Own {
///         kind: "mine",
///         about: "An application of my own",
///         genesis_state: "{}",
///         open: |files, kept_heights| Ok(Arc::new(KeyValue::open(files, kept_heights)?)),
///         transaction: |number| number.to_le_bytes().to_vec(),
///     }])
/// }
/// ```
pub fn main_with(own: &'static [Own]) -> ExitCode {
    // Wrong usage ends here, with exit code 2.
    let cli = Cli::from_arg_matches(&testnet::with_kinds(Cli::command(), own).get_matches());
    let cli = cli.unwrap_or_else(|wrong| wrong.exit());
    let output = Output::new(cli.json);
    match run(cli, own, &output) {
        Ok(code) => code,
        Err(failure) => {
            let text = chain(&*failure);
            output.error(&text);
            if output.is_json() {
                output.object(&json!({ "error": text }));
            }
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli, own: &'static [Own], output: &Output) -> Result<ExitCode, Failure> {
    let home = || home(cli.home.clone());
    match cli.command {
        Command::Init(args) => init::run(args, &home()?, output),
        Command::Start(args) => start::run(&args, &home()?, own),
        Command::Testnet(args) => testnet::run(args, output),
        Command::Bench(args) => bench::run(*args, output),
        Command::Keys(command) => keys::run(command, output),
        Command::Tx(command) => wait_for(tx::run(*command, output)),
        Command::Validator(command) => wait_for(validator::run(*command, output)),
        Command::Evidence(command) => wait_for(evidence::run(command, output)),
        Command::Query(command) => wait_for(query::run(command, output)),
        Command::Light(command) => wait_for(light::run(command, output)),
        Command::Audit(args) => wait_for(audit::run(args, home, output)),
        Command::Status(args) => wait_for(status::run(args, output)),
        Command::Version => Ok(version::run(output)),
    }
}

fn home(given: Option<PathBuf>) -> Result<Home, Failure> {
    let default = || std::env::home_dir().map(|directory| directory.join(".althing"));
    let path = given.or_else(default).ok_or("there is no home directory: say --home DIR")?;
    Ok(Home::new(path))
}

/// An address; who gives a file instead is told how to get one from it.
fn address(text: &str) -> Result<Address, String> {
    text.parse().map_err(|error: AddressError| match Path::new(text).is_file() {
        true => {
            format!("a file, not an address: `althing keys address {text}` prints that of a key or policy")
        }
        false => error.to_string(),
    })
}

/// A role by its name.
fn role(text: &str) -> Result<Role, String> {
    let named = Role::ALL.into_iter().find(|role| role.name() == text);
    named.ok_or_else(|| format!("no role: they are {}", Role::ALL.map(Role::name).join(", ")))
}

/// Runs a command that talks to a node.
fn wait_for(command: impl Future<Output = Result<ExitCode, Failure>>) -> Result<ExitCode, Failure> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(command)
}

/// An error and what caused it, each said once.
fn chain(failure: &(dyn std::error::Error + 'static)) -> String {
    let mut text = failure.to_string();
    let mut cause = failure.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_fit_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_a_description_of_its_own() {
        fn look(command: &clap::Command, seen: &mut std::collections::BTreeMap<String, String>) {
            for one in command.get_subcommands() {
                let about = one.get_about().unwrap_or_else(|| panic!("{} says nothing", one.get_name()));
                let before = seen.insert(about.to_string(), one.get_name().to_owned());
                assert_eq!(before, None, "{} says what another command says: {about}", one.get_name());
                look(one, seen);
            }
        }
        look(&Cli::command(), &mut std::collections::BTreeMap::new());
    }

    #[test]
    fn wrong_usage_has_exit_code_2() {
        for arguments in [
            &["althing"][..],
            &["althing", "fly"],
            &["althing", "tx", "transfer"],
            &["althing", "tx", "transfer", "--from", "k", "--to", "al1qq", "--amount", "5"],
            &["althing", "status", "--node", "localhost"],
            &["althing", "start", "--set", "foo"],
            &["althing", "tx", "show", "00"],
            &["althing", "tx", "show", "AQ=="],
            &["althing", "tx", "broadcast", "!!"],
            &["althing", "tx", "broadcast", "AQ==", "--wait", "--timeout", "0"],
            &["althing", "validator", "power", "v", "--dry-run"],
            &["althing", "validator", "remove", "v"],
            &["althing", "validator", "reinstate", "--dry-run"],
            &["althing", "evidence", "list", "--limit", "0"],
            &["althing", "evidence"],
            &["althing", "validator", "change", "--dry-run"],
            &["althing", "validator", "change", "--do", "fly", "--dry-run"],
            &["althing", "audit", "one", "--genesis", "g"],
            &["althing", "audit", "one", "two"],
            &["althing", "audit", "export"],
            &["althing", "light", "export"],
            &["althing", "light", "export", "--out", "f", "--state", "balance"],
            &["althing", "light", "export", "--out", "f", "--height", "0"],
            &["althing", "light", "verify", "f"],
            &["althing", "light", "verify", "f", "--trusted", "5"],
            &["althing", "bench", "--rate", "fast"],
            &["althing", "bench", "--accounts", "3"],
            &["althing", "bench", "--param", "max_block_txs"],
            &["althing", "bench", "--keys", "k"],
            &["althing", "bench", "--rpc", "http://localhost:1", "--validators", "4"],
            &["althing", "bench", "--base-port", "65530"],
            &["althing", "bench", "--workload", "empty", "--plot", "p.svg"],
            &["althing", "testnet", "--validators", "0"],
            &["althing", "testnet", "--blocks", "5", "--tx-rate", "0"],
            &["althing", "testnet", "--base-port", "65530"],
        ] {
            let error = Cli::try_parse_from(arguments).map_err(|error| error.exit_code()).and_then(|cli| {
                match cli.command {
                    Command::Testnet(args) => args.check().map_err(|error| error.exit_code()),
                    Command::Bench(args) => args.check().map_err(|error| error.exit_code()),
                    _ => Ok(()),
                }
            });
            assert_eq!(error, Err(2), "{arguments:?}");
        }
    }
}
