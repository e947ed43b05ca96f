//! What can go wrong with the chain data, and what to do about it.

use std::{
    cell::Cell,
    fmt, io,
    panic::{self, AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    sync::Once,
};

/// A failure of the chain data. None of these is a peer's fault; after most of them the node stops.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The data contradicts itself: a failing disk, a foreign hand or a truncated file.
    #[error(
        "the chain data in {path} is damaged: {what}. Stop the node and check the disk; then move the directory that it \
         lies in away, whole (but leave the safety file where it is), and start again: the node fetches the chain anew \
         from its peers",
        path = path.display()
    )]
    Corrupt {
        /// The database or file at fault.
        path: PathBuf,
        /// What was found.
        what: String,
    },
    /// The operating system refused an operation.
    #[error("cannot {doing} {path}: {source}", path = path.display())]
    Io {
        /// What was attempted, as a verb: "open", "write to".
        doing: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The data was written by a program with another format.
    #[error(
        "the chain data in {path} has format version {found}, this program reads version {expected}: run the release \
         that wrote it, or move the directory that it lies in away to fetch the chain anew from the peers",
        path = path.display()
    )]
    Format {
        /// The format file.
        path: PathBuf,
        /// The version it names.
        found: u8,
        /// The version of this program.
        expected: u8,
    },
    /// The data lies in another kind of database than the configuration names.
    #[error(
        "the chain data in {path} was made with storage.backend = \"{found}\", the configuration says \"{expected}\": \
         set it back, or move the directory away to fetch the chain anew from the peers",
        path = path.display()
    )]
    Backend {
        /// The data directory.
        path: PathBuf,
        /// The kind that the directory was made with.
        found: String,
        /// The kind asked for.
        expected: &'static str,
    },
    /// Another process has the directory open.
    #[error(
        "{path} is in use by another process ({holder}): one home runs one node; stop that process or give this one \
         a home of its own",
        path = path.display(),
        holder = Holder(*.pid)
    )]
    InUse {
        /// The data directory.
        path: PathBuf,
        /// The other process, if it has said which it is.
        pid: Option<u32>,
    },
}

struct Holder(Option<u32>);

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(pid) => write!(f, "pid {pid}"),
            None => f.write_str("pid unknown"),
        }
    }
}

impl StoreError {
    /// For `map_err`: an I/O error with what was attempted and where.
    pub(super) fn io(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> StoreError {
        let path = path.into();
        move |source| StoreError::Io { doing, path, source }
    }
}

thread_local! {
    /// Whether this thread is inside [`contain`].
    static CONTAINED: Cell<bool> = const { Cell::new(false) };
}

/// Puts a hook before the one in place that says nothing of a panic inside [`contain`]: it becomes an error, and who runs
/// the node reads that. All other panics are reported as before.
fn silence_contained_panics() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let report = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            // Without a value the thread is ending, and contains nothing.
            if !CONTAINED.try_with(Cell::get).unwrap_or(false) {
                report(info);
            }
        }));
    });
}

/// Runs an operation of a database, with its panics as errors: both databases have kinds of damage that they do not
/// report but panic at. The store is not used for writing after that, so no state of ours is left half changed.
pub(super) fn contain<T>(
    path: &Path,
    operation: impl FnOnce() -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    silence_contained_panics();
    let outside = CONTAINED.replace(true);
    let result = catch_unwind(AssertUnwindSafe(operation));
    CONTAINED.set(outside);
    result.unwrap_or_else(|panic| {
        let message = panic.downcast_ref::<String>().map(String::as_str);
        let message = message.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
        Err(StoreError::Corrupt { path: path.to_owned(), what: format!("the database panicked ({message})") })
    })
}

#[cfg(test)]
mod tests;
