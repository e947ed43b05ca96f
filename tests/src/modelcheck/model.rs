//! The model that `stateright` searches: correct members, each known by what it has signed, and an adversary who knows all of that.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use althing_consensus::{ConsensusParams, Position};
use stateright::{Model, Property};

use super::automaton::{Automaton, Group};
use super::blocks::Catalogue;
use super::forge::{Forge, quorum};
use super::laws;
use super::possible::Possible;
use super::said::Said;
use super::stimulus::alphabet;
use crate::bare::{Seat, Setup};

/// What is searched.
#[derive(Clone, Copy, Debug)]
pub struct Bound {
    /// Members, each of power 1.
    pub members: usize,
    /// How many of them are faulty, which is: the adversary's.
    pub faulty: usize,
    /// Views; where members change, those of the first epoch after its first block.
    pub views: u64,
    /// Views of the second epoch, in which one member is gone, one new, and one has another key; 0: there is none.
    pub then: u64,
    /// Blocks of each view on each parent.
    pub names: u8,
    /// Whether the laws look at commit votes and timeout votes of the last view, too. Of itself each member is always held to its
    /// promises in them, and by those promises quorums of them break no law unless one is broken before.
    pub whole: bool,
    /// Whether members are told apart by everything in them, to see that it makes no difference.
    pub exact: bool,
}

impl Bound {
    /// All views, counted through both epochs; the first block's among them.
    fn all_views(&self) -> u64 {
        if self.then == 0 { self.views } else { 1 + self.views + self.then }
    }

    /// The correct nodes. Where members change, each has a part of its own; else all are like the first.
    fn nodes(&self) -> Vec<usize> {
        if self.then == 0 {
            vec![0; self.members - self.faulty]
        } else {
            (self.faulty..=self.members).collect()
        }
    }
}

/// The first members are nodes 0, 1, …; then the last one is gone, a new one in its place, and the one before has another key.
fn changing(members: usize, params: ConsensusParams) -> Arc<Setup> {
    let seats: Vec<Seat> = (0..members).map(|node| Seat { node, power: 1, key: 0 }).collect();
    let mut next = seats.clone();
    next[members - 2].key = 1;
    next[members - 1].node = members;
    Setup::changing(params, seats, next)
}

/// The model. Clones share what they find out about members.
#[derive(Clone)]
pub struct Votes {
    pub(super) bound: Bound,
    automaton: Arc<Mutex<Automaton>>,
}

/// The correct members' groups, in their order: members are alike, so who is who does not matter.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State(pub(super) Vec<u32>);

/// One member signs something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signs {
    /// Its group.
    pub(super) of: u32,
    /// The group that it is of from then on.
    pub(super) becomes: u32,
}

impl Votes {
    /// The model within this bound.
    pub fn new(bound: Bound) -> Self {
        let params = ConsensusParams::default();
        let (setup, blocks, leader) = if bound.then == 0 {
            let setup = Setup::new(&vec![1; bound.members], params);
            let blocks = Catalogue::new(&setup, bound.views, bound.names);
            (setup, blocks, bound.members - 1)
        } else {
            let setup = changing(bound.members, params);
            let blocks = Catalogue::changing(&setup, (bound.views, bound.then), bound.names);
            (setup, blocks, 0)
        };
        let stimuli = alphabet(&blocks, bound.all_views());
        let forge = Forge { setup, blocks, leader: Position(leader as u16) };
        let within = (bound.all_views(), bound.whole, bound.exact);
        let automaton = Automaton::new((forge, stimuli), &bound.nodes(), within);
        Self { bound, automaton: Arc::new(Mutex::new(automaton)) }
    }

    /// How many groups of members there are, and members in them.
    pub fn members_found(&self) -> (usize, usize) {
        let automaton = self.automaton();
        (automaton.groups.len(), automaton.groups.iter().map(|group| group.members.len()).sum())
    }

    /// Whether members did more than an earlier answer said, since this was last asked: then the search is to be repeated.
    pub fn has_grown(&self) -> bool {
        std::mem::take(&mut self.automaton().grown)
    }

    pub(super) fn automaton(&self) -> MutexGuard<'_, Automaton> {
        self.automaton.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What can be made of the members' messages.
    pub(super) fn possible<'a>(
        &self,
        blocks: &Catalogue,
        said: impl Iterator<Item = &'a Said> + Clone,
    ) -> Possible {
        // So many correct signers, with all of the adversary, are a quorum.
        let needed = quorum(self.bound.members) - self.bound.faulty;
        Possible::new(blocks, self.bound.all_views(), needed, said)
    }

    fn holds(&self, state: &State, law: laws::Law) -> bool {
        let automaton = self.automaton();
        let blocks = &automaton.forge.blocks;
        law(blocks, &self.possible(blocks, groups(&automaton, state).map(|group| &group.said)))
    }
}

fn groups<'a>(automaton: &'a Automaton, state: &'a State) -> impl Iterator<Item = &'a Group> + Clone {
    state.0.iter().map(|group| &automaton.groups[*group as usize])
}

impl Model for Votes {
    type State = State;
    type Action = Signs;

    fn init_states(&self) -> Vec<State> {
        vec![State(self.automaton().fresh.clone())]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Signs>) {
        let mut automaton = self.automaton();
        let possible =
            self.possible(&automaton.forge.blocks, groups(&automaton, state).map(|group| &group.said));
        let stimuli = 0..automaton.stimuli.len();
        let allowed: Vec<usize> = stimuli
            .filter(|what| possible.allows(&automaton.forge.blocks, &automaton.stimuli[*what]))
            .collect();
        for (member, group) in state.0.iter().enumerate() {
            if member > 0 && state.0[member - 1] == *group {
                continue;
            }
            let mut becomes: Vec<u32> =
                allowed.iter().flat_map(|what| automaton.leads(*group, *what).clone()).collect();
            becomes.sort_unstable();
            becomes.dedup();
            actions.extend(becomes.into_iter().map(|becomes| Signs { of: *group, becomes }));
        }
    }

    fn next_state(&self, state: &State, Signs { of, becomes }: Signs) -> Option<State> {
        let mut next = state.clone();
        *next.0.iter_mut().find(|group| **group == of)? = becomes;
        next.0.sort_unstable();
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(laws::AGREEMENT, |model, state| model.holds(state, laws::agreement)),
            Property::always(laws::ONE_QC, |model, state| model.holds(state, laws::one_qc_per_view)),
            Property::always(laws::EXTENDS, |model, state| {
                model.holds(state, laws::certified_extend_committed)
            }),
            Property::always(laws::NAMES, |model, state| model.holds(state, laws::tcs_name_committed)),
            Property::always(laws::CHILDLESS, |model, state| model.holds(state, laws::ends_have_no_children)),
            Property::always(laws::OPENED, |model, state| model.holds(state, laws::epochs_open_on_committed)),
            Property::always("members keep their promises", |model, state| {
                groups(&model.automaton(), state).all(|group| group.broken.is_none())
            }),
        ]
    }
}
