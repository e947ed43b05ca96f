//! Instructions that paths take, counted by valgrind: this program again, under `callgrind`, once for each path.
//!
//! A count is nearly the same each time, whatever else the machine does: what moves it are random numbers (of hash maps, and of signatures
//! that are checked together), by less than one in a hundred. It is that of the processor that valgrind stands for, which is without AVX-512, SHA
//! and ADX instructions even where the machine has them; it says nothing about caches, nor about time that is spent in the system.

use std::fs;
use std::hint::black_box;
use std::io::ErrorKind;
use std::path::Path as FilePath;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use super::baseline::{Build, Counts};
use super::{Left, Path, Run};
use crate::side_by_side;

/// What is counted: callgrind looks for this function by its name, wherever the compiler has put it.
#[inline(never)]
fn counted_section(run: Run) -> Left {
    black_box(run())
}

/// Why there are no counts.
#[derive(Debug)]
pub enum CountError {
    /// There is no valgrind here.
    NoValgrind,
    /// Anything else, in words.
    Failed(String),
}

impl std::fmt::Display for CountError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoValgrind => f.write_str(
                "valgrind, which counts, is not here: `apt-get install valgrind` (or another system's word for that) brings it",
            ),
            Self::Failed(why) => f.write_str(why),
        }
    }
}

/// Under valgrind: runs a path once so that all that is made once is there, and once more so that it is counted. Gives the build that it finds
/// itself to be, to be printed.
pub fn run_counted(path: &Path) -> Build {
    drop((path.prepare)()());
    let run = (path.prepare)();
    let left = counted_section(run);
    drop(left);
    Build::this()
}

/// Counts these paths, as many at once as there are cores, by running `program --run NAME` under valgrind.
pub fn count(program: &FilePath, paths: &[Path]) -> Result<(Build, Counts), CountError> {
    let home = tempfile::tempdir().map_err(|error| CountError::Failed(error.to_string()))?;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let found = Mutex::new(Vec::new());
    side_by_side::run(
        threads,
        paths.len() as u64,
        |index| {
            let path = &paths[index as usize];
            let counted = count_one(program, path, &home.path().join(path.name));
            let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
            found.push(counted.map(|(build, count)| (build, path.name.to_owned(), count)));
        },
        || (),
    );
    let found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    let (mut counts, mut build) = (Counts::new(), None);
    for one in found {
        let (of, name, count) = one?;
        build = Some(of);
        counts.insert(name, count);
    }
    let build = build.ok_or_else(|| CountError::Failed("no path has such a name".to_owned()))?;
    Ok((build, counts))
}

fn count_one(program: &FilePath, path: &Path, out: &FilePath) -> Result<(Build, u64), CountError> {
    let failed = |why: String| CountError::Failed(format!("{}: {why}", path.name));
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--quiet", "--tool=callgrind", "--toggle-collect=*counted_section*"]);
    valgrind.arg(format!("--callgrind-out-file={}", out.display()));
    let said = match valgrind.arg(program).args(["--run", path.name]).output() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(CountError::NoValgrind),
        said => said.map_err(|error| failed(format!("cannot run valgrind: {error}")))?,
    };
    if !said.status.success() {
        let why = String::from_utf8_lossy(&said.stderr);
        return Err(failed(format!("ended with {}: {}", said.status, why.trim())));
    }
    let build = serde_json::from_slice(&said.stdout).map_err(|error| failed(error.to_string()))?;
    let report = fs::read_to_string(out).map_err(|error| failed(error.to_string()))?;
    match total(&report) {
        Some(count) if count > 0 => Ok((build, count)),
        _ => Err(failed("nothing was counted: is this build stripped of its symbols?".to_owned())),
    }
}

/// The instructions that a report of callgrind comes to.
fn total(report: &str) -> Option<u64> {
    let line = |name: &str| report.lines().find_map(|line| line.strip_prefix(name));
    line("totals: ").or_else(|| line("summary: "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_ends_in_its_total() {
        let report = "# callgrind format\nevents: Ir\nsummary: 12\n\nfn=(1) x\n3 12\n\ntotals: 1234\n";
        assert_eq!(total(report), Some(1_234));
        assert_eq!(total("summary: 7\n"), Some(7));
        assert_eq!(total("events: Ir\n"), None);
    }
}
