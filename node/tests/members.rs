//! The procedures of `docs/operations/members.md`: its commands change the validators of a chain of their own, and what they print is what
//! the page says.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use std::{path::Path, time::Duration};

mod page;

/// Nodes end with the shell's standard input.
const PRELUDE: &str = r#"
althing() { if [ "$1" = start ]; then exec althing "$@" --stop-with-stdin <&3; else command althing "$@" < /dev/null; fi; }
"#;

#[test]
fn the_page_says_what_the_commands_print() {
    let directory = tempfile::tempdir().unwrap();
    // Distances of the nodes' ports from the base, for which 26650 stands.
    let distances = [7, 6, 16, 17, 26, 27, 36, 37, 46, 47];
    let base = page::free_port(&distances);
    let ports = distances.into_iter().chain([0]).map(|far| (26650 + far, base + far)).collect();
    let binary = Path::new(env!("CARGO_BIN_EXE_althing")).parent().unwrap();
    let path = format!("{}:{}", binary.display(), std::env::var("PATH").unwrap());
    let commands = page::hold(&page::Setting {
        page: "operations/members.md",
        directory: directory.path(),
        prelude: PRELUDE,
        variables: vec![("PATH", path)],
        ports,
        patience: Duration::from_secs(300),
    });
    assert!(commands > 40, "the page has its commands");
}
