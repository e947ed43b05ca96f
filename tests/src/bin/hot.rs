//! Counts or times the hot paths of a node, and compares their instructions with those of a stored baseline.

#![allow(clippy::print_stdout)]

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use althing_tests::hot::baseline::{Baseline, Build, Counts, Row, Verdict, compare};
use althing_tests::hot::count::{CountError, count, run_counted};
use althing_tests::hot::{Path, paths, time};
use clap::{ArgGroup, Parser};
use serde_json::json;

/// Measures the hot paths of a node, each on fixed inputs and one thread.
///
/// Without options: how long each takes by the clock. Instructions are counted by valgrind's callgrind, so the same build gives the same
/// numbers on a busy machine, too; `apt-get install valgrind` brings it.
///
/// Exit code 1: with --compare, a path costs more instructions than it may, or the baseline has other paths than there are. 3: nothing can be
/// compared: valgrind is not here, or the baseline is of another compiler or processor.
#[derive(Parser)]
#[command(name = "hot", group = ArgGroup::new("mode"))]
struct Arguments {
    /// Count instructions and compare them with the baseline
    #[arg(long, group = "mode")]
    compare: bool,
    /// Count instructions and make them the baseline
    #[arg(long, group = "mode", conflicts_with = "only")]
    write: bool,
    /// Count instructions
    #[arg(long, group = "mode")]
    count: bool,
    /// Run each path once, to see that it works
    #[arg(long, group = "mode")]
    once: bool,
    /// What --count, --compare and --write run under valgrind
    #[arg(long, group = "mode", value_name = "PATH", hide = true)]
    run: Option<String>,
    /// Only paths whose names contain this
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
    /// How many percent more a path may cost
    #[arg(long, value_name = "PERCENT", default_value_t = 10, value_parser = clap::value_parser!(u32).range(0..=1_000))]
    tolerance: u32,
    /// The baseline
    #[arg(long, value_name = "FILE", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/baseline.json"))]
    baseline: PathBuf,
    /// Ends with one JSON object
    #[arg(long)]
    json: bool,
}

/// Why there is no answer, and the exit code for it.
struct Failure(u8, String);

/// Nothing can be compared.
const CANNOT_COMPARE: u8 = 3;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(code) => code,
        Err(Failure(code, why)) => {
            eprintln!("{why}");
            ExitCode::from(code)
        }
    }
}

fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let mut paths = paths();
    if let Some(name) = &arguments.run {
        let path = paths.iter().find(|path| path.name == name);
        let path = path.ok_or_else(|| Failure(2, format!("--run {name}: there is no such path")))?;
        println!("{}", json!(run_counted(path)));
        return Ok(ExitCode::SUCCESS);
    }
    paths.retain(|path| path.name.contains(&arguments.only));
    if paths.is_empty() {
        return Err(Failure(2, format!("--only {}: no path has such a name", arguments.only)));
    }
    if arguments.once {
        paths.iter().for_each(|path| drop((path.prepare)()()));
        println!("{} paths run", paths.len());
        return Ok(ExitCode::SUCCESS);
    }
    if arguments.compare {
        return against_baseline(arguments, &paths);
    }
    if arguments.count || arguments.write {
        let (build, instructions) = counted(&paths)?;
        instructions.iter().for_each(|(name, count)| println!("{name:<40} {count:>14}"));
        let measured = Baseline { build, instructions };
        if arguments.write {
            let text = serde_json::to_string_pretty(&measured).map_err(failed)?;
            fs::write(&arguments.baseline, text + "\n").map_err(failed)?;
            println!("written to {}", arguments.baseline.display());
        }
        end(arguments, || json!(measured));
        return Ok(ExitCode::SUCCESS);
    }
    timed(arguments, &paths);
    Ok(ExitCode::SUCCESS)
}

fn failed(error: impl std::fmt::Display) -> Failure {
    Failure(1, error.to_string())
}

fn end(arguments: &Arguments, value: impl FnOnce() -> serde_json::Value) {
    if arguments.json {
        println!("{}", value());
    }
}

fn timed(arguments: &Arguments, paths: &[Path]) {
    println!("{:<40} {:>14} {:>14} {:>6}", "path", "median, µs", "least, µs", "runs");
    let mut medians = serde_json::Map::new();
    for path in paths {
        let time::Times { runs, median, least } = time::measure(path);
        let [shown_median, shown_least] =
            [median, least].map(|time| format!("{}.{:03}", time.as_micros(), time.as_nanos() % 1_000));
        println!("{:<40} {shown_median:>14} {shown_least:>14} {runs:>6}", path.name);
        medians.insert(path.name.to_owned(), json!(u64::try_from(median.as_nanos()).unwrap_or(u64::MAX)));
    }
    end(arguments, || json!({ "median_ns": medians }));
}

fn counted(paths: &[Path]) -> Result<(Build, Counts), Failure> {
    let program = env::current_exe().map_err(failed)?;
    count(&program, paths).map_err(|error| match error {
        CountError::NoValgrind => Failure(CANNOT_COMPARE, error.to_string()),
        CountError::Failed(_) => failed(error),
    })
}

fn against_baseline(arguments: &Arguments, paths: &[Path]) -> Result<ExitCode, Failure> {
    let file = arguments.baseline.display();
    let text = fs::read_to_string(&arguments.baseline)
        .map_err(|error| Failure(CANNOT_COMPARE, format!("{file}: {error}; --write makes one")))?;
    let mut baseline: Baseline =
        serde_json::from_str(&text).map_err(|error| Failure(1, format!("{file}: {error}")))?;
    baseline.instructions.retain(|path, _| path.contains(&arguments.only));
    // One path tells what the processor is under valgrind; all of them take half a minute or more.
    let (build, _) = counted(&paths[..1])?;
    if let Some(other) = baseline.build.other_than(&build) {
        return Err(Failure(
            CANNOT_COMPARE,
            format!("cannot compare: {other}. --write makes a baseline for here"),
        ));
    }
    eprintln!("counting the instructions of {} paths under valgrind …", paths.len());
    let (_, now) = counted(paths)?;
    let rows = compare(&baseline.instructions, &now, arguments.tolerance);
    println!("{:<40} {:>14} {:>14} {:>9}", "path", "baseline", "now", "change");
    rows.iter().for_each(print_row);
    let faults = rows.iter().filter(|row| row.verdict.is_fault()).count();
    if faults > 0 {
        println!(
            "{faults} paths are dearer by more than {} %, or not in both. Where that is meant, `hot --write` makes a new baseline",
            arguments.tolerance
        );
    }
    end(arguments, || json!({ "tolerance": arguments.tolerance, "faults": faults, "paths": rows }));
    Ok(ExitCode::from(u8::from(faults > 0)))
}

fn print_row(row: &Row) {
    let shown = |count: Option<u64>| count.map_or("-".to_owned(), |count| count.to_string());
    let change = row.change_permille.map_or(String::new(), |change| {
        let sign = match change.signum() {
            0 => "",
            1 => "+",
            _ => "-",
        };
        format!("{sign}{}.{} %", change.unsigned_abs() / 10, change.unsigned_abs() % 10)
    });
    let word = match row.verdict {
        Verdict::Same => String::new(),
        other => format!("  {other:?}").to_lowercase(),
    };
    println!("{:<40} {:>14} {:>14} {change:>9}{word}", row.path, shown(row.baseline), shown(row.now));
}
