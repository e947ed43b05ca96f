//! Trees that somebody made as bad as keys allow.

use std::sync::Arc;

use super::model::{Map, check_records, naive_root};
use crate::state::{Changes, MAX_KEY, MemoryFiles, Records, State, Witness, key::bit, witness};

/// Keys whose branches go down one bit at a time: each differs from the longest in a later place than the one before.
fn deepest() -> Vec<Vec<u8>> {
    let longest = vec![255; MAX_KEY];
    let mut keys = vec![longest.clone()];
    for at in 0..MAX_KEY {
        keys.push(longest[..at].to_vec());
        keys.extend((0..8).map(|n| {
            let mut key = longest[..=at].to_vec();
            key[at] ^= 1 << n;
            key
        }));
    }
    keys
}

#[test]
fn the_deepest_tree_is_like_any_other() {
    let keys = deepest();
    assert_eq!(keys.len(), 1153);
    assert!(bit(&keys[0], 1151));
    let map: Map = keys.iter().map(|key| (key.clone(), vec![key.len() as u8])).collect();
    let work = move || {
        let files = Arc::new(MemoryFiles::new());
        let state = State::open(files.clone(), 2).unwrap();
        let all: Changes = map.iter().map(|(key, value)| (key.clone(), Some(value.clone()))).collect();
        state.commit(state.stage(1, all).unwrap()).unwrap();
        assert_eq!(state.root(), naive_root(&map));
        let reopened = State::open(files, 2).unwrap();
        assert_eq!(reopened.root(), state.root());
        check_records(&map, &reopened.newest(), &keys[..50]);
        let ask = |records: &dyn Records| records.get(&keys[0]);
        let (answer, bytes) = witness(&state.newest(), ask).unwrap();
        let proved = Witness::decode(&bytes).unwrap();
        assert_eq!((proved.root(), ask(&proved).unwrap()), (state.root(), answer));
        let gone: Changes = keys.iter().skip(1).map(|key| (key.clone(), None)).collect();
        let staged = state.stage(2, gone).unwrap();
        state.commit(staged).unwrap();
        assert_eq!(state.root(), naive_root(&Map::from([(keys[0].clone(), vec![128])])));
    };
    // On a stack a quarter as large as the threads of most programs have.
    std::thread::Builder::new().stack_size(512 << 10).spawn(work).unwrap().join().unwrap();
}
