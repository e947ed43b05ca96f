//! The procedures of `docs/operations/members.md`: its commands change the validators of a chain of their own, and what they print is what
//! the page says.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use std::{os::unix::fs::symlink, path::Path, time::Duration};

use althing_tests::processes::binary;

mod page;

/// Nodes end with the shell's standard input, other programs with the shell.
const PRELUDE: &str = r#"
trap 'kill $(jobs -p) 2> /dev/null' EXIT
althing() { if [ "$1" = start ]; then exec althing "$@" --stop-with-stdin <&3; else command althing "$@" < /dev/null; fi; }
"#;

#[test]
fn the_page_says_what_the_commands_print() {
    let directory = tempfile::tempdir().unwrap();
    // Distances of the nodes' ports from the base, for which 26650 stands.
    let distances = [7, 6, 16, 17, 26, 27, 36, 37, 46, 47, 106, 107, 116, 117];
    let base = page::free_port(&distances);
    let ports = distances.into_iter().chain([0, 100]).map(|far| (26650 + far, base + far)).collect();
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    symlink(repository, directory.path().join("althing")).unwrap();
    let traitor = Path::new(env!("CARGO_BIN_EXE_traitor"));
    let programs = [binary(), traitor].map(|program| program.parent().unwrap().display().to_string());
    let path = [&programs[..], &[std::env::var("PATH").unwrap()]].concat().join(":");
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
