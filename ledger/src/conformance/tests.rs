//! Our applications under the kit, and the kit under applications that are wrong on purpose.

mod asset;
mod faults;
mod faulty;
mod kv;
mod snapshots;
mod table;

use faults::{FAULTS, Fault};
use faulty::{Forgetful, Wrong};

use super::*;

/// Each fault is seen by the check that is there for it, and by no other that is not named with it.
fn sees(faults: &[Fault]) -> Vec<String> {
    let mut unexpected = Vec::new();
    for Fault { kind, seen_by, .. } in faults {
        let report = report(&Wrong(Some(*kind)));
        let failed: Vec<_> = report.failures().collect();
        for (check, seen) in &failed {
            println!("{kind:?}: {check}: {seen}");
        }
        if failed.iter().map(|(check, _)| *check).ne(seen_by.iter().copied()) {
            unexpected.push(format!("{kind:?}: expected {seen_by:?}, found {failed:?}"));
        }
    }
    unexpected
}

#[test]
fn every_check_can_fail() {
    let (some, others) = FAULTS.split_at(FAULTS.len() / 2);
    let unexpected = std::thread::scope(|scope| {
        let beside = scope.spawn(|| sees(some));
        [sees(others), beside.join().unwrap()].concat()
    });
    assert!(unexpected.is_empty(), "{}", unexpected.join("\n"));
    for (check, _) in names() {
        assert!(FAULTS.iter().any(|fault| fault.seen_by[0] == check), "no fault shows that {check} can fail");
    }
}

/// Without a fault the same application passes, with nothing left out.
#[test]
fn the_application_that_faults_are_built_into_has_none() {
    let report = report(&Wrong(None));
    assert!(report.lines.iter().all(|line| line.outcome == Outcome::Passed), "\n{report}");
}

/// What an application says that it does not do is held against nobody; what it does not say, is.
#[test]
fn what_is_not_offered_fails_nothing() {
    let report = report(&Forgetful);
    let not_offered: Vec<_> = (report.lines.iter())
        .filter_map(|line| matches!(line.outcome, Outcome::NotOffered(_)).then_some(line.check))
        .collect();
    let expected = [
        "commits_are_durable",
        "query_changes_nothing",
        "questions_beside_execution",
        "other_genesis_is_refused",
        "proofs_verify",
        "tampered_proofs_are_refused",
    ];
    assert!(report.passed() && not_offered == expected, "{not_offered:?}\n{report}");
    let untold = super::report(&Wrong(Some(faults::Kind::GenesisUntold)));
    let failed: Vec<_> = untold.failures().map(|(check, _)| check).collect();
    assert_eq!(failed, ["info_is_true", "commits_are_durable"], "{untold}");
}

#[test]
fn a_failure_is_told_by_a_panic_that_names_check_promise_and_what_was_seen() {
    let told = std::panic::catch_unwind(|| run(&Wrong(Some(faults::Kind::ResultForgotten)))).unwrap_err();
    let told = told.downcast_ref::<String>().unwrap();
    for part in ["fails       one_result_per_transaction: ", "promised: ", "passes      info_is_true"] {
        assert!(told.contains(part), "{told}");
    }
}
