//! A process that makes one fault, or none, and looks for it.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use althing_crypto::mutant::VARIABLE;
use serde_json::{Value, json};

use super::look::{Finding, Looked};

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

/// Runs `program` with these arguments and with this fault, for as long as `limit`. To hang or to end otherwise than it should is a
/// finding, too.
pub fn run(program: &Path, mutant: &str, arguments: &[String], limit: Duration) -> std::io::Result<Looked> {
    let mut command = Command::new(program);
    command.args(arguments).env(VARIABLE, mutant).env("RUST_BACKTRACE", "0");
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let mut output = child.stdout.take();
    // It prints one line, and that at its end: less than a pipe holds.
    if !ends_within(&mut child, limit)? {
        child.kill()?;
        child.wait()?;
        let what = format!("still running after {} s", limit.as_secs());
        return Ok(Looked { finding: Some(Finding { checker: "time limit".into(), what }), tried: 1 });
    }
    let status = child.wait()?;
    let mut text = String::new();
    if let Some(output) = &mut output {
        output.read_to_string(&mut text)?;
    }
    Ok(parse(&text).unwrap_or_else(|| {
        let finding = Finding { checker: "assertion".into(), what: format!("the process ended: {status}") };
        Looked { finding: Some(finding), tried: 1 }
    }))
}

fn ends_within(child: &mut Child, limit: Duration) -> std::io::Result<bool> {
    let began = Instant::now();
    while began.elapsed() < limit {
        if child.try_wait()?.is_some() {
            return Ok(true);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(false)
}

fn parse(text: &str) -> Option<Looked> {
    let value: Value = serde_json::from_str(text.lines().last()?).ok()?;
    let word = |key: &str| value[key].as_str().map(str::to_owned);
    let finding = word("checker").map(|checker| Finding { checker, what: word("what").unwrap_or_default() });
    Some(Looked { finding, tried: value["tried"].as_u64()? })
}
