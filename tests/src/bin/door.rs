//! Looks whether many clients can hurt a chain, with real processes: readers by the thousand, and subscribers that hardly read.

#![allow(clippy::print_stdout)]

use std::process::ExitCode;

use althing_tests::door::{Latency, Plan, Summary, run};
use clap::Parser;

/// Starts four validators under a steady rate of transfers: alone, then with the clients, then alone again. Then looks for every transfer
/// on the chain, asks for the status of each, and lets the slow subscribers fill their gaps by cursor. Exit code 1: something
/// acknowledged was lost or executed twice or has another status, a transfer was not acknowledged or not seen to be committed, nodes
/// disagree, a view failed, commits took half as long again with the clients (p99), a read was answered with another error than that the node is
/// busy, a node took more than 512 MiB, a reader with an address of its own was never answered,
/// nobody was told that a node is busy where one client wants more than it may, or a slow subscriber was not told what it missed.
#[derive(Parser)]
struct Arguments {
    /// Clients that read, each as fast as it is answered.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(0..=20_000))]
    clients: u32,
    /// Subscribers that hardly read.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(0..=1_000))]
    slow: u32,
    /// How long they stay; the chain is alone for half of that before, and half of it after.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(2..=3_600))]
    seconds: u64,
    /// Transfers per second.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rate: u32,
    /// For a machine whose times are nobody's measure: the ratio, failed views, reads that came to an error and slow
    /// subscribers that were hung up on before they heard of their gap are no faults.
    #[arg(long)]
    untimed: bool,
    /// Ends with one JSON object.
    #[arg(long)]
    json: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let Arguments { clients, slow, seconds, rate, untimed, json } = Arguments::parse();
    let plan = Plan { clients: clients as usize, slow: slow as usize, seconds, rate };
    let begun = std::time::Instant::now();
    let summary = run(plan, |what| eprintln!("{:5.1} s  {what}", begun.elapsed().as_secs_f32())).await;
    print(&summary);
    let violations = summary.violations(!untimed);
    violations.iter().for_each(|what| eprintln!("VIOLATION: {what}"));
    if json {
        println!("{}", serde_json::to_string(&summary).expect("no maps"));
    }
    if violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn print(summary: &Summary) {
    let Summary { alone, crowded, ratio_percent, visits, .. } = summary;
    let shown = |latency: &Option<Latency>| match latency {
        Some(Latency { p50_ms, p99_ms, .. }) => format!("p50 {p50_ms} ms, p99 {p99_ms} ms"),
        None => "not one was seen".to_owned(),
    };
    let ratio = ratio_percent.map_or(String::new(), |percent| format!(", {percent} %"));
    println!("commit without clients: {}", shown(alone));
    println!("commit with clients:    {}{ratio}", shown(crowded));
    println!("views failed: {}", summary.views_failed);
    let Summary { sent, acknowledged, lost, doubled, untold, .. } = summary;
    println!(
        "transfers: {sent} sent, {acknowledged} acknowledged, {lost} lost, {doubled} executed twice, {untold} with another status"
    );
    println!(
        "requests: {} answered, {} told to come back later, {} other errors; {} readers with addresses of their own never answered",
        visits.answers, visits.busy, visits.errors, visits.never_served
    );
    println!(
        "slow subscribers: {} of {} told of a gap, {} heard of all in the end",
        summary.gaps, summary.slow, summary.complete
    );
    println!("peak memory: {:?} MiB", summary.peak_mib);
    println!("at height {} they {}", summary.height, if summary.agree { "agree" } else { "DISAGREE" });
    summary.faults.iter().for_each(|fault| println!("not seen to be committed: {fault}"));
}
