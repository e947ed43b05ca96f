//! `althing bench`

use std::{path::PathBuf, process::ExitCode, time::Duration};

use clap::{Args as ClapArgs, CommandFactory, error::ErrorKind};

use super::{Cli, Failure, Output};
use crate::{
    bench::{self, Delay, Options, Rate, Workload},
    client::NodeUrl,
    config::ConfigError,
};

#[derive(Debug, ClapArgs)]
pub(super) struct Args {
    /// What the chain is asked to do
    #[arg(long, value_enum, default_value_t = Workload::Transfer)]
    workload: Workload,
    /// How many validators are started
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=100))]
    validators: u16,
    /// How long it counts, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    duration: u64,
    /// How long the load runs before that, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 3, value_parser = clap::value_parser!(u64).range(0..=600))]
    warm_up: u64,
    /// Transactions per second over all validators, whatever becomes of them; max: the highest rate that keeps --p99-bound, searched
    /// for; saturate: as many as are taken while --in-flight are under way
    #[arg(long, value_name = "R|max|saturate", default_value = "1000")]
    rate: Rate,
    /// Funded accounts, or keys of the workload kv
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = accounts)]
    accounts: usize,
    /// What --rate max keeps the 99th percentile of the latency within, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..))]
    p99_bound: u64,
    /// Transactions under way with --rate saturate
    #[arg(long, value_name = "N", default_value_t = 8_000)]
    in_flight: u32,
    /// Write throughput against latency to this file, measured at several rates
    #[arg(long, value_name = "FILE.svg")]
    plot: Option<PathBuf>,
    /// Nodes of a chain that runs already, instead of starting validators
    #[arg(long, value_name = "URL,URL", value_delimiter = ',', conflicts_with_all = ["validators", "dir", "base_port", "param", "set", "delay", "kill_one_at"])]
    rpc: Vec<NodeUrl>,
    /// With --rpc: a directory of key files of funded accounts, for the workloads that are signed
    #[arg(long, value_name = "DIR", requires = "rpc")]
    keys: Option<PathBuf>,
    /// Where the homes are; kept [default: a new directory for temporary files, removed afterwards]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Validator i listens for peers on P + 10i + 6 and for JSON-RPC on P + 10i + 7
    #[arg(long, value_name = "P", default_value_t = 26650)]
    base_port: u16,
    /// Put a wide area between the validators: so many milliseconds one way between all, or regions: the delays between five real ones,
    /// to which validators belong in turn
    #[arg(long, value_name = "MS|regions")]
    delay: Option<Delay>,
    /// Kill one validator so many seconds into the time that counts, and compare before and after; with a --rate that is a number.
    /// What would go to it goes to the next one
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    kill_one_at: Option<u64>,
    /// Bytes of an opaque transaction, instead of 512, or of a value of kv, instead of 100
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(16..=65_536))]
    tx_bytes: Option<u32>,
    /// Set a consensus parameter of the chain: max_block_txs=10000
    #[arg(long, value_name = "NAME=N", value_parser = param)]
    param: Vec<(String, u64)>,
    /// Override a key of the validators' configuration: storage.index=false
    #[arg(long, value_name = "KEY=VALUE", value_parser = setting)]
    set: Vec<String>,
}

/// Twenty: the tellers and customers of a bank.
fn accounts(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count) if (20..=1_000_000).contains(&count) => Ok(count),
        _ => Err("from 20 to 1000000".to_owned()),
    }
}

fn param(text: &str) -> Result<(String, u64), String> {
    let parsed = text.split_once('=').and_then(|(name, value)| Some((name.to_owned(), value.parse().ok()?)));
    parsed.ok_or_else(|| "not of the form NAME=N".to_owned())
}

fn setting(text: &str) -> Result<String, ConfigError> {
    if text.contains('=') { Ok(text.to_owned()) } else { Err(ConfigError::Flag(text.to_owned())) }
}

impl Args {
    /// What the parser alone cannot see.
    pub(super) fn check(&self) -> Result<(), clap::Error> {
        let last = u32::from(self.base_port) + 10 * (u32::from(self.validators) - 1) + 7;
        if last > u32::from(u16::MAX) {
            let text = format!("--base-port {}: the last validator's port would be {last}", self.base_port);
            return Err(Cli::command().error(ErrorKind::ValueValidation, text));
        }
        if let Some(at) = self.kill_one_at {
            let wrong = match self.rate {
                _ if self.validators < 4 => "less than four validators stop when one does",
                _ if at >= self.duration => "it must be less than --duration",
                _ if self.workload == Workload::Empty || self.plot.is_some() => {
                    "not with --plot, nor with the workload empty"
                }
                Rate::Max | Rate::Saturate => "say a --rate, in transactions a second",
                Rate::Fixed(_) => "",
            };
            if !wrong.is_empty() {
                let text = format!("--kill-one-at: {wrong}");
                return Err(Cli::command().error(ErrorKind::ValueValidation, text));
            }
        }
        if self.tx_bytes.is_some() && !matches!(self.workload, Workload::Opaque | Workload::Kv) {
            let text = "--tx-bytes is for the workloads opaque and kv";
            return Err(Cli::command().error(ErrorKind::ValueValidation, text));
        }
        if self.workload == Workload::Empty && self.plot.is_some() {
            let text = "--plot: the workload empty has no rates";
            return Err(Cli::command().error(ErrorKind::ValueValidation, text));
        }
        Ok(())
    }
}

pub(super) fn run(args: Args, output: &Output) -> Result<ExitCode, Failure> {
    if let Err(wrong) = args.check() {
        wrong.exit();
    }
    let options = Options {
        workload: args.workload,
        validators: args.validators,
        duration: Duration::from_secs(args.duration),
        warm_up: Duration::from_secs(args.warm_up),
        rate: args.rate,
        accounts: args.accounts,
        p99_bound: Duration::from_millis(args.p99_bound),
        in_flight: args.in_flight.max(1) as usize,
        join: args.rpc,
        keys: args.keys,
        dir: args.dir,
        base_port: args.base_port,
        params: args.param,
        settings: args.set,
        delay: args.delay,
        kill_at: args.kill_one_at.map(Duration::from_secs),
        tx_bytes: args.tx_bytes.map(|bytes| bytes as usize),
        sweep: args.plot.is_some(),
    };
    // One thread: the load is to take little of what the validators want.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = runtime.block_on(bench::run(options))?;
    if let Some(file) = args.plot {
        let title = format!("{}, {} validators", report.workload, report.validators);
        std::fs::write(file, bench::svg(&title, &report.steps))?;
    }
    output.result(&serde_json::to_value(&report)?, &report);
    Ok(ExitCode::SUCCESS)
}
