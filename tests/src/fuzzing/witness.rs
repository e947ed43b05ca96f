//! What a client is handed as a proof, and the log of a state with anything in it.

use std::sync::{Arc, LazyLock};

use althing_ledger::state::{Changes, MemoryFiles, Records, State, StateFiles, Witness, witness as prove};

/// Keys that stand close together and far apart.
const KEYS: [&[u8]; 8] = [b"", b"a", b"aa", b"ab", b"b", b"\x00", b"\xff\xff", b"history"];

/// A state of two heights, and its files.
static KNOWN: LazyLock<(State, Arc<MemoryFiles>)> = LazyLock::new(|| {
    let files = Arc::new(MemoryFiles::new());
    let state = State::open(files.clone(), 4).expect("nothing to read");
    for height in 0..2u8 {
        let value = |key: &&[u8]| (key.to_vec(), Some([*key, &[height]].concat()));
        let changes: Changes = KEYS[1..].iter().map(value).collect();
        let staged = state.stage(height.into(), changes).expect("small records");
        state.commit(staged).expect("memory");
    }
    (state, files)
});

/// The first byte chooses what the rest is.
pub fn witness(bytes: &[u8]) {
    match bytes.split_first() {
        Some((0, rest)) => log(rest),
        Some((_, rest)) => proof(rest),
        None => {}
    }
}

/// Reading ends whatever the bytes are; and under the root of a known state nothing else is read than that state holds.
fn proof(bytes: &[u8]) {
    let Ok(witness) = Witness::decode(bytes) else { return };
    let known = KNOWN.0.newest();
    let is_known = witness.root() == known.root();
    for key in KEYS {
        let read = witness.get(key);
        if let (true, Ok(value)) = (is_known, &read) {
            assert_eq!(*value, known.get(key).expect("memory"), "of {key:?}");
        }
        // What a history says is not vouched for: whoever asks compares.
        let _ = witness.versions(key, 3);
        for to in KEYS {
            let read = witness.range(key, to, 3);
            if let (true, Ok(records)) = (is_known, read) {
                assert_eq!(records, known.range(key, to, 3).expect("memory"), "from {key:?} to {to:?}");
            }
        }
    }
}

/// A state opens on any files or says why not; what it opens with hashes to the root that it names, and it can go on.
fn log(bytes: &[u8]) {
    let files = Arc::new(MemoryFiles::new());
    files.append(1, bytes).expect("memory");
    let Ok(state) = State::open(files, 4) else { return };
    let root = state.root();
    assert_eq!(state.newest().root(), root);
    state.newest().range(b"", b"", 100).expect("what was opened can be read");
    let next = state.version().map_or(Some(0), |version| version.checked_add(1));
    let Some(next) = next else { return };
    let staged = state.stage(next, Changes::new()).expect("no change");
    assert_eq!(staged.root(), root, "no change, no other root");
    state.commit(staged).expect("memory");
}

/// Real witnesses, of single keys, absent ones, ranges and histories, and a real log.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    let view = KNOWN.0.newest();
    let of = |ask: &dyn Fn(&dyn Records)| {
        let noted = |records: &dyn Records| {
            ask(records);
            Ok(())
        };
        let ((), bytes) = prove(&view, noted).expect("memory");
        [&[1], bytes.as_slice()].concat()
    };
    let get = |key: &'static [u8]| move |records: &dyn Records| drop(records.get(key).expect("memory"));
    let mut seeds: Vec<Vec<u8>> = KEYS.into_iter().map(|key| of(&get(key))).collect();
    seeds.push(of(&|records| drop(records.range(b"a", b"b", 9).expect("memory"))));
    seeds.push(of(&|records| drop(records.versions(b"history", 2).expect("memory"))));
    let files = &KNOWN.1;
    let mut log = vec![0; files.len(1).expect("the first file") as usize];
    files.read(1, 0, &mut log).expect("whole");
    seeds.push([&[0], log.as_slice()].concat());
    seeds
}
