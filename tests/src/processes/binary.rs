//! The `althing` binary, and its commands that end by themselves.

use std::{
    env,
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    process::{Output, Stdio},
    sync::OnceLock,
    time::Instant,
};

use serde_json::Value;
use tokio::{process::Command, time::timeout};

use super::PATIENCE;

static BINARY: OnceLock<PathBuf> = OnceLock::new();

/// The binary, built once per test run with the profile that the tests themselves are built with.
pub fn binary() -> &'static Path {
    BINARY.get_or_init(|| build("--bin", "althing"))
}

/// An example of the node's package, built in the same way.
pub fn example(name: &str) -> PathBuf {
    build("--example", name)
}

fn build(kind: &str, name: &str) -> PathBuf {
    let begun = Instant::now();
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = std::process::Command::new(cargo);
    // What cargo tells tests about their own package would make it build again what depends on that.
    for name in variables("CARGO_PKG_").chain(variables("CARGO_MANIFEST_")) {
        command.env_remove(name);
    }
    let build = command
        // As a whole, with the same features of all dependencies as for the tests: so only linking is left to do.
        .args(["build", "--workspace", kind, name, "--profile", &profile()])
        .args(["--quiet", "--message-format", "json-render-diagnostics"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stderr(Stdio::inherit())
        .output()
        .expect("cargo runs");
    assert!(build.status.success(), "cargo cannot build the binary: {}", build.status);
    let path = build
        .stdout
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice::<Value>(line).ok())
        .filter(|message| message["target"]["name"] == name)
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .expect("cargo says where the binary is");
    eprintln!("built {} in {:.1?}", path.display(), begun.elapsed());
    path
}

/// Tests lie in `<target>/<profile>/deps`, programs one above; only the profile `dev` has a directory of another name.
fn profile() -> String {
    let own = env::current_exe().expect("a process knows its executable");
    let directories = own.ancestors().skip(1).filter_map(Path::file_name);
    let directory = directories.map(|name| name.to_str().expect("text")).find(|name| *name != "deps");
    match directory.expect("a profile has a directory") {
        "debug" => "dev".to_owned(),
        other => other.to_owned(),
    }
}

/// The binary with these arguments and without whatever configuration this process's environment holds. Killed when dropped.
pub fn command(args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
    let mut command = Command::new(binary());
    for name in variables("ALTHING_") {
        command.env_remove(name);
    }
    command.args(args).stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// The names of this process's variables that begin so.
fn variables(prefix: &'static str) -> impl Iterator<Item = OsString> {
    env::vars_os().map(|(name, _)| name).filter(|name| name.as_encoded_bytes().starts_with(prefix.as_bytes()))
}

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// What it printed.
    pub stdout: String,
    /// What it said to people.
    pub stderr: String,
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }
}

impl Ended {
    /// The JSON object on the last line that it printed.
    pub fn object(&self) -> Value {
        let line = self.stdout.lines().last().unwrap_or_default();
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in the last line of {self:#?}"))
    }

    /// Panics unless it failed with these words for people.
    pub fn failed_saying(&self, words: &[&str]) {
        assert_eq!(self.code, Some(1), "{self:#?}");
        for word in words {
            assert!(self.stderr.contains(word), "{word:?} expected in {self:#?}");
        }
    }
}

/// Runs a command to its end.
pub async fn althing(args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Ended {
    let mut command = command(args);
    let output = timeout(PATIENCE, command.output()).await;
    let output = output.unwrap_or_else(|_| panic!("still running after {PATIENCE:?}: {command:?}"));
    output.expect("the binary runs").into()
}
