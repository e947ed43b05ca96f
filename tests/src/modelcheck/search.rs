//! The search: breadth first, with the way to each state, so that a broken law is told with the shortest run that breaks it.
//!
//! What a member can become may turn out to be more than an earlier state was told; then all of it is gone through once more.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use stateright::{Expectation, Model};

use super::model::{Signs, State, Votes};

/// What came of a search.
#[derive(Clone, Debug, Default)]
pub struct Searched {
    /// Different states, in the last pass.
    pub states: usize,
    /// Steps from one to another.
    pub transitions: usize,
    /// Steps to the furthest state.
    pub depth: usize,
    /// Whether all states within the bound were seen.
    pub complete: bool,
    /// The first law that is broken, with a way to break it.
    pub broken: Option<(&'static str, Vec<Signs>)>,
}

/// How far a search goes, and what it says on its way.
pub struct Limits<'a> {
    /// Its time.
    pub time: Duration,
    /// Its states.
    pub states: usize,
    /// Told once a second.
    pub progress: &'a mut dyn FnMut(&Searched),
}

/// A state, where it was reached from, by what, and how deep that is.
type Place = (State, Option<(usize, Signs)>, usize);

/// Searches all that is within the model's bound.
pub fn search(model: &Votes, mut limits: Limits<'_>) -> Searched {
    let end = Instant::now() + limits.time;
    loop {
        let searched = pass(model, end, &mut limits);
        if searched.broken.is_some() || !searched.complete || !model.has_grown() {
            return searched;
        }
    }
}

fn pass(model: &Votes, end: Instant, limits: &mut Limits<'_>) -> Searched {
    let laws = model.properties();
    let mut places: Vec<Place> = model.init_states().into_iter().map(|state| (state, None, 0)).collect();
    let mut known: HashSet<State> = places.iter().map(|(state, ..)| state.clone()).collect();
    let (mut searched, mut said, mut at) = (Searched::default(), Instant::now(), 0);
    let mut actions = Vec::new();
    while let Some((state, _, depth)) = places.get(at).cloned() {
        assert!(laws.iter().all(|law| law.expectation == Expectation::Always));
        if let Some(law) = laws.iter().find(|law| !(law.condition)(model, &state)) {
            searched.broken = Some((law.name, way_to(&places, at)));
            return searched;
        }
        if at >= limits.states || Instant::now() >= end {
            return searched;
        }
        if said.elapsed() >= Duration::from_secs(1) {
            said = Instant::now();
            (limits.progress)(&searched);
        }
        actions.clear();
        model.actions(&state, &mut actions);
        for action in &actions {
            let Some(next) = model.next_state(&state, *action) else { continue };
            searched.transitions += 1;
            if known.insert(next.clone()) {
                places.push((next, Some((at, *action)), depth + 1));
            }
        }
        at += 1;
        (searched.states, searched.depth) = (places.len(), depth);
    }
    searched.complete = true;
    searched
}

fn way_to(places: &[Place], mut at: usize) -> Vec<Signs> {
    let mut way = Vec::new();
    while let Some((before, action)) = places[at].1 {
        way.push(action);
        at = before;
    }
    way.reverse();
    way
}
