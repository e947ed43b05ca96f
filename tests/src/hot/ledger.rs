//! 500 transfers through the asset ledger over ten thousand accounts in memory, and the tree of its state alone.

use std::sync::Arc;

use althing_crypto::sha256;
use althing_ledger::state::{Changes, MemoryFiles, State};
use althing_ledger::{Application, CheckKind};

use super::inputs::{BLOCK, execute, ledger, transfers};
use super::{Row, Run, run};

pub(super) const PATHS: &[Row] = &[
    ("ledger.precheck_500", precheck),
    ("ledger.check_500", check),
    ("ledger.execute_500", finalize),
    ("ledger.commit_500", commit),
    ("ledger.state_root_1000_of_10000", state_root),
];

/// Signatures and form; of keys that it has not seen sign.
fn precheck() -> Run {
    let (ledger, txs) = (ledger(), transfers(BLOCK));
    run(move || {
        let given: Vec<&[u8]> = txs.iter().map(Vec::as_slice).collect();
        assert!(ledger.precheck(&given).iter().all(Result::is_ok));
        ledger
    })
}

fn check() -> Run {
    let (ledger, txs) = (ledger(), transfers(BLOCK));
    run(move || {
        assert!(txs.iter().all(|tx| ledger.check_tx(tx, CheckKind::New).is_ok()));
        ledger
    })
}

/// From bytes to results and the new root.
fn finalize() -> Run {
    let (ledger, txs) = (ledger(), transfers(BLOCK));
    run(move || (execute(&ledger, &txs), ledger))
}

fn commit() -> Run {
    let ledger = ledger();
    execute(&ledger, &transfers(BLOCK));
    run(move || {
        ledger.commit().expect("memory");
        ledger
    })
}

/// Records as large as balances.
fn records(numbers: impl Iterator<Item = u64>, value: u8) -> Changes {
    let record = |number: u64| (sha256(&number.to_be_bytes()).as_bytes().to_vec(), Some(vec![value; 58]));
    numbers.map(record).collect()
}

fn state_root() -> Run {
    let state = State::open(Arc::new(MemoryFiles::new()), 100).expect("memory");
    let first = state.stage(0, records(0..10_000, 1)).expect("the first height");
    state.commit(first).expect("memory");
    let changes = records((0..10_000).step_by(10), 2);
    run(move || (state.stage(1, changes).expect("the next height"), state))
}
