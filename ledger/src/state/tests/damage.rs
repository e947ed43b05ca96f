//! Rot: whatever is changed in the files is found, or was part of what a crash may cut off.

use std::sync::Arc;

use althing_crypto::sha256;

use super::program::SMALL;
use crate::{
    AppError,
    state::{Changes, MemoryFiles, Records, State, StateFiles, frame::Header, open::open},
};

fn written() -> (MemoryFiles, State, Vec<[u8; 32]>) {
    let files = Arc::new(MemoryFiles::new());
    let state = open(files.clone(), 2, SMALL).unwrap();
    let mut roots = vec![state.root()];
    for n in 1..12u8 {
        let changes: Changes = (0..6).map(|m| (vec![m], Some(vec![n; 50]))).collect();
        state.commit(state.stage(n.into(), changes).unwrap()).unwrap();
        roots.push(state.root());
    }
    (copy(&files), state, roots)
}

fn copy(files: &MemoryFiles) -> MemoryFiles {
    let copy = MemoryFiles::new();
    for file in files.list().unwrap() {
        copy.append(file, &bytes(files, file)).unwrap();
    }
    copy
}

fn bytes(files: &MemoryFiles, file: u32) -> Vec<u8> {
    let mut bytes = vec![0; files.len(file).unwrap() as usize];
    files.read(file, 0, &mut bytes).unwrap();
    bytes
}

/// The same files but for one byte.
fn rotten(files: &MemoryFiles, file: u32, at: usize, bit: u8) -> MemoryFiles {
    let mut bytes = bytes(files, file);
    bytes[at] ^= 1 << bit;
    let rotten = copy(files);
    rotten.remove(file).unwrap();
    rotten.append(file, &bytes).unwrap();
    rotten
}

#[test]
fn every_flipped_bit_is_found_at_the_start_or_loses_the_last_height() {
    let (files, _, roots) = written();
    let list = files.list().unwrap();
    assert!(list.len() > 2, "{list:?}");
    let (mut found, mut lost) = (0, 0);
    for &file in &list {
        for at in 0..files.len(file).unwrap() as usize {
            match open(Arc::new(rotten(&files, file, at, (at % 8) as u8)), 2, SMALL) {
                Err(AppError::Corrupt { at, .. }) => {
                    assert!(at.contains(&format!("state file {file}")), "{at}");
                    found += 1;
                }
                Err(other) => panic!("{other}"),
                Ok(state) => {
                    assert_eq!((state.version(), state.root()), (Some(10), roots[10]), "{file} {at}");
                    lost += 1;
                }
            }
        }
    }
    assert!(found > 5 * lost && lost > 0, "{found} {lost}");
}

#[test]
fn a_missing_file_is_found() {
    let (files, ..) = written();
    let list = files.list().unwrap();
    for &file in &list[..list.len() - 1] {
        let files = copy(&files);
        files.remove(file).unwrap();
        assert!(matches!(open(Arc::new(files), 2, SMALL), Err(AppError::Corrupt { .. })), "{file}");
    }
}

#[test]
fn a_record_that_rots_under_an_open_state_is_not_believed() {
    let (files, ..) = written();
    let file = *files.list().unwrap().last().unwrap();
    let files = Arc::new(files);
    let state = open(files.clone(), 2, SMALL).unwrap();
    let spoiled = rotten(&files, file, files.len(file).unwrap() as usize - 1, 0);
    files.truncate(file, 0).unwrap();
    files.append(file, &bytes(&spoiled, file)).unwrap();
    let answers: Vec<_> = (0..6).map(|m| state.newest().get(&[m])).collect();
    let bad = answers.iter().filter(|answer| matches!(answer, Err(AppError::Corrupt { .. }))).count();
    assert_eq!(bad, 1, "{answers:?}");
}

/// The bytes of a header of a later commit, as anybody can make them.
fn forged_header() -> Vec<u8> {
    let header = Header {
        body_len: 0,
        last: true,
        sequence: 1_000,
        version: 1_000,
        first_file: 1,
        oldest: 1,
        root: [0; 32],
        body_hash: *sha256(&[]).as_bytes(),
    };
    let mut bytes = [b"ALTSTAT\x01".to_vec(), borsh::to_vec(&header).unwrap()].concat();
    assert!(Header::decode(&[bytes.as_slice(), sha256(&bytes).as_bytes()].concat()).is_some());
    bytes.extend_from_slice(sha256(&bytes).as_bytes());
    bytes
}

#[test]
fn a_record_that_looks_like_a_header_does_not_keep_a_torn_commit_from_being_cut() {
    let files = MemoryFiles::new();
    let one = |n: u8, value| Changes::from([(vec![n], Some(value)), (vec![200], Some(vec![n; 60]))]);
    let commit = |n: u8, value| {
        let state = open(Arc::new(copy(&files)), 2, SMALL).unwrap();
        let staged = state.stage(n.into(), one(n, value)).unwrap();
        files.append(1, &staged.bytes).unwrap();
        staged.bytes.len()
    };
    let first = commit(1, vec![1; 40]);
    let second = commit(2, forged_header());
    for kept in 0..second {
        let torn = copy(&files);
        torn.truncate(1, (first + kept) as u64).unwrap();
        assert_eq!(open(Arc::new(torn), 2, SMALL).unwrap().version(), Some(1), "{kept} bytes of {second}");
    }
    let spoiled = rotten(&files, 1, first + second - 1, 0);
    assert_eq!(open(Arc::new(spoiled), 2, SMALL).unwrap().version(), Some(1));
    assert_eq!(open(Arc::new(files), 2, SMALL).unwrap().version(), Some(2));
}

#[test]
fn rot_is_found_in_the_last_commit_of_a_file_after_which_an_empty_one_was_begun() {
    let (files, ..) = written();
    let file = *files.list().unwrap().last().unwrap();
    let files = rotten(&files, file, files.len(file).unwrap() as usize - 1, 0);
    files.append(file + 1, &[]).unwrap();
    assert!(matches!(open(Arc::new(files), 2, SMALL), Err(AppError::Corrupt { .. })));
}
