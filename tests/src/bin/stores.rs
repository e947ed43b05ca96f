//! Measures the databases that could lie behind the node's store under the node's own load, and cuts the power below them.

#![allow(clippy::print_stdout)]

use std::env;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use althing_tests::stores::load::{self, Figures, Kind, Size};
use althing_tests::stores::power_cut::{self, Disk, Players};
use althing_tests::stores::{Backend, Failure, batches, table};
use clap::{Parser, ValueEnum};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Writes what a validator writes for each block (blocks, results, index), and tree nodes as a state in the database would need, into each
/// database in a process of its own. With --power-cuts: cuts the power so often on each of two kinds of disks and looks for what was
/// acknowledged. Exit code 1: something failed, or a database that a node can have has lost something; 3: power cannot be cut here.
#[derive(Parser)]
struct Arguments {
    /// redb, sled, fjall, sled-alone (without the sync that the node adds), several with commas, or all.
    #[arg(long, default_value = "all")]
    backend: String,
    /// Leaves of the tree, and accounts that pay one another.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(2..=100_000_000))]
    accounts: u64,
    /// Blocks of each load.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    blocks: u64,
    /// Transfers in each.
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    txs: u64,
    /// Cuts the power so often, instead of measuring. Needs root, loop devices and ext4; mounts are in a namespace of their own and go with it.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000))]
    power_cuts: Option<u64>,
    /// Decides the batches and the moments of the cuts.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where a temporary directory is made; the disk that is measured.
    #[arg(long, value_name = "DIR")]
    under: Option<PathBuf>,
    /// Ends with one JSON object.
    #[arg(long)]
    json: bool,
    /// What a process of its own does for another one of these.
    #[arg(long, hide = true, value_parser = |text: &str| serde_json::from_str::<Part>(text))]
    part: Option<Part>,
}

#[derive(Clone, Serialize, Deserialize)]
enum Part {
    Load { directory: PathBuf, backend: Backend, load: Kind, size: Size },
    Write { path: PathBuf, backend: Backend, seed: u64 },
    Check { path: PathBuf, backend: Backend, seed: u64, acknowledged: u64 },
}

/// Set in the process that has a namespace of its own for mounts.
const APART: &str = "ALTHING_STORES_APART";
const CANNOT_CUT: u8 = 3;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match (&arguments.part, arguments.power_cuts) {
        (Some(part), _) => play(part).map(|()| ExitCode::SUCCESS),
        (None, None) => measure(&arguments),
        (None, Some(_)) if env::var_os(APART).is_none() => apart(),
        (None, Some(cuts)) => cut(&arguments, cuts),
    };
    done.unwrap_or_else(|failure| {
        eprintln!("{failure}");
        ExitCode::FAILURE
    })
}

fn backends(text: &str, all: &[Backend]) -> Result<Vec<Backend>, Failure> {
    if text == "all" {
        return Ok(all.to_vec());
    }
    text.split(',').map(|name| Backend::from_str(name, false).map_err(Failure::from)).collect()
}

fn part(part: &Part) -> Result<Command, Failure> {
    let mut command = Command::new(env::current_exe()?);
    command.arg("--part").arg(serde_json::to_string(part)?);
    Ok(command)
}

fn play(part: &Part) -> Result<(), Failure> {
    match part {
        Part::Load { directory, backend, load, size } => {
            println!("{}", serde_json::to_string(&load::measure(directory, *backend, *load, *size)?)?);
            Ok(())
        }
        Part::Write { path, backend, seed } => batches::write(path, *backend, *seed, &mut io::stdout()),
        Part::Check { path, backend, seed, acknowledged } => {
            println!("{}", serde_json::to_string(&batches::check(path, *backend, *seed, *acknowledged))?);
            Ok(())
        }
    }
}

fn home(arguments: &Arguments) -> io::Result<tempfile::TempDir> {
    match &arguments.under {
        Some(under) => tempfile::tempdir_in(under),
        None => tempfile::tempdir(),
    }
}

