//! Whether an application keeps what [`Application`] promises: a kit that its author runs in one line of test.
//!
//! ```
//! use std::sync::Arc;
//! use althing_ledger::conformance::{self, Place, Subject};
//! use althing_ledger::kv::{KeyValue, Operation, Transaction};
//! use althing_ledger::{Bytes, InitChain, state::MemoryFiles};
//! # use althing_crypto::Encoding;
//!
//! struct MyApplication;
//!
//! impl Subject for MyApplication {
//!     fn place(&self) -> Place {
//!         let files = Arc::new(MemoryFiles::new());
//!         Box::new(move || Ok(Arc::new(KeyValue::open(files.clone(), 10)?)))
//!     }
//!     fn genesis(&self) -> InitChain {
//!         InitChain { chain_id: "try".into(), initial_height: 1, app_state: b"{}".to_vec(), ..Default::default() }
//!     }
//!     fn blocks(&self) -> Vec<Vec<Bytes>> {
//!         let set = |nonce| Transaction { nonce, key: b"k".to_vec(), operation: Operation::Set(vec![nonce as u8]) };
//!         vec![vec![set(1).encode(), set(2).encode()], vec![set(3).encode()]]
//!     }
//! }
//!
//! conformance::run(&MyApplication);
//! ```
//!
//! The kit does to the application what a node does and what a node does not do, on purpose or by accident: blocks over and
//! over, restarts between any two calls, hostile bytes, and compares all with a plain run. What it cannot see: a power cut within
//! a commit, a disk that fails, an architecture that computes otherwise.
//!
//! | file | holds |
//! |---|---|
//! | `report` | what came of it |
//! | `instance` | calls to an application, a panic in which is a failure like any other |
//! | `samples`, `chain` | the subject's blocks, and how a node brings an application through them |
//! | `trial` | the plain run, and how another is compared with it |
//! | `garbage` | hostile bytes |
//! | `checks` | the checks |

mod chain;
mod checks;
mod garbage;
mod instance;
mod report;
mod samples;
#[cfg(test)]
mod tests;
mod trial;

use std::sync::Arc;

pub use report::{Line, Outcome, Report};

use crate::{AppError, AppHash, Application, Bytes, InitChain, Query, QueryResult};
use instance::{Stop, guard};
use trial::Trial;

/// What keeps an application's state while it does not run. To call it is to start the application there.
///
/// It is called again after the instance before was dropped, and that is a crash: what was not durable then must be gone. For an
/// application in a process of its own: that process is killed and started anew.
pub type Place = Box<dyn Fn() -> Result<Arc<dyn Application>, AppError>>;

/// An application under test, and what to try it with.
pub trait Subject: Sync {
    /// A place where the application has never run.
    fn place(&self) -> Place;

    /// A genesis that it accepts.
    fn genesis(&self) -> InitChain;

    /// Another one that it accepts, to be told from the first; none if it cannot tell one from another.
    fn other_genesis(&self) -> Option<InitChain> {
        None
    }

    /// Two blocks or more that follow that genesis, of transactions that pass `precheck`. Let some succeed, others fail, some in
    /// one block build on one another. A handful of each is enough: blocks are executed hundreds of times.
    fn blocks(&self) -> Vec<Vec<Bytes>>;

    /// Questions about the newest state (`height` 0), with `prove` where the application offers a proof.
    fn questions(&self) -> Vec<Query> {
        Vec::new()
    }

    /// Checks an answer with a proof as a client would: whether the state that `app_hash` names gives this answer.
    fn verify(&self, _asked: &Query, _answer: &QueryResult, _app_hash: &AppHash) -> Result<(), String> {
        Err("this application offers no proofs".to_owned())
    }

    /// Whether its state outlives a restart. If not, the node brings it all blocks again.
    fn keeps_state(&self) -> bool {
        true
    }

    /// Whether `info` tells of a genesis that no block follows yet. ABCI 2.0 has no words for it: there `init_chain` comes again.
    fn tells_of_genesis(&self) -> bool {
        true
    }

    /// Whether it makes a snapshot at one of the heights of [`Subject::blocks`].
    fn makes_snapshots(&self) -> bool {
        false
    }
}

/// Tries an application and panics with the [`Report`] if anything failed.
///
/// # Panics
///
/// That is how it tells.
pub fn run(subject: &dyn Subject) {
    let report = report(subject);
    assert!(report.passed(), "\n{report}");
}

/// Tries an application: one line per check, in the order of [`names`].
pub fn report(subject: &dyn Subject) -> Report {
    let mut lines: Vec<Line> = Vec::new();
    let trial = guard("starting the checks", || Trial::of(subject)).and_then(|made| made);
    for (nth, check) in checks::ALL.iter().enumerate() {
        let grounded = lines.iter().take(checks::GROUND).all(|line| line.outcome == Outcome::Passed);
        let outcome = match &trial {
            Ok(trial) if grounded => {
                Outcome::from(guard("the check", || (check.test)(trial)).and_then(|seen| seen))
            }
            Err(stop) if nth == 0 => Outcome::from(Err(stop.clone())),
            _ => Outcome::NotTried,
        };
        lines.push(Line { check: check.name, promise: check.promise, outcome });
    }
    Report { lines }
}

/// The names of all checks, and what each holds an application to.
pub fn names() -> impl Iterator<Item = (&'static str, &'static str)> {
    checks::ALL.iter().map(|check| (check.name, check.promise))
}
