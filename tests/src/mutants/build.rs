//! The build with the faults in it, in a target directory of its own.

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const CFG: &str = "--cfg althing_mutants";

/// Builds this program with the faults, unless that is done, and returns its path.
pub fn with_faults() -> io::Result<PathBuf> {
    let target = target_directory()?.join("mutants");
    let mut flags = std::env::var("RUSTFLAGS").unwrap_or_default();
    flags.push(' ');
    flags.push_str(CFG);
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--release", "-p", "althing-tests", "--bin", "mutants"])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
        .env("CARGO_TARGET_DIR", &target)
        .env("RUSTFLAGS", flags.trim())
        .stdout(Stdio::null())
        .status()?;
    if !status.success() {
        return Err(io::Error::other(format!("the build with {CFG} failed: {status}")));
    }
    Ok(target.join("release/mutants"))
}

/// Where this very program was built: it lies in `<target>/<profile>/`.
fn target_directory() -> io::Result<PathBuf> {
    let program = std::env::current_exe()?;
    let target = program.parent().and_then(Path::parent);
    target.map(Path::to_owned).ok_or_else(|| io::Error::other("this program lies in no target directory"))
}
