//! All that one member can become, found out by running it, each state for each stimulus once.
//!
//! Members that have signed the same and hold a high QC of the same view are taken for one, though they may have entered other views,
//! hold other certificates or have committed more. That nothing comes of the difference is not believed but looked at: all *variants*
//! are kept and run, and where they do not lead to the same, the search is not complete.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use super::forge::Forge;
use super::local::Local;
use super::said::Said;
use super::stimulus::Stimulus;

/// Members that are taken for one.
#[derive(Debug)]
pub(super) struct Alike {
    /// What they have signed.
    pub(super) said: Said,
    /// The promise that they broke.
    pub(super) broken: Option<String>,
    /// Where each stimulus leads, as far as it was asked.
    leads: Box<[OnceLock<Option<u64>>]>,
    variants: RwLock<Vec<Arc<Local>>>,
}

/// The states of a member.
#[derive(Debug)]
pub(super) struct Automaton {
    pub(super) forge: Forge,
    pub(super) stimuli: Vec<Stimulus>,
    /// What is signed in this view beyond votes leads to nothing within the bound.
    last_view: Option<u64>,
    /// Whether members differ as soon as anything in them does.
    exact: bool,
    states: RwLock<HashMap<u64, Arc<Alike>>>,
    growing: Mutex<()>,
    unlike: AtomicU64,
}

/// A variant and a stimulus that it has to be given.
type Task = (Arc<Alike>, Arc<Local>, usize);

impl Automaton {
    pub(super) fn new(
        forge: Forge,
        stimuli: Vec<Stimulus>,
        last_view: Option<u64>,
        exact: bool,
    ) -> (Self, u64) {
        let first = Local::new(&forge);
        let id = first.id();
        let (states, growing, unlike) = (RwLock::default(), Mutex::default(), AtomicU64::new(0));
        let automaton = Self { forge, stimuli, last_view, exact, states, growing, unlike };
        automaton.admit(first, &mut Vec::new());
        (automaton, id)
    }

    /// How many states there are, and variants of them, and how often two variants were not alike.
    pub(super) fn counts(&self) -> (usize, usize, u64) {
        let states = self.states.read().unwrap_or_else(PoisonError::into_inner);
        let variants = states.values().map(|alike| variants_of(alike).len()).sum();
        (states.len(), variants, self.unlike.load(Ordering::Relaxed))
    }

    /// The state of this name.
    pub(super) fn get(&self, id: u64) -> Arc<Alike> {
        self.states.read().unwrap_or_else(PoisonError::into_inner)[&id].clone()
    }

    /// What a state becomes, if it becomes another.
    pub(super) fn lead(&self, alike: &Arc<Alike>, what: usize) -> Option<u64> {
        if let Some(lead) = alike.leads[what].get() {
            return *lead;
        }
        let _one_at_a_time = self.growing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut tasks: Vec<Task> =
            variants_of(alike).into_iter().map(|variant| (alike.clone(), variant, what)).collect();
        while let Some(task) = tasks.pop() {
            self.perform(task, &mut tasks);
        }
        *alike.leads[what].get().expect("each state has a variant")
    }

    fn perform(&self, (alike, variant, what): Task, tasks: &mut Vec<Task>) {
        let next =
            variant.after(&self.forge, &self.stimuli[what]).filter(|next| self.matters(&variant, next));
        let lead = next.as_ref().map(Local::id).filter(|id| *id != variant.id());
        if *alike.leads[what].get_or_init(|| lead) != lead {
            self.unlike.fetch_add(1, Ordering::Relaxed);
            eprintln!("UNLIKE {:?} {:?}", variant.said, self.stimuli[what].describe(&self.forge.blocks));
            for v in variants_of(&alike) {
                let n = v.after(&self.forge, &self.stimuli[what]);
                eprintln!(
                    "   {:?} -> {:?} {:?}",
                    v.dbg(),
                    n.as_ref().map(|n| n.said),
                    n.as_ref().map(|n| n.dbg())
                );
            }
        }
        if let Some(next) = next {
            self.admit(next, tasks);
        }
    }

    /// A commit vote or timeout vote of the last view keeps its signer's promises or does not; others can make nothing of it.
    fn matters(&self, before: &Local, after: &Local) -> bool {
        let in_last = |said: &Said| {
            self.last_view.map(|last| {
                let commits =
                    self.forge.blocks.of(said.commits).filter(|(_, known)| known.view == last).count();
                (commits, said.timed_out(last, last - 1))
            })
        };
        after.broken.is_some() || in_last(&before.said) == in_last(&after.said)
    }

    /// Takes a variant in. A new one is given all that its state was given before it came.
    fn admit(&self, local: Local, tasks: &mut Vec<Task>) {
        let alike = {
            let mut states = self.states.write().unwrap_or_else(PoisonError::into_inner);
            let leads = || std::iter::repeat_with(OnceLock::new).take(self.stimuli.len()).collect();
            let new = || Alike {
                said: local.said,
                broken: local.broken.clone(),
                leads: leads(),
                variants: RwLock::default(),
            };
            states.entry(local.id()).or_insert_with(|| Arc::new(new())).clone()
        };
        let known = variants_of(&alike).iter().any(|variant| variant.same(&local, self.exact));
        if !known {
            let local = Arc::new(local);
            alike.variants.write().unwrap_or_else(PoisonError::into_inner).push(local.clone());
            let asked = (0..self.stimuli.len()).filter(|what| alike.leads[*what].get().is_some());
            tasks.extend(asked.map(|what| (alike.clone(), local.clone(), what)));
        }
    }
}

fn variants_of(alike: &Alike) -> Vec<Arc<Local>> {
    alike.variants.read().unwrap_or_else(PoisonError::into_inner).clone()
}
