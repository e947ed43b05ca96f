//! Who plays: four members, some of them twice.

use std::collections::VecDeque;

use althing_consensus::{ConsensusParams, Now, Position};

use crate::bare::{Input, Member, Output, Setup};

const MEMBERS: usize = 4;

/// Instances of members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cast {
    /// Whose instance each is.
    owners: Vec<Position>,
    duplicated: usize,
}

impl Cast {
    /// Four members, the last ones duplicated.
    ///
    /// # Panics
    /// If more than four are to be.
    pub fn new(duplicated: usize) -> Self {
        assert!(duplicated <= MEMBERS, "{duplicated} of {MEMBERS} members duplicated");
        let members = 0..MEMBERS as u16;
        let again = members.clone().skip(MEMBERS - duplicated);
        Self { owners: members.chain(again).map(Position).collect(), duplicated }
    }

    /// How many members there are.
    pub fn members(&self) -> usize {
        MEMBERS
    }

    /// How many instances there are.
    pub fn instances(&self) -> usize {
        self.owners.len()
    }

    /// Whose instance it is.
    pub fn owner(&self, instance: usize) -> Position {
        self.owners[instance]
    }

    /// The instances of a member.
    pub fn instances_of(&self, owner: Position) -> impl Iterator<Item = usize> + '_ {
        (0..self.owners.len()).filter(move |instance| self.owners[*instance] == owner)
    }

    /// Whether a member has one instance only.
    pub fn is_correct(&self, owner: Position) -> bool {
        usize::from(owner.0) < MEMBERS - self.duplicated
    }

    /// The correct members, which are instances of the same number.
    pub fn correct(&self) -> std::ops::Range<usize> {
        0..MEMBERS - self.duplicated
    }

    /// What an instance is called: a second one of a member has a stroke.
    pub fn name(&self, instance: usize) -> String {
        let stroke = if instance < MEMBERS { "" } else { "'" };
        format!("{}{stroke}", self.owners[instance])
    }

    /// All instances on a fresh chain, up, told by the others that their keys have signed nothing.
    pub(super) fn start(&self) -> Vec<Member> {
        // View timers of one length: what the scenarios vary is who hears whom, and each round lasts as long.
        let params = ConsensusParams {
            timeout_min_ms: TIMEOUT_MS,
            timeout_base_max_ms: TIMEOUT_MS,
            timeout_max_ms: TIMEOUT_MS,
            repeat_interval_ms: TIMEOUT_MS,
            ..ConsensusParams::default()
        };
        let setup = Setup::new(&[1; MEMBERS], params);
        let mut members: Vec<Member> = self.owners.iter().map(|owner| Member::new(&setup, *owner)).collect();
        let mut queue: VecDeque<(usize, Input)> =
            (0..members.len()).map(|instance| (instance, Input::Start)).collect();
        while let Some((at, input)) = queue.pop_front() {
            for output in members[at].step(Now::default(), input) {
                let Output::Send(to, wire) = output else { continue };
                let to = (0..self.instances()).filter(|one| to.is_none_or(|to| self.owner(*one) == to));
                let received = |to| (to, Input::Received(self.owner(at), wire.clone()));
                queue.extend(to.filter(|to| *to != at).map(received));
            }
        }
        members
    }
}

/// The view timer's length, and the interval at which messages are said again.
pub(super) const TIMEOUT_MS: u64 = 500;
