//! Why a safety file cannot be used, and what to do (and not to do) about it.

use super::MAX_RECORD_BYTES;
use std::{io, path::PathBuf};

/// Why the safety file cannot be used. After any of these the validator must not sign.
#[derive(Debug, thiserror::Error)]
pub enum SafetyStoreError {
    /// There is no file.
    #[error(
        "there is no safety file at {path}: it records what this validator has signed. A new home gets one when it is \
         made; if this home is not new, find the file that belongs to it: do not make another one for a key that may \
         have voted, a validator that forgets its votes can sign twice",
        path = path.display()
    )]
    Missing {
        /// Where the file should be.
        path: PathBuf,
    },
    /// There is a file already.
    #[error(
        "there is a safety file at {path} already: it is never overwritten, as it records what this validator has \
         signed. Choose another home",
        path = path.display()
    )]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// Another process has it open.
    #[error(
        "the safety file {path} is in use by another process: two nodes with one key would sign twice. Stop the other",
        path = path.display()
    )]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The record cannot be known from what the file holds.
    #[error(
        "the safety file {path} is damaged: {what}. The node will not sign. Do not delete the file, nor put an older \
         copy in its place: a validator that forgets its votes can sign twice. Keep it, check the disk, and ask the \
         other members to admit this validator with a new vote key in a new home",
        path = path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        what: String,
    },
    /// The file is of another format.
    #[error(
        "the safety file {path} has format version {found}, this program knows version {expected}: run the release \
         that wrote it. Do not delete the file: it records what this validator has signed",
        path = path.display()
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// The version that it names.
        found: u8,
        /// The version of this program.
        expected: u8,
    },
    /// The record does not fit; the file still holds the one before it.
    #[error(
        "a safety record of {len} bytes does not fit into {path}, which takes {MAX_RECORD_BYTES}: it was not written",
        path = path.display()
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The length of the record in bytes.
        len: usize,
    },
    /// An earlier write failed.
    #[error(
        "an earlier write to the safety file {path} failed, so what it holds is unknown until it is opened anew: \
         restart the node",
        path = path.display()
    )]
    Unsettled {
        /// The file.
        path: PathBuf,
    },
    /// The operating system refused an operation.
    #[error(
        "cannot {doing} the safety file {path}: {source}. The node will not sign; check the disk and its free space, \
         leave the file as it is, and start again",
        path = path.display()
    )]
    Io {
        /// What was attempted, as a verb.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}
