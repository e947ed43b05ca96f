//! The model that `stateright` searches: correct members, each a state of the automaton, and an adversary who knows all that they signed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use althing_consensus::{ConsensusParams, Position};
use stateright::{Model, Property};

use super::automaton::{Alike, Automaton};
use super::blocks::Catalogue;
use super::forge::{Forge, quorum};
use super::laws;
use super::possible::Possible;
use super::stimulus::alphabet;
use crate::bare::Setup;

/// What is searched.
#[derive(Clone, Copy, Debug)]
pub struct Bound {
    /// Members, each of power 1.
    pub members: usize,
    /// How many of them are faulty, which is: the adversary's.
    pub faulty: usize,
    /// Views.
    pub views: u64,
    /// Blocks of each view on each parent.
    pub names: u8,
    /// Whether commit votes and timeout votes of the last view are cast as well. Nothing within the bound can follow from them.
    pub whole: bool,
    /// Whether members are told apart by everything in them, to see that it makes no difference.
    pub exact: bool,
}

/// The model.
pub struct Votes {
    automaton: Automaton,
    bound: Bound,
    /// So many correct signers, with all of the adversary, are a quorum.
    needed: usize,
    first: u64,
    stop: AtomicBool,
    cut: AtomicBool,
}

/// The correct members' states, in order of their names: members are alike, so who is who does not matter.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State(Vec<u64>);

/// One member's step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Happens {
    /// The member, by its place in the state.
    pub to: usize,
    /// What, by its place in the alphabet.
    pub what: usize,
}

impl Votes {
    /// The model within this bound.
    pub fn new(bound: Bound) -> Self {
        let setup = Setup::new(&vec![1; bound.members], ConsensusParams::default());
        let blocks = Catalogue::new(&setup, bound.views, bound.names);
        let stimuli = alphabet(&blocks, bound.views);
        let forge = Forge { setup, blocks, leader: Position(bound.members as u16 - 1) };
        let last_view = Some(bound.views).filter(|_| !bound.whole);
        let (automaton, first) = Automaton::new(forge, stimuli, last_view, bound.exact);
        let needed = quorum(bound.members) - bound.faulty;
        Self { automaton, bound, needed, first, stop: AtomicBool::new(false), cut: AtomicBool::new(false) }
    }

    /// States that one member was seen in, and variants of them.
    pub fn member_states(&self) -> (usize, usize) {
        let (states, variants, _) = self.automaton.counts();
        (states, variants)
    }

    /// Ends the search: no state leads anywhere any more.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Whether nothing was left out of the search: it was not stopped, and members taken for one were alike.
    pub fn is_whole(&self) -> bool {
        !self.cut.load(Ordering::Relaxed) && self.automaton.counts().2 == 0
    }

    fn blocks(&self) -> &Catalogue {
        &self.automaton.forge.blocks
    }

    fn members(&self, state: &State) -> Vec<Arc<Alike>> {
        state.0.iter().map(|id| self.automaton.get(*id)).collect()
    }

    /// What can be made of the members' messages.
    fn possible(&self, members: &[Arc<Alike>]) -> Possible {
        let said = members.iter().map(|member| &member.said);
        Possible::new(self.blocks(), self.bound.views, self.needed, said)
    }

    fn holds(&self, state: &State, law: laws::Law) -> bool {
        law(self.blocks(), &self.possible(&self.members(state)))
    }

    /// Goes these steps again, from the beginning: what happens, in words, and the laws that it breaks.
    pub fn replay(&self, steps: &[Happens]) -> (Vec<String>, Vec<&'static str>) {
        let (mut state, mut told, mut broken) = (self.init_states().remove(0), Vec::new(), Vec::new());
        for (at, step) in steps.iter().enumerate() {
            let Some(next) = self.next_state(&state, *step) else {
                told.push(format!("{}. cannot happen", at + 1));
                break;
            };
            told.push(format!("{}. member {} {}", at + 1, step.to, self.describe(step)));
            state = next;
            let promises = self.members(&state);
            told.extend(promises.iter().filter_map(|member| member.broken.clone()));
        }
        for law in self.properties() {
            if !(law.condition)(self, &state) {
                broken.push(law.name);
            }
        }
        (told, broken)
    }

    /// What happens, in words.
    pub fn describe(&self, happens: &Happens) -> String {
        self.automaton.stimuli[happens.what].describe(self.blocks())
    }
}

impl Model for Votes {
    type State = State;
    type Action = Happens;

    fn init_states(&self) -> Vec<State> {
        vec![State(vec![self.first; self.bound.members - self.bound.faulty])]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Happens>) {
        if self.stop.load(Ordering::Relaxed) {
            return self.cut.store(true, Ordering::Relaxed);
        }
        let members = self.members(state);
        let possible = self.possible(&members);
        for (what, stimulus) in self.automaton.stimuli.iter().enumerate() {
            if !possible.allows(self.blocks(), stimulus) {
                continue;
            }
            for (to, member) in members.iter().enumerate() {
                let first_alike = to == 0 || state.0[to - 1] != state.0[to];
                if first_alike && self.automaton.lead(member, what).is_some() {
                    actions.push(Happens { to, what });
                }
            }
        }
    }

    fn next_state(&self, state: &State, Happens { to, what }: Happens) -> Option<State> {
        let mut next = state.clone();
        next.0[to] = self.automaton.lead(&self.automaton.get(*state.0.get(to)?), what)?;
        next.0.sort_unstable();
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("agreement", |model, state| model.holds(state, laws::agreement)),
            Property::always("one QC per view", |model, state| model.holds(state, laws::one_qc_per_view)),
            Property::always("certified blocks extend committed ones", |model, state| {
                model.holds(state, laws::certified_extend_committed)
            }),
            Property::always("TCs name committed views", |model, state| {
                model.holds(state, laws::tcs_name_committed)
            }),
            Property::always("members keep their promises", |model, state| {
                model.members(state).iter().all(|member| member.broken.is_none())
            }),
        ]
    }
}
