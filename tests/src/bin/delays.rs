//! Prints what the protocol costs in message delays, messages, bytes, and signatures of votes that each validator checks.

#![allow(clippy::print_stdout, clippy::float_arithmetic)]

use std::process::ExitCode;

use althing_tests::message_delays::{Costs, measure};
use clap::Parser;
use serde_json::{Value, json};

/// Measures simulated clusters in which every message takes exactly δ and work no time. Exit code 1: a block takes longer than the
/// protocol promises (commit 3δ, period 2δ, 2δ after a timeout certificate).
#[derive(Parser)]
struct Arguments {
    /// Cluster sizes, from 4.
    #[arg(long, value_delimiter = ',', default_values_t = [4, 10, 31, 100], value_parser = clap::value_parser!(u16).range(4..=100))]
    validators: Vec<u16>,
    /// Blocks measured per size.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..))]
    blocks: u64,
    /// Ends with one JSON object.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    println!("validators  commit  period  after a crash  messages/block  bytes/block  checks/block");
    let mut rows = Vec::new();
    for validators in arguments.validators {
        let costs = measure(validators.into(), arguments.blocks);
        let [commit, period, after_crash] = in_deltas(&costs);
        let Costs { messages_per_block, bytes_per_block, .. } = costs;
        let checks = costs.checks_per_block as f64 / 1_000.0;
        println!(
            "{validators:>10} {commit:>6.1}δ {period:>6.1}δ {after_crash:>13.1}δ {messages_per_block:>15} {bytes_per_block:>12} {checks:>13.2}"
        );
        rows.push(costs);
    }
    if arguments.json {
        println!("{}", json!({"rows": rows.iter().map(row).collect::<Vec<_>>()}));
    }
    let kept = |costs: &Costs| in_deltas(costs) == [3.0, 2.0, 2.0];
    if rows.iter().all(kept) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn in_deltas(costs: &Costs) -> [f64; 3] {
    [costs.commit, costs.period, costs.after_crash].map(|thousandths| thousandths as f64 / 1_000.0)
}

fn row(costs: &Costs) -> Value {
    let [commit, period, after_crash] = in_deltas(costs);
    json!({
        "n": costs.validators,
        "commit": commit,
        "period": period,
        "after_crash": after_crash,
        "messages_per_block": costs.messages_per_block,
        "bytes_per_block": costs.bytes_per_block,
        "checks_per_block": costs.checks_per_block as f64 / 1_000.0,
    })
}