fn measure(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let Arguments { accounts, blocks, txs, .. } = *arguments;
    let size = Size { accounts, blocks, txs };
    let mut all: Vec<Figures> = Vec::new();
    let databases =
        backends(&arguments.backend, &[Backend::Redb, Backend::RedbLogged, Backend::Sled, Backend::Fjall])?;
    for load in [Kind::Chain, Kind::State] {
        for backend in &databases {
            eprintln!("{}, {load:?}", backend.name());
            let home = home(arguments)?;
            let directory = home.path().to_owned();
            let mut child = part(&Part::Load { directory, backend: *backend, load, size })?;
            let output = child.stderr(Stdio::inherit()).output()?;
            if !output.status.success() {
                return Err(format!("{} under the load {load:?}: {}", backend.name(), output.status).into());
            }
            all.push(serde_json::from_slice(&output.stdout)?);
        }
    }
    println!("blocks, results and index: {blocks} blocks of {txs} transfers, three durable batches each");
    println!("{}", table::loads(&all, Kind::Chain));
    println!(
        "tree nodes: {accounts} leaves, then {blocks} blocks that change {} each, a durable batch each",
        2 * txs
    );
    println!("{}", table::loads(&all, Kind::State));
    if arguments.json {
        println!("{}", json!({ "accounts": accounts, "blocks": blocks, "txs": txs, "figures": all }));
    }
    Ok(ExitCode::SUCCESS)
}

/// Starts this program again where its mounts are nobody else's, and end with it.
fn apart() -> Result<ExitCode, Failure> {
    if !rustix::process::geteuid().is_root() {
        eprintln!("power cannot be cut here: mounting needs root");
        return Ok(ExitCode::from(CANNOT_CUT));
    }
    let status = Command::new("unshare")
        .arg("--mount")
        .arg(env::current_exe()?)
        .args(env::args_os().skip(1))
        .env(APART, "1")
        .status();
    match status {
        Ok(status) => Ok(ExitCode::from(u8::try_from(status.code().unwrap_or(1)).unwrap_or(1))),
        Err(error) => {
            eprintln!("power cannot be cut here: unshare: {error}");
            Ok(ExitCode::from(CANNOT_CUT))
        }
    }
}

fn cut(arguments: &Arguments, cuts: u64) -> Result<ExitCode, Failure> {
    let home = home(arguments)?;
    if let Some(obstacle) = power_cut::obstacle(home.path()) {
        eprintln!("power cannot be cut here: {obstacle}");
        return Ok(ExitCode::from(CANNOT_CUT));
    }
    let can = [Backend::Redb, Backend::RedbLogged, Backend::Sled, Backend::Fjall, Backend::SledAlone];
    let mut all = Vec::new();
    for backend in backends(&arguments.backend, &can)? {
        let writer = |path: &Path, seed| part(&Part::Write { path: path.to_owned(), backend, seed });
        let checker = |path: &Path, seed, acknowledged| {
            part(&Part::Check { path: path.to_owned(), backend, seed, acknowledged })
        };
        let players = Players { writer: &writer, checker: &checker };
        for disk in [Disk::Keeping, Disk::Forgetting] {
            for number in 0..cuts {
                let under = tempfile::tempdir_in(home.path())?;
                let cut = power_cut::cut(under.path(), backend, disk, arguments.seed + number, &players)?;
                eprintln!(
                    "{}, {disk:?} disk, cut {} of {cuts}: {} acknowledged, {:?}",
                    backend.name(),
                    number + 1,
                    cut.acknowledged,
                    cut.verdict
                );
                all.push(cut);
            }
        }
    }
    let tallies = table::tallies(&all);
    println!(
        "database    disk          cuts   kept   lost   torn  refused  most batches lost  acknowledged  longest look, ms"
    );
    for tally in &tallies {
        println!(
            "{:<11} {:<12} {:>5} {:>6} {:>6} {:>6} {:>8} {:>18} {:>13} {:>17}",
            tally.backend.name(),
            format!("{:?}", tally.disk),
            tally.cuts,
            tally.kept,
            tally.lost,
            tally.torn,
            tally.refused,
            tally.most_lost,
            tally.acknowledged,
            tally.check_ms_max
        );
    }
    if arguments.json {
        println!("{}", json!({ "seed": arguments.seed, "power_cuts": tallies, "cuts": all }));
    }
    let failed = |tally: &table::Tally| tally.backend != Backend::SledAlone && tally.kept < tally.cuts;
    Ok(if tallies.iter().any(failed) { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
