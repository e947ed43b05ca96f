//! The pool of pending transactions, as a pure state machine: [`Input`]s go in, [`Action`]s come out.

mod limits;
mod message;
mod refusal;

pub use limits::Limits;
pub use message::{Action, Admission, CheckedTx, Input, Outcome, Source, Status, TxBytes};
pub use refusal::{CODESPACE, Code, Refusal};

/// Bytes of a sender's name.
pub const MAX_SENDER_BYTES: usize = 128;
