//! From what the search found to a run of members, event by event, and that run again.

use std::collections::HashSet;
use std::sync::Arc;

use super::automaton::Automaton;
use super::laws;
use super::local::{Event, Local};
use super::model::{Signs, Votes};
use super::said::Said;

/// Something happens to one of the correct members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deed {
    /// The member.
    pub member: usize,
    /// What happens.
    pub event: Event,
}

/// What a member may be, and the group of all of these.
type May = (u32, Vec<Arc<Local>>);

/// What a member may be by what it can be given without signing anything, and what it may become by signing.
type Learnt = (May, Vec<(u32, Arc<Local>)>);

impl Votes {
    /// A run in which members sign what the search found that they can. It takes those that have signed the same for one, so perhaps
    /// there is none.
    pub fn retrace(&self, path: &[Signs]) -> Option<Vec<Deed>> {
        let fresh: Vec<May> = {
            let automaton = self.automaton();
            let local = |group: &u32| {
                let node = automaton.groups[*group as usize].node;
                (*group, vec![Arc::new(Local::new(&automaton.forge, node))])
            };
            automaton.fresh.iter().map(local).collect()
        };
        self.follow(&fresh, path)
    }

    /// From members that may be these, to members that have gone that path.
    fn follow(&self, members: &[May], path: &[Signs]) -> Option<Vec<Deed>> {
        let Some((step, rest)) = path.split_first() else {
            let any: Vec<Arc<Local>> = members.iter().map(|(_, may)| may[0].clone()).collect();
            return self.order(&any);
        };
        let learnt = self.learn(members);
        let able = (0..members.len()).filter(|member| members[*member].0 == step.of);
        able.into_iter().find_map(|member| {
            let mut next: Vec<May> = learnt.iter().map(|(may, _)| may.clone()).collect();
            let becomes = learnt[member].1.iter().filter(|(group, _)| *group == step.becomes);
            next[member] = (step.becomes, becomes.map(|(_, local)| local.clone()).collect());
            if next[member].1.is_empty() { None } else { self.follow(&next, rest) }
        })
    }

    fn learn(&self, members: &[May]) -> Vec<Learnt> {
        let automaton = &mut *self.automaton();
        let said: Vec<Said> = members.iter().map(|(_, may)| may[0].said).collect();
        let possible = self.possible(&automaton.forge.blocks, said.iter());
        let allowed: Vec<usize> = (0..automaton.stimuli.len())
            .filter(|what| possible.allows(&automaton.forge.blocks, &automaton.stimuli[*what]))
            .collect();
        members.iter().map(|may| learn(automaton, &allowed, may.clone())).collect()
    }

    /// Each member's past in its order, each event as soon as it can happen: what can happen once can happen ever after.
    fn order(&self, members: &[Arc<Local>]) -> Option<Vec<Deed>> {
        let automaton = self.automaton();
        let pasts: Vec<Vec<(&Local, Event)>> = members.iter().map(past).collect();
        let (mut done, mut deeds) = (vec![0; pasts.len()], Vec::new());
        loop {
            let now = pasts.iter().zip(&done).zip(members);
            let now = now.map(|((past, done), last)| past.get(*done).map_or(&**last, |(before, _)| *before));
            let possible = self.possible(&automaton.forge.blocks, now.map(|local| &local.said));
            let next = (0..pasts.len()).find_map(|member| {
                let (_, event) = *pasts[member].get(done[member])?;
                let allowed = possible.allows(&automaton.forge.blocks, &automaton.stimuli[event.what]);
                allowed.then_some(Deed { member, event })
            });
            match next {
                Some(deed) => {
                    done[deed.member] += 1;
                    deeds.push(deed);
                }
                None if pasts.iter().zip(&done).all(|(past, done)| past.len() == *done) => {
                    return Some(deeds);
                }
                None => return None,
            }
        }
    }

    /// Goes a run again, from the beginning: what happens, in words, and what is broken in the end.
    pub fn replay(&self, deeds: &[Deed]) -> (Vec<String>, Vec<String>) {
        let automaton = self.automaton();
        let forge = &automaton.forge;
        let fresh = automaton.fresh.iter().map(|group| automaton.groups[*group as usize].node);
        let mut members: Vec<Arc<Local>> = fresh.map(|node| Arc::new(Local::new(forge, node))).collect();
        let mut told = Vec::new();
        let possible =
            |members: &[Arc<Local>]| self.possible(&forge.blocks, members.iter().map(|member| &member.said));
        for Deed { member, event } in deeds {
            let stimulus = automaton.stimuli.get(event.what);
            let stimulus = stimulus.filter(|stimulus| possible(&members).allows(&forge.blocks, stimulus));
            let at = members.get_mut(*member);
            let Some((stimulus, at)) = stimulus.zip(at) else {
                told.push(format!("{}. this cannot happen", told.len() + 1));
                break;
            };
            let crash =
                event.crash.map(|writes| format!(", and crashes after write {writes}")).unwrap_or_default();
            let what = stimulus.describe(&forge.blocks);
            told.push(format!("{}. member {member} {what}{crash}", told.len() + 1));
            if let Some(next) = at.after(forge, stimulus, *event) {
                *at = Arc::new(next);
            }
        }
        let possible = possible(&members);
        let laws = laws::ALL
            .iter()
            .filter(|(_, law)| !law(&forge.blocks, &possible))
            .map(|(name, _)| (*name).to_owned());
        let promises = members.iter().filter_map(|member| member.broken.clone());
        (told, laws.chain(promises).collect())
    }
}

fn learn(automaton: &mut Automaton, allowed: &[usize], (group, mut may): May) -> Learnt {
    let mut signed = Vec::new();
    let mut known: HashSet<u64> = may.iter().map(|local| local.essence()).collect();
    let mut at = 0;
    while let Some(local) = may.get(at).cloned() {
        at += 1;
        if !automaton.follows(&local) {
            continue;
        }
        for what in allowed {
            for next in local.all_after(&automaton.forge, &automaton.stimuli[*what], *what) {
                let next = Arc::new(next);
                let becomes = automaton.group_of(&next);
                if !known.insert(next.essence()) {
                    continue;
                }
                if becomes == group { may.push(next) } else { signed.push((becomes, next)) }
            }
        }
    }
    ((group, may), signed)
}

fn past(member: &Arc<Local>) -> Vec<(&Local, Event)> {
    let mut past = Vec::new();
    let mut at: &Local = member;
    while let Some((before, event)) = &at.past {
        past.push((&**before, *event));
        at = before;
    }
    past.reverse();
    past
}
