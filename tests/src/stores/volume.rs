//! File systems in files. A volume is an ext4 on a loop device over a file; volumes stand on one another.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::Failure;

/// A mounted file system, unmounted when dropped; its loop device goes with it.
pub(super) struct Volume {
    mount: PathBuf,
}

impl Volume {
    /// Makes a file of so many bytes, mostly holes, with an empty file system, and mounts it at `mount`.
    pub(super) fn create(image: &Path, bytes: u64, mount: PathBuf) -> Result<Self, Failure> {
        File::create_new(image)?.set_len(bytes)?;
        run(Command::new("mkfs.ext4").args(["-q", "-F", "-m", "0", "-J", "size=32"]).arg(image))?;
        Self::mount(image, mount)
    }

    /// Mounts the file system in `image`, which first makes good what a power cut has left.
    pub(super) fn mount(image: &Path, mount: PathBuf) -> Result<Self, Failure> {
        fs::create_dir(&mount)?;
        run(Command::new("mount").args(["-t", "ext4", "-o", "loop"]).arg(image).arg(&mount))?;
        Ok(Self { mount })
    }

    /// The path of a name in it.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.mount.join(name)
    }

    /// Stops all writes to it from this moment, in the middle of whatever goes on, until what this returns is dropped.
    pub(super) fn freeze(&self) -> Result<Frozen<'_>, Failure> {
        run(Command::new("fsfreeze").arg("--freeze").arg(&self.mount))?;
        Ok(Frozen(&self.mount))
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        if run(Command::new("umount").arg(&self.mount)).is_err() {
            // Whoever still has a file open there must not keep it in sight.
            drop(run(Command::new("umount").arg("--lazy").arg(&self.mount)));
        }
    }
}

/// A file system that takes no writes.
pub(super) struct Frozen<'a>(&'a Path);

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        drop(run(Command::new("fsfreeze").arg("--unfreeze").arg(self.0)));
    }
}

/// Copies a file with its holes.
pub(super) fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    run(Command::new("cp").arg("--sparse=always").arg(from).arg(to))
}

fn run(command: &mut Command) -> Result<(), Failure> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|e| format!("{name}: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{name}: {}, {}", output.status, String::from_utf8_lossy(&output.stderr).trim()).into())
}
