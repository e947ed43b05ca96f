//! The pool of pending transactions, as a pure state machine: [`Input`]s go in, [`Action`]s come out, and nothing else
//! moves it: no clock, thread, disk, network or randomness. The same inputs give the same actions on every machine.
//!
//! A transaction is bytes, named by its hash. What it means only the application knows, which is asked in two stages:
//!
//! 1. *Upon being handed in* ([`Input::Submit`]): committed, pending and refused ones get their first answer at once. A
//!    new one goes, in a batch, to `precheck` ([`Action::Precheck`]), which sees no state; its verdict is remembered by
//!    hash, also when it comes from a block, so each transaction is prechecked once per node.
//! 2. *Upon passing*, the pool's own rules are asked, then `check_tx` ([`Action::Check`]), which sees the executed
//!    state, then the rules again. What passes is admitted: answered, gossiped unless only peers sent it so far, and it stays
//!    until it is committed, expires, or the application refuses it in a re-check. It is never evicted for another.
//! 3. *Upon a commit* ([`Input::Committed`]): the block's transactions leave, their senders' next sequence moves on in
//!    advance of execution, and what expired is dropped.
//! 4. *Upon execution* ([`Input::Executed`]): the senders the block touched are checked again, one transaction each.
//!
//! Everything anyone can fill is bounded by [`Limits`]; the README tells who can do what to whom.

mod in_flight;
mod key;
mod limits;
mod map;
mod mempool;
mod message;
mod pool;
mod recent;
mod rechecks;
mod refusal;
mod sender;
mod usage;

pub use limits::Limits;
pub use map::Seed;
pub use mempool::Mempool;
pub use message::{Action, Admission, CheckedTx, Input, Outcome, Source, Status, Tx, TxBytes};
pub use refusal::{CODESPACE, Code, Refusal};

/// Bytes of a sender's name that are kept.
pub const MAX_SENDER_BYTES: usize = 128;
