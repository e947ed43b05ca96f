//! The log stays short under endless rewriting, and what is kept stays whole.

use std::sync::{Arc, atomic::Ordering};

use super::{disk::Disk, model::Model, program::SMALL};
use crate::state::{Changes, MemoryFiles, Records, StateFiles, open::open};

fn total(files: &MemoryFiles) -> u64 {
    files.list().unwrap().into_iter().map(|file| files.len(file).unwrap()).sum()
}

/// Rewrites `hot` of 300 records over and over; returns the most that the log and the tree came to.
fn rewrite(hot: u64, heights: u64) -> (u64, usize) {
    let files = Arc::new(MemoryFiles::new());
    let mut state = open(files.clone(), 4, SMALL).unwrap();
    let key = |m: u64| format!("key {m}").into_bytes();
    let mut model = Model::default();
    for n in 1..=20 {
        let some: Changes = (0..15).map(|m| (key(15 * (n - 1) + m), Some(vec![1; 40]))).collect();
        state.commit(state.stage(n, some.clone()).unwrap()).unwrap();
        model.commit(n, &some);
    }
    let (mut longest, mut nodes) = (0, 0);
    for n in 21..heights {
        let pick = |m: u64| key((n * 7 + m * m) % hot);
        let changes: Changes = (0..5).map(|m| (pick(m), Some(vec![(n + m) as u8; 40]))).collect();
        state.commit(state.stage(n, changes.clone()).unwrap()).unwrap();
        model.commit(n, &changes);
        model.heights.retain(|height, _| height + 4 > n);
        if n % 97 == 0 {
            state = open(files.clone(), 4, SMALL).unwrap();
        }
        longest = longest.max(total(&files));
        nodes = nodes.max(state.tree().arena.len());
    }
    for height in state.oldest().unwrap()..heights {
        let asked: Vec<_> = (0..300).step_by(7).map(key).collect();
        let view = state.at(height).unwrap();
        super::model::check_records(&model.heights[&height], &view, &asked);
    }
    (longest, nodes)
}

#[test]
fn the_log_and_the_tree_stay_bounded() {
    // A record of 40 bytes takes 65 in the log, 300 of them 19,500.
    for hot in [300, 10] {
        let (longest, nodes) = rewrite(hot, 3000);
        assert!(longest < 19_500 * 5 / 2 + SMALL.slack_bytes + 4 * SMALL.file_bytes, "{hot}: {longest}");
        // 599 nodes of one height, and what three more replaced of it: paths of some ten nodes.
        assert!(nodes < 599 + 3 * 5 * 12, "{hot}: {nodes}");
    }
}

#[test]
fn removed_records_leave_nothing_behind() {
    let files = Arc::new(MemoryFiles::new());
    let state = open(files.clone(), 2, SMALL).unwrap();
    let empty = state.root();
    for n in 1..=600u64 {
        let value = (n % 2 == 1).then(|| vec![1; 100]);
        let changes = (0..20u8).map(|m| (vec![m, (n.div_ceil(2) % 250) as u8], value.clone())).collect();
        state.commit(state.stage(n, changes).unwrap()).unwrap();
    }
    assert_eq!((state.root(), state.tree().live), (empty, 0), "the last height removed all");
    for n in 601..700 {
        state.commit(state.stage(n, Changes::new()).unwrap()).unwrap();
    }
    assert!(total(&files) <= SMALL.slack_bytes + 3 * SMALL.file_bytes, "{}", total(&files));
    assert_eq!(state.tree().arena.len(), 0);
    let state = open(files, 2, SMALL).unwrap();
    assert_eq!((state.root(), state.version()), (empty, Some(699)));
    assert_eq!(state.newest().range(&[], &[], 9).unwrap(), []);
}

