use std::{
    fs,
    process::{Command, Output},
    thread,
};

use super::*;
use crate::storage::{Batch, RedbStore, Store, Table};

/// Set in the process that [`apart`] starts.
const APART: &str = "ALTHING_TEST_APART";

/// Runs a test of this program again, alone in a process: what is printed by a panic can only be seen from outside.
fn apart(test: &str) -> Output {
    let test = format!("storage::error::tests::{test}");
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "--nocapture", &test]).env(APART, "1").output().unwrap()
}

#[test]
fn rot_in_the_middle_of_a_redb_file_is_an_error_and_no_panic_is_printed() {
    if std::env::var_os(APART).is_some() {
        return panic_at_rot();
    }
    let output = apart("rot_in_the_middle_of_a_redb_file_is_an_error_and_no_panic_is_printed");
    let printed = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !printed.contains("panicked at"), "{printed}");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("the database panicked"), "the damage was of the kind that panics: {said}");
}

/// Damages one page after the other until all have been damaged.
fn panic_at_rot() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("database");
    let store = RedbStore::create(&path).unwrap();
    for round in 0..40u8 {
        let mut batch = Batch::new();
        (0..20u8).for_each(|key| batch.put(Table::Blocks, [round, key], vec![key; 900]));
        store.write(batch).unwrap();
    }
    drop(store);
    let intact = fs::read(&path).unwrap();
    for page in 1..intact.len() / 4096 {
        let mut bytes = intact.clone();
        bytes[page * 4096..][..64].fill(0xa5);
        fs::write(&path, bytes).unwrap();
        let read =
            RedbStore::open(&path).and_then(|store| store.range(Table::Blocks, b"", b"", 10_000, false));
        match read {
            // A page that nothing uses.
            Ok(read) => assert_eq!(read.len(), 800),
            Err(error) => {
                assert!(matches!(&error, StoreError::Corrupt { path: p, .. } if *p == path), "{error:?}");
                println!("{error}");
            }
        }
    }
}

#[test]
fn a_panic_elsewhere_is_reported_as_before() {
    if std::env::var_os(APART).is_some() {
        let path = Path::new("database");
        assert!(contain::<()>(path, || panic!("inside")).is_err());
        // While one thread is inside, another one panics; then this one does after it came out.
        let other = || thread::spawn(|| panic!("another thread")).join().is_err();
        assert!(contain(path, || Ok(other())).unwrap());
        assert!(catch_unwind(|| panic!("afterwards")).is_err());
        return;
    }
    let output = apart("a_panic_elsewhere_is_reported_as_before");
    let printed = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{printed}");
    assert!(printed.contains("another thread") && printed.contains("afterwards"), "{printed}");
    assert!(!printed.contains("inside"), "{printed}");
}
