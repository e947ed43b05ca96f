//! Rot: whatever is changed in the files is found, or was part of what a crash may cut off.

use std::sync::Arc;

use super::program::SMALL;
use crate::{
    AppError,
    state::{Changes, MemoryFiles, Records, State, StateFiles, open::open},
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
