//! The hot paths of a node, each as one piece of work on fixed inputs: counted in instructions, timed, or only run, from one list.
//!
//! A path is prepared outside of what is measured, and what it leaves is dropped outside of it. Everything happens on one thread: work that a
//! path hands to others is not counted.

use std::any::Any;
use std::hint::black_box;

pub mod baseline;
mod consensus;
pub mod count;
mod crypto;
mod inputs;
mod ledger;
mod mempool;
mod rpc;
mod storage;
pub mod time;
mod wire;

/// What a run leaves, dropped after it.
pub type Left = Box<dyn Any>;

/// One run, with everything that it needs.
pub type Run = Box<dyn FnOnce() -> Left>;

/// A hot path.
pub struct Path {
    /// Room and work, as in `mempool.insert_500`.
    pub name: &'static str,
    /// Makes the inputs of one run; the same each time.
    pub prepare: fn() -> Run,
}

/// All of them, in the order of a transaction's way.
pub fn paths() -> Vec<Path> {
    [crypto::PATHS, rpc::PATHS, mempool::PATHS, wire::PATHS, consensus::PATHS, storage::PATHS, ledger::PATHS]
        .concat()
        .into_iter()
        .map(|(name, prepare)| Path { name, prepare })
        .collect()
}

/// A row of a room's table: name and preparation.
type Row = (&'static str, fn() -> Run);

/// A run of this work.
fn run<T: 'static>(work: impl FnOnce() -> T + 'static) -> Run {
    Box::new(|| Box::new(black_box(work())))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_path_has_a_name_of_its_own_and_runs() {
        let paths = paths();
        assert_eq!(paths.iter().map(|path| path.name).collect::<BTreeSet<_>>().len(), paths.len());
        for path in paths {
            drop((path.prepare)()());
        }
    }
}
