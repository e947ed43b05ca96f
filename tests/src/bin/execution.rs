//! Measures how fast the asset ledger executes blocks, durably, beside what the bare store writes.

#![allow(clippy::print_stdout, clippy::float_arithmetic)]

use std::path::PathBuf;
use std::process::{self, ExitCode};

use althing_tests::execution::{BLOCK, Bench, Failure, Taken, bare_store, bytes_in};
use althing_tests::processes::{memory_kib, peak_memory_kib};
use clap::Parser;
use serde_json::{Value, json};

/// Executes blocks of 2,000 transfers between random accounts on one thread, each durable before the next, and then writes batches of
/// 2,000 keys to a redb without anything else. Signatures are not checked, as a node does that before. Exit code 1: something failed.
#[derive(Parser)]
struct Arguments {
    /// Accounts with a balance.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    accounts: u64,
    /// Blocks measured, after five that are not.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..))]
    blocks: u64,
    /// Where a temporary directory is made; the disk that is measured.
    #[arg(long, value_name = "DIR")]
    under: Option<PathBuf>,
    /// Ends with one JSON object.
    #[arg(long)]
    json: bool,
}

/// Blocks before those that are measured.
const WARM_UP: u64 = 5;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match measure(&arguments) {
        Ok(row) => {
            println!("blocks of {BLOCK} transfers, one thread, no signatures checked, each block synced:");
            for (name, value) in row.as_object().into_iter().flatten() {
                println!("{name:>40}  {value}");
            }
            if arguments.json {
                println!("{row}");
            }
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

fn measure(arguments: &Arguments) -> Result<Value, Failure> {
    let Arguments { accounts, blocks, .. } = *arguments;
    let home = match &arguments.under {
        Some(under) => tempfile::tempdir_in(under)?,
        None => tempfile::tempdir()?,
    };
    let (state, store) = (home.path().join("state"), home.path().join("store.redb"));
    std::fs::create_dir(&state)?;
    let mut bench = Bench::new(&state, accounts, |done| eprintln!("{done} of {accounts} accounts funded"))?;
    for _ in 0..WARM_UP {
        bench.block()?;
    }
    let mut transfers = Taken::default();
    for n in 1..=blocks {
        transfers += bench.block()?;
        if n % 25 == 0 {
            eprintln!("{n} of {blocks} blocks, {:.0} transfers/s", per_second(n, transfers.clock));
        }
    }
    let memory = |kib: Option<u64>| kib.map(|kib| kib * 1024 / 1_000_000);
    let rss = memory(memory_kib(process::id()));
    let peak = memory(peak_memory_kib(process::id()));
    let bytes = bytes_in(&state)?;
    let opening = bench.reopen(&state)?;
    eprintln!("writing to the bare store");
    let keys = bare_store(&store, blocks)?;
    let clock = per_second(blocks, transfers.clock);
    Ok(json!({
        "transfers_per_second": clock.round(),
        "share_of_store": rounded(clock / per_second(blocks, keys.clock)),
        "rss_mb": rss,
        "accounts": accounts,
        "peak_rss_mb": peak,
        "threads": 1,
        "blocks": blocks,
        "store_keys_per_second": per_second(blocks, keys.clock).round(),
        "transfers_per_processor_second": per_second(blocks, transfers.processor).round(),
        "store_keys_per_processor_second": per_second(blocks, keys.processor).round(),
        "restart_seconds": rounded(opening.clock.as_secs_f64()),
        "restart_processor_seconds": rounded(opening.processor.as_secs_f64()),
        "disk_mb": bytes / 1_000_000,
    }))
}

fn per_second(blocks: u64, time: std::time::Duration) -> f64 {
    (blocks * BLOCK) as f64 / time.as_secs_f64()
}

fn rounded(number: f64) -> f64 {
    (number * 1_000.0).round() / 1_000.0
}
