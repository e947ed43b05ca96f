//! The tour of `docs/ledger.md`: its commands run on a chain of their own, and what they print is what the page says.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use std::time::Duration;

use althing_tests::processes::binary;

mod page;

/// Nodes end with the shell's standard input.
const PRELUDE: &str = r#"
althing() { if [ "$1" = start ]; then exec althing "$@" --stop-with-stdin <&3; else command althing "$@" < /dev/null; fi; }
"#;

#[test]
fn the_page_says_what_the_commands_print() {
    let directory = tempfile::tempdir().unwrap();
    let rpc = page::free_port(&[0, 1]);
    let binary = binary().parent().unwrap();
    let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
    let commands = page::hold(&page::Setting {
        page: "ledger.md",
        directory: directory.path(),
        prelude: PRELUDE,
        variables: vec![
            ("PATH", path),
            ("ALTHING_RPC__LISTEN", format!("127.0.0.1:{rpc}")),
            ("ALTHING_P2P__LISTEN", format!("127.0.0.1:{}", rpc + 1)),
        ],
        ports: vec![(26657, rpc)],
        patience: Duration::from_secs(150),
    });
    assert!(commands > 40, "the page has its commands");
}
