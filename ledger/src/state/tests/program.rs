//! Random programs of commits, with the state opened anew wherever it should not matter.

use std::sync::Arc;

use proptest::{collection::vec, prelude::*};

use super::model::Model;
use crate::state::{Change, Changes, Limits, MemoryFiles, State, open::open};

pub(super) const SMALL: Limits = Limits { file_bytes: 1500, slack_bytes: 3000 };

/// Few letters and lengths, so that keys meet: shared beginnings, one the beginning of another, the empty one.
pub(super) fn keys() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![vec(0u8..3, 0..4), vec(any::<u8>(), 0..3), vec(Just(255u8), 0..4)]
}

pub(super) fn changes() -> impl Strategy<Value = Changes> {
    let value = prop_oneof![1 => Just(None), 3 => vec(0u8..4, 0..40).prop_map(Some)];
    prop::collection::btree_map(keys(), value, 0..12)
}

fn commit(state: &State, model: &mut Model, version: u64, changes: &Changes) {
    let staged = state.stage(version, changes.clone()).unwrap();
    let root = staged.root();
    let before = state.root();
    drop(staged);
    assert_eq!(state.root(), before, "staging changes nothing");
    let mut found = Vec::new();
    state
        .newest()
        .find_all(changes.keys().map(Vec::as_slice), |one| found.push(one.map(|(at, _)| at)))
        .unwrap();
    let known: Vec<Change<'_>> = changes
        .iter()
        .zip(found)
        .map(|((key, value), found)| Change { key, value: value.as_deref(), found })
        .collect();
    let staged = state.stage_sorted(version, &known).unwrap();
    assert_eq!(staged.root(), root);
    state.commit(staged).unwrap();
    model.commit(version, changes);
    assert_eq!((state.root(), state.version()), (root, Some(version)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_state_is_what_its_model_is(
        program in vec((changes(), 1u64..3, any::<bool>()), 1..40),
        kept in 1u64..5,
        asked in vec(keys(), 2..8),
    ) {
        let files = Arc::new(MemoryFiles::new());
        let mut state = open(files.clone(), kept, SMALL).unwrap();
        let (mut model, mut version) = (Model::default(), 0);
        for (changes, step, reopen) in program {
            version += step;
            commit(&state, &mut model, version, &changes);
            let heights: Vec<u64> = model.heights.keys().rev().take(kept as usize).copied().collect();
            let oldest = *heights.last().unwrap();
            prop_assert_eq!(state.oldest(), Some(oldest));
            if reopen {
                let files_before = format!("{files:?}");
                state = open(files.clone(), kept, SMALL).unwrap();
                prop_assert_eq!(files_before, format!("{files:?}"), "opening a whole log changes nothing");
                // What is kept again depends on how far back the log is whole.
                prop_assert!(state.oldest().unwrap() >= oldest);
            }
            for height in heights {
                match state.at(height) {
                    Some(view) => model.check(&view, &asked),
                    None => prop_assert!(height < state.oldest().unwrap()),
                }
            }
            prop_assert!(state.at(version + 1).is_none());
        }
    }

    /// How many heights are kept may change at each start, and shows in nothing but in what can be asked about.
    #[test]
    fn kept_heights_change_what_is_kept_alone(
        program in vec((changes(), prop::option::weighted(0.4, 1u64..7)), 1..40),
        asked in vec(keys(), 2..8),
    ) {
        let steady = State::open(Arc::new(MemoryFiles::new()), 3).unwrap();
        let files = Arc::new(MemoryFiles::new());
        let (mut kept, mut oldest, mut model) = (2, 1, Model::default());
        let mut state = open(files.clone(), kept, SMALL).unwrap();
        for ((changes, reopen), version) in program.into_iter().zip(1..) {
            commit(&state, &mut model, version, &changes);
            steady.commit(steady.stage(version, changes).unwrap()).unwrap();
            if let Some(other) = reopen {
                kept = other;
                state = open(files.clone(), kept, SMALL).unwrap();
            }
            prop_assert_eq!((state.root(), state.version()), (steady.root(), steady.version()));
            let first = state.oldest().unwrap();
            prop_assert!(first + kept > version && first >= oldest, "no more than asked for, nor what was gone");
            oldest = first;
            for height in first..=version {
                model.check(&state.at(height).unwrap(), &asked);
            }
        }
    }

    #[test]
    fn the_root_depends_on_the_records_alone(
        first in vec(changes(), 0..10),
        detours in vec(changes(), 0..10),
    ) {
        let mut model = Model::default();
        let direct = State::open(Arc::new(MemoryFiles::new()), 1).unwrap();
        for (height, changes) in first.iter().enumerate() {
            model.commit(height as u64, changes);
        }
        let all: Changes = model.newest().into_iter().map(|(key, value)| (key, Some(value))).collect();
        direct.commit(direct.stage(1, all.clone()).unwrap()).unwrap();

        let winding = open(Arc::new(MemoryFiles::new()), 2, SMALL).unwrap();
        let mut other = Model::default();
        for (height, changes) in detours.iter().enumerate() {
            commit(&winding, &mut other, height as u64, changes);
        }
        let mut back: Changes = other.newest().into_keys().map(|key| (key, None)).collect();
        back.extend(all);
        commit(&winding, &mut other, 1000, &back);
        prop_assert_eq!(winding.root(), direct.root());
    }
}

#[test]
fn views_stay_while_commits_pass() {
    let state = open(Arc::new(MemoryFiles::new()), 1, SMALL).unwrap();
    let mut model = Model::default();
    let nothing = state.newest();
    assert_eq!((nothing.version(), nothing.root()), (None, state.root()));
    let asked: Vec<Vec<u8>> = (0..40u8).map(|n| vec![n % 7, n]).collect();
    let change = |n: u64| asked.iter().map(|key| (key.clone(), Some(vec![n as u8; 30]))).collect::<Changes>();
    commit(&state, &mut model, 1, &change(1));
    let first = state.newest();
    for n in 2..100 {
        commit(&state, &mut model, n, &change(n));
    }
    model.check(&first, &asked);
    assert_eq!(state.oldest(), Some(1), "somebody reads it");
    drop(first);
    commit(&state, &mut model, 100, &change(100));
    assert_eq!(state.oldest(), Some(100));
    assert!(state.at(1).is_none());
    model.check(&state.newest(), &asked);
}

#[test]
fn what_cannot_be_done_is_refused_and_changes_nothing() {
    let state = State::open(Arc::new(MemoryFiles::new()), 4).unwrap();
    let one = |key: Vec<u8>, value: Vec<u8>| Changes::from([(key, Some(value))]);
    state.commit(state.stage(5, one(vec![0; 128], vec![1; 1 << 20])).unwrap()).unwrap();
    assert!(state.stage(5, Changes::new()).is_err(), "a height is made once");
    assert!(state.stage(6, one(vec![0; 129], vec![])).is_err());
    assert!(state.stage(6, one(vec![], vec![1; (1 << 20) + 1])).is_err());
    let early = state.stage(6, one(vec![1], vec![1])).unwrap();
    state.commit(state.stage(7, one(vec![2], vec![2])).unwrap()).unwrap();
    assert!(state.commit(early).is_err(), "another height came between");
    assert_eq!(state.version(), Some(7));
    state.commit(state.stage(8, Changes::new()).unwrap()).unwrap();
}
