//! What goes wrong with an application elsewhere, in words for its operator.

use std::{io, time::Duration};

/// What went wrong on a connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    #[error("no connection: {0}")]
    NotConnected(String),
    #[error("it closed the connection")]
    Ended,
    #[error("the connection broke: {0}")]
    Broken(String),
    #[error("it sent a part of a frame ({what}) and then nothing for {seconds} s", seconds = .patience.as_secs())]
    Half { what: String, patience: Duration },
    #[error("no answer to {asked} within {seconds} s", seconds = .patience.as_secs())]
    Silent { asked: &'static str, patience: Duration },
    #[error("no answer to the first Flush within {seconds} s{NOT_ABCI}", seconds = .patience.as_secs())]
    Mute { patience: Duration },
    #[error("it announced a frame of {len} bytes, more than the {max} that are allowed{NOT_ABCI}")]
    TooLong { len: u64, max: usize },
    #[error(
        "a frame must begin with its length, a varint of at most 10 bytes, and this one does not{NOT_ABCI}"
    )]
    NoLength,
    #[error("it sent a frame of {len} bytes that is no ABCI response ({reason}){NOT_ABCI}")]
    NoResponse { len: usize, reason: String },
    #[error(
        "it answered {asked} with a message that ABCI 2.0, as CometBFT 0.38 speaks it, does not have: it speaks another version"
    )]
    Unknown { asked: &'static str },
    #[error("it answered {asked} with {got}: answers must come in the order of the requests")]
    OtherKind { asked: &'static str, got: &'static str },
    #[error("it sent {got} that nothing was asked for")]
    Unasked { got: &'static str },
    #[error("it answered {asked} with an exception: {text}")]
    Exception { asked: &'static str, text: String },
    #[error("its answer to {asked} is impossible: {reason}")]
    Impossible { asked: &'static str, reason: String },
}

const NOT_ABCI: &str = "; is it an ABCI application that listens there?";

impl Fault {
    /// Whether another process at that address may do better: it ended, hangs, or is not there yet. Everything else is a fault of the
    /// program there, and would come again.
    pub(super) fn may_pass(&self) -> bool {
        use Fault::*;
        matches!(self, NotConnected(_) | Ended | Broken(_) | Half { .. } | Silent { .. } | Mute { .. })
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Broken(error.to_string())
    }
}
