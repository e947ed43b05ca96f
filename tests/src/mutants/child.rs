//! A process that makes one fault, or none, and looks for it, within bounds of time and memory.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use althing_crypto::mutant::VARIABLE;
use rustix::process::{Resource, Rlimit, setrlimit};
use serde_json::{Value, json};

use super::look::{Finding, Looked};

/// The exit code of a child that was asked for what there is not.
pub const USAGE: u8 = 2;

/// More data than this ends a child: what is looked at fits in a hundredth.
const MOST_BYTES: u64 = 2 << 30;

/// Bounds the memory of this process.
pub fn bound_memory() -> std::io::Result<()> {
    let limit = Rlimit { current: Some(MOST_BYTES), maximum: Some(MOST_BYTES) };
    Ok(setrlimit(Resource::Data, limit)?)
}

/// What a child prints as its only line.
pub fn print(looked: &Looked) -> String {
    let found = looked.finding.as_ref();
    json!({
        "checker": found.map(|one| &one.checker),
        "what": found.map(|one| &one.what),
        "tried": looked.tried,
    })
    .to_string()
}

/// Runs `program` with these arguments and with this fault, for as long as `limit`. To hang or to end without a word is a finding, too.
pub fn run(program: &Path, mutant: &str, arguments: &[String], limit: Duration) -> std::io::Result<Looked> {
    let mut command = Command::new(program);
    command.args(arguments).env(VARIABLE, mutant).env("RUST_BACKTRACE", "0");
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let Some(text) = said_within(&mut child, limit) else {
        child.kill()?;
        child.wait()?;
        let what = format!("still running after {} s", limit.as_secs());
        return Ok(Looked { finding: Some(Finding { checker: "time limit".into(), what }), tried: 1 });
    };
    let status = child.wait()?;
    if status.code() == Some(USAGE.into()) {
        return Err(std::io::Error::other(format!("{} does not know {arguments:?}", program.display())));
    }
    Ok(parse(&text).unwrap_or_else(|| {
        let finding = Finding { checker: "crash".into(), what: format!("the process ended: {status}") };
        Looked { finding: Some(finding), tried: 1 }
    }))
}

/// All that it prints, if it ends in time: its end closes the pipe.
fn said_within(child: &mut Child, limit: Duration) -> Option<String> {
    let mut output = child.stdout.take()?;
    let (said, hear) = channel();
    thread::spawn(move || {
        let mut text = String::new();
        // What is no text is no answer.
        let _ = output.read_to_string(&mut text);
        let _ = said.send(text);
    });
    hear.recv_timeout(limit).ok()
}

fn parse(text: &str) -> Option<Looked> {
    let value: Value = serde_json::from_str(text.lines().last()?).ok()?;
    let word = |key: &str| value[key].as_str().map(str::to_owned);
    let finding = word("checker").map(|checker| Finding { checker, what: word("what").unwrap_or_default() });
    Some(Looked { finding, tried: value["tried"].as_u64()? })
}
