//! A witness proves what was asked and nothing else, whatever is done to its bytes.

use std::sync::Arc;

use proptest::{collection::vec, prelude::*};

use super::{
    model::{Map, Model, naive_root},
    program::{changes, keys},
};
use crate::{
    AppError,
    state::{Changes, MAX_WITNESS_BYTES, MemoryFiles, Record, Records, State, Witness, witness},
};

fn state_of(map: &Map) -> State {
    let state = State::open(Arc::new(MemoryFiles::new()), 2).unwrap();
    let all = map.iter().map(|(key, value)| (key.clone(), Some(value.clone()))).collect();
    state.commit(state.stage(1, all).unwrap()).unwrap();
    state
}

#[derive(Clone, Debug)]
enum Question {
    Get(Vec<u8>),
    Range(Vec<u8>, Vec<u8>, usize),
}

#[derive(Debug, PartialEq)]
enum Answer {
    Value(Option<Vec<u8>>),
    Records(Vec<Record>),
}

impl Question {
    fn ask(&self, records: &dyn Records) -> Result<Answer, AppError> {
        Ok(match self {
            Question::Get(key) => Answer::Value(records.get(key)?),
            Question::Range(from, to, limit) => Answer::Records(records.range(from, to, *limit)?),
        })
    }

    fn any() -> impl Strategy<Value = Question> {
        prop_oneof![
            keys().prop_map(Question::Get),
            (keys(), keys(), 0usize..6).prop_map(|(from, to, limit)| Question::Range(from, to, limit)),
        ]
    }
}

