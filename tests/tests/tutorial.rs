//! The tutorial of `docs/applications.md`: its files are written, built outside of this workspace, and its commands run.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    time::Duration,
};

use althing_tests::processes::binary;

mod page;

/// Programs that end with the shell, chains on free ports.
const PRELUDE: &str = r#"
trap 'kill $(jobs -p) 2> /dev/null' EXIT
on_free_ports() {
    local program=$1; shift
    if [ "$1" = testnet ]; then set -- "$@" --base-port "$BASE_PORT"; fi
    if [ "$BASHPID" != "$$" ]; then exec "$program" "$@" < /dev/null; fi
    command "$program" "$@" < /dev/null
}
althing() { on_free_ports althing "$@"; }
my-chain() { on_free_ports my-chain "$@"; }
"#;

/// Where this package is built.
fn target() -> PathBuf {
    // target/PROFILE/althing
    binary().ancestors().nth(2).unwrap().to_owned()
}

/// An empty directory with the repository beside the crate that is to be made. It is the same one for every run, since what cargo
/// has built is known by its path.
fn directory() -> PathBuf {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut hasher = DefaultHasher::new();
    repository.hash(&mut hasher);
    let directory = std::env::temp_dir().join(format!("althing-tutorial-{:x}", hasher.finish() as u32));
    _ = fs::remove_dir_all(&directory);
    fs::create_dir(&directory).unwrap();
    symlink(repository, directory.join("althing")).unwrap();
    directory
}

#[test]
fn the_page_builds_and_says_what_the_commands_print() {
    let (directory, target) = (directory(), target());
    let althing = binary().parent().unwrap();
    let path = std::env::var("PATH").unwrap();
    let base_port = page::free_port(&[6, 7, 16, 17, 26, 27, 36, 37]);
    let commands = page::hold(&page::Setting {
        page: "applications.md",
        directory: &directory,
        prelude: PRELUDE,
        variables: vec![
            ("PATH", format!("{}:{}:{path}", althing.display(), target.join("release").display())),
            // What it builds on is built once, for this workspace and for the tutorial's crate.
            ("CARGO_TARGET_DIR", target.display().to_string()),
            ("CARGO_PROFILE_RELEASE_OVERFLOW_CHECKS", "true".to_owned()),
            ("BASE_PORT", base_port.to_string()),
        ],
        ports: vec![(26657, base_port + 7)],
        patience: Duration::from_secs(1_500),
    });
    assert!(commands > 20, "the page has its commands");
    fs::remove_dir_all(directory).unwrap();
}
