//! Changes the members of a running chain under load, with real processes, and looks whether anything was lost.

#![allow(clippy::print_stdout)]

use std::process::ExitCode;

use althing_tests::members::{Change, Summary, run};
use clap::Parser;

/// Starts four validators, adds a fifth, changes a vote key and a power, removes one validator and kills another one of the first, while
/// clients go on sending. Then looks for every transfer on the chain. Exit code 1: one was lost or executed twice, nodes disagree, or a
/// change cost more than two views.
#[derive(Parser)]
struct Arguments {
    /// Transfers per second.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rate: u32,
    /// Ends with one JSON object.
    #[arg(long)]
    json: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let begun = std::time::Instant::now();
    let summary =
        run(arguments.rate, |what| eprintln!("{:5.1} s  {what}", begun.elapsed().as_secs_f32())).await;
    let Summary { height, sent, lost, doubled, block_interval_ms, .. } = &summary;
    println!(
        "{sent} transfers sent in {height} blocks, {lost} lost, {doubled} executed twice; a block every {block_interval_ms} ms"
    );
    for Change { what, epoch, ended_at, views_lost, pause_ms, .. } in &summary.changes {
        println!(
            "epoch {epoch} after height {ended_at}: {what}; {views_lost} views lost, next block after {pause_ms} ms"
        );
    }
    let violations = summary.violations();
    violations.iter().for_each(|what| eprintln!("VIOLATION: {what}"));
    if arguments.json {
        println!("{}", serde_json::to_string(&summary).expect("no maps"));
    }
    if violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
