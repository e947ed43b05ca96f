//! All that one member can become, found out by running it: each member that differs, with everything that can happen, once.
//!
//! Members that have signed the same are one *group*, and the search sees only that. A group can become whatever any of its members
//! can, so that nothing that a member does is lost, whatever it has in memory; at worst the search sees more than is possible.
//!
//! A group grows while the search goes on. Where an answer that was given before becomes longer by that, the search is to be repeated.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::forge::Forge;
use super::local::Local;
use super::said::Said;
use super::stimulus::Stimulus;

/// The members that have signed the same.
#[derive(Debug)]
pub(super) struct Group {
    /// Which node they are.
    pub(super) node: usize,
    /// What they have signed, as far as others can make anything of it.
    pub(super) said: Said,
    /// The promise that they broke.
    pub(super) broken: Option<String>,
    /// The members, but for those that are not followed any more.
    pub(super) members: Vec<Arc<Local>>,
    known: HashSet<u64>,
    /// To which groups what happens leads, for what was asked of it.
    leads: Vec<Option<BTreeSet<u32>>>,
}

/// The groups that were found.
#[derive(Debug)]
pub(super) struct Automaton {
    pub(super) forge: Forge,
    pub(super) stimuli: Vec<Stimulus>,
    pub(super) groups: Vec<Group>,
    /// Whether an answer became longer after it was given.
    pub(super) grown: bool,
    names: HashMap<(usize, Said, Option<String>), u32>,
    /// The groups that nodes begin in, each of its kind.
    pub(super) fresh: Vec<u32>,
    views: u64,
    whole: bool,
    exact: bool,
}

/// A member of a group, and what is to happen to it.
type Task = (u32, Arc<Local>, usize);

impl Automaton {
    /// That of these nodes. `whole`: whether others can make something of commit votes and timeout votes of the last view.
    /// `exact`: whether members differ as soon as anything in them does.
    pub(super) fn new(
        (forge, stimuli): (Forge, Vec<Stimulus>),
        nodes: &[usize],
        (views, whole, exact): (u64, bool, bool),
    ) -> Self {
        let (groups, names, fresh) = (Vec::new(), HashMap::new(), Vec::new());
        let mut automaton = Self { forge, stimuli, groups, grown: false, names, fresh, views, whole, exact };
        for node in nodes {
            let local = Local::new(&automaton.forge, *node);
            let group = automaton.group_of(&local);
            automaton.fresh.push(group);
            automaton.admit(group, local, &mut Vec::new());
        }
        automaton
    }

    /// What a group can become.
    pub(super) fn leads(&mut self, group: u32, what: usize) -> &BTreeSet<u32> {
        if self.groups[group as usize].leads[what].is_none() {
            self.groups[group as usize].leads[what] = Some(BTreeSet::new());
            let members = self.groups[group as usize].members.iter();
            let mut tasks: Vec<Task> = members.map(|member| (group, member.clone(), what)).collect();
            while let Some(task) = tasks.pop() {
                self.perform((group, what), task, &mut tasks);
            }
        }
        self.groups[group as usize].leads[what].as_ref().expect("just answered")
    }

    fn perform(&mut self, asked: (u32, usize), (group, member, what): Task, tasks: &mut Vec<Task>) {
        for next in member.all_after(&self.forge, &self.stimuli[what], what) {
            let lead = self.group_of(&next);
            let leads = self.groups[group as usize].leads[what].as_mut().expect("asked for");
            if lead != group && leads.insert(lead) && (group, what) != asked {
                self.grown = true;
            }
            self.admit(lead, next, tasks);
        }
    }

    /// The group of a member; a new one if it is the first.
    pub(super) fn group_of(&mut self, member: &Local) -> u32 {
        let Self { forge, stimuli, groups, .. } = self;
        let said =
            if self.whole { member.said } else { member.said.without_end_of(&forge.blocks, self.views) };
        let broken = member.broken.clone();
        *self.names.entry((member.node, said, broken.clone())).or_insert_with(|| {
            let leads = vec![None; stimuli.len()];
            groups.push(Group {
                node: member.node,
                said,
                broken,
                members: Vec::new(),
                known: HashSet::new(),
                leads,
            });
            groups.len() as u32 - 1
        })
    }

    /// A member that has left the last view is not followed: what it could still sign of earlier ones it could before.
    pub(super) fn follows(&self, member: &Local) -> bool {
        member.view(&self.forge) <= self.views && member.broken.is_none()
    }

    /// Takes a member in. It is given all that its group was given before it came.
    fn admit(&mut self, at: u32, member: Local, tasks: &mut Vec<Task>) {
        let known = if self.exact { member.everything() } else { member.essence() };
        let follows = self.follows(&member);
        let group = &mut self.groups[at as usize];
        if group.known.insert(known) && follows {
            let member = Arc::new(member);
            group.members.push(member.clone());
            let asked = (0..self.stimuli.len()).filter(|what| group.leads[*what].is_some());
            tasks.extend(asked.map(|what| (at, member.clone(), what)));
        }
    }
}