#[test]
fn a_file_that_cannot_be_removed_is_removed_later() {
    let disk = Arc::new(Disk::default());
    let advance = |from: u64, to: u64| {
        let state = open(disk.clone(), 1, SMALL).unwrap();
        for n in from..to {
            let changes = Changes::from([(b"key".to_vec(), Some(vec![n as u8; 300]))]);
            state.commit(state.stage(n, changes).unwrap()).unwrap();
        }
        state
    };
    disk.clings.store(true, Ordering::Relaxed);
    let state = advance(1, 60);
    let first_file = state.tree().first_file;
    assert!(first_file > 3 && disk.list().unwrap().contains(&1));
    disk.clings.store(false, Ordering::Relaxed);
    state.commit(state.stage(60, Changes::new()).unwrap()).unwrap();
    assert!(disk.list().unwrap().iter().all(|file| *file >= first_file));

    disk.clings.store(true, Ordering::Relaxed);
    drop((state, advance(61, 120)));
    assert!(disk.list().unwrap().contains(&first_file));
    disk.clings.store(false, Ordering::Relaxed);
    let state = open(disk.clone(), 1, SMALL).unwrap();
    assert!(disk.list().unwrap().iter().all(|file| *file >= state.tree().first_file));
}

#[test]
fn older_versions_are_found_as_far_back_as_the_log_goes() {
    let files = Arc::new(MemoryFiles::new());
    let state = open(files.clone(), 1, SMALL).unwrap();
    let set = |height: u64, value: Option<u8>| {
        let changes = Changes::from([(b"key".to_vec(), value.map(|value| vec![value]))]);
        state.commit(state.stage(height, changes).unwrap()).unwrap();
    };
    let versions = |limit| state.newest().versions(b"key", limit).unwrap();
    set(1, Some(1));
    assert!(versions(9).is_empty());
    set(2, Some(2));
    set(3, Some(2));
    set(4, Some(3));
    assert_eq!(versions(9), [[2], [1]]);
    assert_eq!(versions(1), [[2]]);
    set(5, None);
    assert!(versions(9).is_empty());
    set(6, Some(6));
    assert!(versions(9).is_empty(), "the record is a new one");
    for n in 7..150 {
        set(n, Some(n as u8));
    }
    let kept = versions(1000);
    assert!(kept.len() > 5 && kept.len() < 100, "{}", kept.len());
    assert!(kept.iter().zip((7..149u8).rev()).all(|(found, n)| *found == [n]), "{kept:?}");
}

#[test]
fn a_record_that_is_set_to_what_it_is_while_the_log_is_swept_stays() {
    let files = Arc::new(MemoryFiles::new());
    let mut state = open(files.clone(), 2, SMALL).unwrap();
    let same = |n: u8| (vec![1, n], Some(vec![n; 40]));
    state.commit(state.stage(1, (0..10).map(same).collect()).unwrap()).unwrap();
    for n in 2..400u64 {
        let mut changes: Changes = (0..10).map(same).collect();
        changes.extend((0..5).map(|m| (vec![2, m], Some(vec![n as u8; 40]))));
        state.commit(state.stage(n, changes).unwrap()).unwrap();
        if n % 50 == 0 {
            state = open(files.clone(), 2, SMALL).unwrap();
        }
        for (key, value) in (0..10).map(same) {
            assert_eq!(state.newest().get(&key).unwrap(), value, "height {n}");
        }
    }
    assert!(!files.list().unwrap().contains(&1), "what the records were first written to is gone");
}

#[test]
fn the_log_of_many_tiny_records_stays_bounded_too() {
    let files = Arc::new(MemoryFiles::new());
    let state = open(files.clone(), 1, SMALL).unwrap();
    for n in 1..18u64 {
        let record = |m: u16| (m.to_be_bytes().to_vec(), Some(vec![0; (n % 2) as usize]));
        state.commit(state.stage(n, (0..28_000).map(record).collect()).unwrap()).unwrap();
    }
    // A record takes 19 or 20 bytes in the log, most of them neither key nor value.
    assert!(total(&files) < 5 * 28_000 * 20, "{}", total(&files));
}
