//! A newcomer's path: the commands of the README, from a clone to a transfer that `curl` sees.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use std::{fs, path::Path, time::Duration};

use althing_tests::processes::{Ports, binary};
use serde_json::Value;
use tokio::process::Command;

const HEADING: &str = "## From a clone to a transfer of your own";
/// Far longer than it takes.
const PATIENCE: Duration = Duration::from_secs(150);

/// What does not run as it stands: `git clone` and `cargo build --release`, which would take minutes and the net, only make the directory and
/// the binary that they would leave (and fail if they are called with other words); the chain takes free ports, and ends with the shell;
/// `curl` prints no progress, on a line of its own. All other words are those of the page, but for the port.
const PRELUDE: &str = r#"
set -e
git() { [ "$1 $2 $3" = "clone REPOSITORY althing" ]; mkdir althing; }
cargo() { [ "$*" = "build --release" ]; mkdir -p target/release; ln -s "$BINARY" target/release/althing; }
althing() {
    if [ "$1" = testnet ]; then set -- "$@" --base-port "$BASE_PORT"; fi
    if [ "$BASHPID" != "$$" ] && [ "$1" = testnet ]; then exec althing "$@"; fi
    command althing "$@"
}
curl() { echo; command curl -s "$@"; }
trap 'kill $(jobs -p); wait' EXIT
"#;

/// These are not the node's to bring along.
fn needs(program: &str) {
    let there = std::process::Command::new(program).arg("--version").output().is_ok();
    assert!(there, "this test needs {program}: install it, or leave the test out with `--skip newcomers`");
}

#[tokio::test]
async fn the_newcomers_path_leads_to_a_transfer() {
    ["bash", "curl", "timeout"].into_iter().for_each(needs);
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")).unwrap();
    let section = readme.split(HEADING).nth(1).expect("the section");
    let commands = section.split("```sh\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    assert!(commands.lines().count() < 10, "fewer than ten commands:\n{commands}");
    let last = commands.lines().last().unwrap();
    assert!(last.starts_with("curl "), "the transfer is seen with curl: {last}");

    let directory = tempfile::tempdir().unwrap();
    let ports = Ports::take();
    let (base, port) = (ports.base().to_string(), ports.rpc(0).port().to_string());
    let commands = commands.replace("26657", &port);
    let script = directory.path().join("readme.sh");
    fs::write(&script, format!("{PRELUDE}{commands}echo\n")).unwrap();
    let ran = Command::new("timeout")
        .arg(PATIENCE.as_secs().to_string())
        .arg("bash")
        .arg(&script)
        .current_dir(directory.path())
        .env("BINARY", binary())
        .env("BASE_PORT", base)
        .env("ALTHING_NODE", format!("http://127.0.0.1:{port}"))
        .output()
        .await
        .unwrap();
    let (printed, said) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    let all = format!("{}\n{printed}\n{said}", ran.status);
    let found =
        printed.lines().find(|line| line.starts_with("{\"") && line.contains("total_count")).expect(&all);
    let found: Value = serde_json::from_str(found).unwrap();
    assert_eq!(found["result"]["total_count"], "1", "{all}");
    let tx = &found["result"]["txs"][0];
    assert_eq!(tx["tx_result"]["code"], 0, "{all}");
    let events = tx["tx_result"]["events"].as_array().unwrap();
    let amount = events.iter().flat_map(|event| event["attributes"].as_array().unwrap());
    assert!(amount.clone().any(|one| one["key"] == "amount" && one["value"] == "5"), "{all}");
    assert!(ran.status.success(), "{all}");
}
