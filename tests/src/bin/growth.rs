//! Prints how the cost of a chain grows: with validators, with the size of transactions, with state, with length.

#![allow(clippy::print_stdout, clippy::float_arithmetic)]

use std::{
    fs::{DirEntry, read_dir},
    path::Path,
    process::{ExitCode, Stdio},
    time::{Duration, Instant},
};

use althing_node::client::{Client, ClientError, NodeUrl, integer};
use althing_tests::{
    message_delays::{Costs, measure},
    processes::{Ended, Ports, command, memory_kib, peak_memory_kib},
};
use clap::{Parser, ValueEnum};
use serde_json::{Map, Value, json};
use tokio::{process::Child, time::sleep};

/// Runs `althing bench` on chains of growing size, and clusters of the simulator. docs/benchmarks.md holds what came of it.
#[derive(Parser)]
struct Arguments {
    /// What grows.
    #[arg(long, value_delimiter = ',', default_values_t = Part::value_variants().to_vec(), value_enum)]
    only: Vec<Part>,
    /// How long each measurement counts.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// How many blocks a long chain has.
    #[arg(long, default_value_t = 100_000)]
    length: u64,
    /// Cluster sizes; the simulator takes 31, 64 and 100, too.
    #[arg(long, value_delimiter = ',', default_values_t = [4, 7, 10, 16])]
    validators: Vec<u16>,
    /// Bytes of a transaction.
    #[arg(long, value_delimiter = ',', default_values_t = [200, 512, 4_096, 16_384, 65_536])]
    sizes: Vec<u32>,
    /// Accounts.
    #[arg(long, value_delimiter = ',', default_values_t = [10_000, 100_000, 1_000_000])]
    accounts: Vec<u32>,
    /// Ends with one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Part {
    /// Real processes
    Validators,
    /// Clusters of the simulator
    Simulated,
    /// The size of transactions
    Size,
    /// Accounts
    State,
    /// Blocks
    Length,
}

/// Figures of `althing bench`, as the tables name them.
const FIGURES: [(&str, &str); 10] = [
    ("tps", "/tps"),
    ("p50_ms", "/latency_ms/p50"),
    ("p99_ms", "/latency_ms/p99"),
    ("interval_ms", "/block_interval_ms/p50"),
    ("finalization_ms", "/finalization_ms/p50"),
    ("cpu_ms_per_block", "/cpu_ms_per_block"),
    ("cpu_s_per_10k_tx", "/cpu_s_per_10k_tx"),
    ("bytes_per_tx", "/bytes_per_tx"),
    ("rss_mb", "/rss_mb_max"),
    ("view_failures", "/view_failures"),
];
/// Bytes of transactions a second, whatever their size.
const BYTES_PER_S: u32 = 1_000_000;
/// What a chain that grows is given: a few in each block; and of how many keys, few, as its state is not to grow with it.
const GROWING_TXS_PER_S: u32 = 500;
const GROWING_KEYS: u32 = 1_000;
/// How often a node is asked how far it is.
const ASK: Duration = Duration::from_millis(20);

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut tables = Map::new();
    for part in &arguments.only {
        let name = part.to_possible_value().expect("none is skipped").get_name().to_owned();
        let rows = match part {
            Part::Validators => validators(&arguments).await,
            Part::Simulated => simulated(&arguments),
            Part::Size => sizes(&arguments).await,
            Part::State => states(&arguments).await,
            Part::Length => length(&arguments).await,
        };
        println!("{name}");
        print(&rows);
        tables.insert(name, rows.into());
    }
    if arguments.json {
        println!("{}", Value::Object(tables));
    }
    ExitCode::SUCCESS
}

/// A row per measurement, a column per figure.
fn print(rows: &[Value]) {
    let Some(first) = rows.first().and_then(Value::as_object) else { return };
    let is_figure = |name: &&str| FIGURES.iter().any(|(figure, _)| figure == name);
    let figures = FIGURES.iter().map(|(figure, _)| *figure).filter(|figure| first.contains_key(*figure));
    let names: Vec<&str> =
        first.keys().map(String::as_str).filter(|name| !is_figure(name)).chain(figures).collect();
    println!("  | {} |", names.join(" | "));
    for row in rows {
        let cells: Vec<_> = names.iter().map(|name| row[name].to_string()).collect();
        println!("  | {} |", cells.join(" | "));
    }
}

