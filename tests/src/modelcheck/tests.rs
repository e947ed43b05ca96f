use std::collections::BTreeSet;
use std::time::Duration;

use stateright::Model;

use super::blocks::Catalogue;
use super::laws;
use super::possible::Possible;
use super::{Bound, Limits, State, Votes};
use crate::bare::Setup;
use althing_consensus::ConsensusParams;

const SMALL: Bound = Bound { members: 4, faulty: 1, views: 2, then: 0, names: 1, whole: true, exact: false };

/// All states, searched until members do nothing new. None of them breaks a law.
fn search(model: &Votes) -> Vec<State> {
    loop {
        let mut states = model.init_states();
        let mut seen: BTreeSet<Vec<u32>> = states.iter().map(|state| state.0.clone()).collect();
        let mut at = 0;
        while at < states.len() {
            assert!(model.properties().iter().all(|law| (law.condition)(model, &states[at])));
            let next = model.next_states(&states[at]);
            states.extend(next.into_iter().filter(|next| seen.insert(next.0.clone())));
            at += 1;
        }
        if !model.has_grown() {
            return states;
        }
    }
}

/// What was signed, by all members, in every state.
fn signed(model: &Votes) -> BTreeSet<Vec<[u128; 3]>> {
    let states = search(model);
    let automaton = model.automaton();
    let said = |group: &u32| {
        let said = &automaton.groups[*group as usize].said;
        [said.votes, said.commits, said.timeouts]
    };
    let sorted = |state: &State| {
        let mut all: Vec<[u128; 3]> = state.0.iter().map(said).collect();
        all.sort_unstable();
        all
    };
    states.iter().map(sorted).collect()
}

#[test]
fn two_views_break_no_law() {
    let states = search(&Votes::new(Bound { names: 2, whole: false, ..SMALL }));
    assert!(states.len() > 500, "{} states", states.len());
}

#[test]
fn members_that_are_taken_for_one_sign_what_each_of_them_does() {
    let all = signed(&Votes::new(Bound { exact: true, ..SMALL }));
    assert_eq!(signed(&Votes::new(SMALL)), all);
}

#[test]
fn two_faulty_members_of_four_fork_and_the_run_can_be_gone_again() {
    let model = Votes::new(Bound { faulty: 2, names: 2, whole: false, ..SMALL });
    found_and_gone_again(&model);
}

#[test]
fn one_change_of_members_breaks_no_law() {
    let model = Votes::new(Bound { views: 1, then: 1, names: 2, whole: false, ..SMALL });
    assert!(search(&model).len() > 500);
}

#[test]
fn two_faulty_members_fork_around_a_change_of_members() {
    found_and_gone_again(&Votes::new(Bound { faulty: 2, views: 2, then: 1, whole: false, ..SMALL }));
}

fn found_and_gone_again(model: &Votes) {
    let limits = Limits { time: Duration::from_secs(60), states: 100_000, progress: &mut |_| () };
    let (law, path) = super::search(model, limits).broken.expect("a broken law");
    let deeds = model.retrace(&path).expect("a run");
    assert!(model.replay(&deeds).1.contains(&law.to_owned()));
}

#[test]
fn laws_can_fail() {
    let blocks = Catalogue::new(&Setup::new(&[1; 4], ConsensusParams::default()), 2, 2);
    let set = |labels: &[&str]| {
        let at =
            |label: &&str| (0..blocks.len()).find(|at| blocks.get(*at).label == **label).expect("a block");
        labels.iter().map(at).fold(0, |set, at| set | 1 << at)
    };
    let possible = |certified: &[&str], committed: &[&str], lowest: [Option<u64>; 2]| {
        let (certified, committed) = (set(certified), set(committed));
        Possible { voted: certified, certified, committed, lowest: lowest.to_vec() }
    };
    let broken = |possible: &Possible| -> Vec<&str> {
        laws::ALL.iter().filter(|(_, law)| !law(&blocks, possible)).map(|(name, _)| *name).collect()
    };
    assert!(broken(&possible(&["1a", "1a-2b"], &["1a"], [None, Some(1)])).is_empty());
    assert_eq!(broken(&possible(&["1a", "1b"], &[], [None; 2])), [laws::ONE_QC]);
    assert_eq!(broken(&possible(&["1a", "2a"], &["1a"], [None; 2])), [laws::EXTENDS]);
    assert_eq!(broken(&possible(&["1a", "2a"], &["1a", "2a"], [None; 2])), [laws::AGREEMENT, laws::EXTENDS]);
    assert_eq!(broken(&possible(&["1a"], &["1a"], [Some(0), None])), [laws::NAMES]);
}