fn ask_all(questions: &[Question], records: &dyn Records) -> Result<Vec<Answer>, AppError> {
    questions.iter().map(|question| question.ask(records)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_same_questions_have_the_same_answers(
        program in vec(changes(), 1..6),
        questions in vec(Question::any(), 0..5),
        others in vec(Question::any(), 5),
    ) {
        let mut model = Model::default();
        program.iter().enumerate().for_each(|(n, changes)| model.commit(n as u64, changes));
        let map = model.newest();
        let state = state_of(&map);
        let (answers, bytes) = witness(&state.newest(), |records| ask_all(&questions, records)).unwrap();
        let proved = Witness::decode(&bytes).unwrap();
        prop_assert_eq!(proved.root(), naive_root(&map));
        prop_assert_eq!(ask_all(&questions, &proved).unwrap(), answers);
        // Another question has the true answer or none.
        for other in others {
            if let Ok(answer) = other.ask(&proved) {
                prop_assert_eq!(answer, other.ask(&state.newest()).unwrap());
            }
        }
        // Every bit counts.
        for at in 0..bytes.len() {
            let mut spoiled = bytes.clone();
            spoiled[at] ^= 1 << (at % 8);
            if let Ok(spoiled) = Witness::decode(&spoiled) {
                prop_assert_ne!(spoiled.root(), state.root(), "byte {}", at);
            }
            prop_assert!(Witness::decode(&bytes[..at]).is_err());
        }
    }

    #[test]
    fn hostile_bytes_are_refused_or_harmless(bytes in vec(any::<u8>(), 0..200), at in 0usize..200, key in keys()) {
        let mut bytes = [&[1, 3, 0, 0], &bytes[..]].concat();
        for _ in 0..2 {
            if let Ok(proved) = Witness::decode(&bytes) {
                let _ = proved.get(&key);
                let _ = proved.range(&key, &[], 9);
                let _ = proved.versions(&key, 9);
            }
            let at = at.min(bytes.len());
            bytes.truncate(at);
        }
    }
}

#[test]
fn every_bit_of_a_witness_counts_one_by_one() {
    let map: Map = (0..9u8).map(|n| (vec![n * 7, n], vec![n; n.into()])).collect();
    let state = state_of(&map);
    let ask = |records: &dyn Records| {
        Ok((records.get(&[7, 1])?, records.get(&[9])?, records.range(&[28], &[36], 9)?))
    };
    let (answer, bytes) = witness(&state.newest(), ask).unwrap();
    assert_eq!(answer.2.len(), 2);
    for bit in 0..bytes.len() * 8 {
        let mut spoiled = bytes.clone();
        spoiled[bit / 8] ^= 1 << (bit % 8);
        let believed = Witness::decode(&spoiled).is_ok_and(|spoiled| spoiled.root() == state.root());
        assert!(!believed, "bit {bit}");
    }
}

#[test]
fn histories_are_carried_in_the_number_that_was_asked_for() {
    let state = state_of(&Map::from([(b"a".to_vec(), vec![1]), (b"b".to_vec(), vec![1])]));
    for n in 2..9u8 {
        let changes = Changes::from([(b"a".to_vec(), Some(vec![n]))]);
        state.commit(state.stage(n.into(), changes).unwrap()).unwrap();
    }
    let ask = |records: &dyn Records| Ok((records.versions(b"a", 2)?, records.versions(b"c", 5)?));
    let (answer, bytes) = witness(&state.newest(), ask).unwrap();
    assert_eq!(answer, (vec![vec![7], vec![6]], vec![]));
    let proved = Witness::decode(&bytes).unwrap();
    assert_eq!(proved.root(), state.root());
    assert_eq!(ask(&proved).unwrap(), answer);
    assert!(proved.versions(b"a", 1).is_err());
    assert!(proved.versions(b"a", 3).is_err());
    assert!(proved.versions(b"b", 1).is_err());
}

#[test]
fn an_older_height_is_proved_like_the_newest_and_without_records_too() {
    let state = State::open(Arc::new(MemoryFiles::new()), 3).unwrap();
    let ask = |records: &dyn Records| records.get(b"a");
    let prove = |height: u64| {
        let view = state.at(height).unwrap();
        let (answer, bytes) = witness(&view, ask).unwrap();
        let proved = Witness::decode(&bytes).unwrap();
        assert_eq!((proved.root(), ask(&proved).unwrap()), (view.root(), answer.clone()));
        answer
    };
    state.commit(state.stage(1, Changes::new()).unwrap()).unwrap();
    for n in 2..4u8 {
        let changes = Changes::from([(b"a".to_vec(), Some(vec![n])), (vec![n], Some(vec![n]))]);
        state.commit(state.stage(n.into(), changes).unwrap()).unwrap();
    }
    assert_eq!([prove(1), prove(2), prove(3)], [None, Some(vec![2]), Some(vec![3])]);
}

/// One branch below the other, as many as `bits`, with leaves cut off on the left and `tail` at the end.
fn staircase(bits: impl Iterator<Item = u16>, tail: &[u8]) -> Vec<u8> {
    let mut bytes = vec![1];
    for bit in bits {
        bytes.extend([3, (bit >> 8) as u8, bit as u8, 1]);
        bytes.extend([9; 32]);
    }
    [&bytes[..], tail, &[0, 0]].concat()
}

#[test]
fn bytes_of_another_shape_are_refused() {
    let leaf = |key: &[u8]| [&[2, key.len() as u8], key, &[0, 0, 0, 1, 5]].concat();
    let longest = leaf(&[255; 128]);
    let decode = |bytes: &[u8]| Witness::decode(bytes).map(|witness| witness.root());
    assert!(decode(&staircase(0..1152, &longest)).is_ok());
    assert!(decode(&staircase(0..1154, &longest)).is_err(), "deeper than a key has bits");
    assert!(decode(&staircase([5, 5].into_iter(), &longest)).is_err(), "not downwards");
    assert!(decode(&staircase([9, 5].into_iter(), &longest)).is_err(), "upwards");
    assert!(decode(&staircase([5].into_iter(), &leaf(&[0]))).is_err(), "the key has a 0 at place 5");
    assert!(decode(&staircase([5].into_iter(), &leaf(&[255; 129]))).is_err(), "too long a key");
    assert!(decode(&staircase([5].into_iter(), &[0])).is_err(), "nothing below a branch");
    let siblings = |bit: u8| [&[1, 3, 0, bit][..], &leaf(&[0b0001]), &leaf(&[0b0011]), &[0, 0]].concat();
    assert!(decode(&siblings(7)).is_ok());
    assert!((0..7).chain(8..20).all(|bit| decode(&siblings(bit)).is_err()), "they part at place 7");
    assert!(decode(&[1, 0, 0, 0]).is_ok_and(|root| root == naive_root(&Map::new())));
    assert!(decode(&[2, 0, 0, 0]).is_err() && decode(&[1, 0, 0, 0, 0]).is_err() && decode(&[]).is_err());
    assert!(decode(&vec![3; MAX_WITNESS_BYTES + 1]).is_err());
}