/// One measurement, with what makes it differ from others first.
async fn bench(what: Value, seconds: u64, args: &[String]) -> Value {
    let seconds = seconds.to_string();
    let common = ["bench", "--duration", &seconds, "--json"].map(str::to_owned);
    eprintln!("althing {} {}", common.join(" "), args.join(" "));
    let output = command(common.iter().chain(args)).output().await.expect("the binary runs");
    let ended = Ended::from(output);
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    let report = ended.object();
    let mut row = what;
    for (name, path) in FIGURES {
        row[name] = report.pointer(path).cloned().unwrap_or_default();
    }
    if !report["start_s"].is_null() {
        row["start_s"] = report["start_s"].clone();
    }
    row
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

async fn validators(arguments: &Arguments) -> Vec<Value> {
    let mut rows = Vec::new();
    for count in &arguments.validators {
        let args = words(&format!("--workload transfer --rate 200 --validators {count}"));
        rows.push(bench(json!({ "n": count }), arguments.seconds, &args).await);
    }
    rows
}

fn simulated(arguments: &Arguments) -> Vec<Value> {
    let counts = arguments.validators.iter().copied().chain([31, 64, 100]);
    let row = |count: u16| {
        let Costs { messages_per_block, bytes_per_block, checks_per_block, .. } = measure(count.into(), 20);
        let checks = checks_per_block as f64 / 1_000.0;
        json!({ "n": count, "messages": messages_per_block, "bytes": bytes_per_block, "checks": checks })
    };
    counts.filter(|count| (4..=100).contains(count)).map(row).collect()
}

async fn sizes(arguments: &Arguments) -> Vec<Value> {
    let mut rows = Vec::new();
    for bytes in &arguments.sizes {
        let rate = (BYTES_PER_S / bytes).max(1);
        let args = words(&format!("--workload opaque --rate {rate} --tx-bytes {bytes}"));
        rows.push(bench(json!({ "bytes": bytes, "rate": rate }), arguments.seconds, &args).await);
    }
    rows
}

async fn states(arguments: &Arguments) -> Vec<Value> {
    let mut rows = Vec::new();
    for accounts in &arguments.accounts {
        let args = words(&format!("--workload transfer --rate 500 --accounts {accounts}"));
        rows.push(bench(json!({ "accounts": accounts }), arguments.seconds, &args).await);
    }
    rows
}

/// A chain of one validator, as short as writing it makes it, and when it has grown with transactions in its blocks: the same load, a
/// start, memory.
async fn length(arguments: &Arguments) -> Vec<Value> {
    let directory = tempfile::tempdir().expect("a directory for temporary files");
    let home = directory.path().join("net");
    let ports = Ports::take();
    let node: NodeUrl = format!("http://127.0.0.1:{}", ports.base() + 7).parse().expect("a URL");
    let chain = format!(
        "--workload kv --rate 200 --validators 1 --warm-up 0 --param heartbeat_ms=1 --base-port {} --dir {}",
        ports.base(),
        home.display()
    );
    // Only written: the measurement itself is made on a process started here, as the one later is.
    bench(json!({}), 1, &words(&chain)).await;
    let mut rows = Vec::new();
    for (chain, target) in [("short", 0), ("long", arguments.length)] {
        let (child, _) = start(&home, &node).await;
        grow(&node, target).await;
        stop(child).await;
        let (child, started) = start(&home, &node).await;
        let again = child.id().expect("it runs");
        let what = json!({
            "chain": chain,
            "data_mb": mebibytes(Some(size(&home) / 1_024)),
            "height": height(&node).await.expect("it answers"),
            "start_ms": u64::try_from(started.as_millis()).unwrap_or(u64::MAX),
            "rss_at_start_mb": mebibytes(memory_kib(again)),
        });
        let mut row =
            bench(what, arguments.seconds, &words(&format!("--workload kv --rate 200 --rpc {node}"))).await;
        row["height_after"] = height(&node).await.expect("it answers").into();
        row["rss_mb"] = mebibytes(peak_memory_kib(again)).into();
        rows.push(row);
        stop(child).await;
    }
    rows
}

/// Starts the validator; says how long it took until it answered and had executed all it has.
async fn start(home: &Path, node: &NodeUrl) -> (Child, Duration) {
    let begun = Instant::now();
    let mut command = command(["start", "--stop-with-stdin", "--home"]);
    command.arg(home.join("validator-0")).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let child = command.spawn().expect("the binary runs");
    while height(node).await.is_err() {
        sleep(ASK).await;
    }
    (child, begun.elapsed())
}

async fn stop(mut child: Child) {
    drop(child.stdin.take());
    child.wait().await.expect("a child can be waited for");
}

async fn height(node: &NodeUrl) -> Result<u64, ClientError> {
    let status = Client::new(node.clone()).call("status", json!({})).await?;
    Ok(integer(&status["althing"]["executed_height"]).unwrap_or_default())
}

/// Blocks come by themselves, and a few transactions into each.
async fn grow(node: &NodeUrl, target: u64) {
    let load = format!(
        "bench --workload kv --rate {GROWING_TXS_PER_S} --accounts {GROWING_KEYS} --warm-up 0 --duration 3600 --rpc {node}"
    );
    while height(node).await.expect("it answers") < target {
        let mut load = command(words(&load));
        load.stdout(Stdio::null()).stderr(Stdio::null());
        let mut load = load.spawn().expect("the binary runs");
        let ended = loop {
            tokio::select! {
                ended = load.wait() => break ended.expect("a child can be waited for"),
                () = sleep(50 * ASK) => {}
            }
            if height(node).await.expect("it answers") >= target {
                load.kill().await.expect("it runs");
                return;
            }
        };
        assert!(ended.success(), "the load ended with {ended}");
    }
}

/// The bytes of all files under a directory.
fn size(directory: &Path) -> u64 {
    let of = |entry: DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => size(&entry.path()),
        Ok(metadata) => metadata.len(),
        // Removed meanwhile.
        Err(_) => 0,
    };
    read_dir(directory).into_iter().flatten().flatten().map(of).sum()
}

fn mebibytes(kib: Option<u64>) -> f64 {
    (kib.unwrap_or_default() as f64 / 102.4).round() / 10.0
}
