//! Rule S7: a validator that has just started asks what its key has signed before it signs.

use std::collections::BTreeSet;

use althing_crypto::mutant;

use crate::engine::{Action, Engine, Event, Halt, Step};
use crate::{Memory, Position, ValidatorSet, View, Vote};

/// Whose answers have come, and what they showed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Resume {
    answered: BTreeSet<Position>,
    /// The highest view of a message that its record does not know.
    unknown: Option<View>,
    /// The safety rules were asked to resume; in views up to the floor nothing is signed.
    asked: Option<Option<View>>,
    over: bool,
}

impl Resume {
    /// It counts its own record as an answer.
    pub(super) fn new(me: Option<Position>, set: &ValidatorSet) -> Self {
        assert!(me.is_none_or(|me| set.get(me).is_some()), "a validator is a member of its set");
        Self { answered: me.into_iter().collect(), ..Self::default() }
    }

    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    /// What the epoch before has told holds on: nothing of this key was unknown then.
    pub(super) fn already() -> Self {
        Self { asked: Some(None), over: true, ..Self::default() }
    }
}

impl Engine {
    pub(super) fn start(&mut self, step: &mut Step) {
        self.timers.last_commit = step.now.mono;
        if let Some(me) = self.config.me {
            self.memories.insert(me, self.own.memory(self.config.epoch));
            self.try_resume(step);
        }
        self.announce(step);
    }

    /// A peer's answer: the newest messages of this validator's key that it holds, each verified.
    pub(super) fn memory_arrived(&mut self, step: &mut Step, peer: Position, memory: &Memory) {
        if self.config.me.is_none() || self.resume.asked.is_some() {
            return;
        }
        self.resume.answered.insert(peer);
        self.resume.unknown = self.resume.unknown.max(self.unknown_view(memory));
        self.try_resume(step);
    }

    /// The highest view of a message that the record at the start did not hold.
    fn unknown_view(&self, memory: &Memory) -> Option<View> {
        let vote = memory.vote.as_ref().filter(|vote| {
            let contradicts = |own: &Vote| own.view == vote.view && own.block != vote.block;
            let unknown = vote.view > self.asked.vote || self.own.vote.as_ref().is_some_and(contradicts);
            unknown && !mutant!("resume_ignores_a_shown_vote")
        });
        let commit = memory.commit_vote.as_ref().filter(|vote| {
            vote.view > self.asked.commit_vote && !mutant!("resume_ignores_a_shown_commit_vote")
        });
        let timeout = memory.timeout.as_ref().filter(|vote| {
            let known = (self.asked.timeout, self.asked.timeout_high);
            (vote.view, vote.high_view()) > known && !mutant!("resume_ignores_a_shown_timeout")
        });
        let proposal = memory.proposal.as_ref().filter(|(statement, _)| {
            statement.view > self.asked.proposal && !mutant!("resume_ignores_a_shown_proposal")
        });
        [
            vote.map(|vote| vote.view),
            commit.map(|vote| vote.view),
            timeout.map(|vote| vote.view),
            proposal.map(|(statement, _)| statement.view),
        ]
        .into_iter()
        .flatten()
        .max()
    }

    /// With a quorum of answers, itself counted only if its record is the newest, the safety rules may sign.
    fn try_resume(&mut self, step: &mut Step) {
        let (set, me) = (&self.config.set, self.config.me);
        if self.resume.asked.is_some() {
            return;
        }
        let floor = match self.resume.unknown {
            None => {
                let answered = set.power_of(self.resume.answered.iter().copied());
                if !set.is_quorum(answered) && !mutant!("resume_without_a_quorum") {
                    return;
                }
                None
            }
            Some(shown) => {
                let others = |one: &Position| Some(*one) != me || mutant!("stale_record_counts_itself");
                let floor = View(1 + shown.0.max(self.view.0 - 1));
                if !set.is_quorum(set.power_of(self.everyone().into_iter().filter(others))) {
                    return self.halt(step, Halt::StaleRecord { floor });
                }
                if !set.is_quorum(set.power_of(self.resume.answered.iter().copied().filter(others))) {
                    return;
                }
                step.emit(Event::StaleRecord { floor });
                Some(floor)
            }
        };
        self.resume.asked = Some(floor);
        step.act(Action::Resume { floor });
    }

    pub(super) fn resumed(&mut self, step: &mut Step) {
        let Some(asked) = self.resume.asked else { return };
        self.resume.over = true;
        if let Some(floor) = asked.filter(|_| !mutant!("floor_ignored")) {
            self.asked.raise(floor);
        }
        for message in self.newest_own() {
            step.broadcast(message);
        }
        for vote in self.own.vote.clone().into_iter().chain(self.own.commit_vote.clone()) {
            self.vote_arrived(step, vote);
        }
        if let Some(timeout) = self.own.timeout.clone() {
            self.timeout_arrived(step, self.config.me, timeout);
        }
        if let Some(proposal) = self.own.proposal.clone().filter(|proposal| proposal.view == self.view) {
            self.proposal_arrived(step, proposal);
        }
        if let Some(qc) = self.high_qc.clone() {
            self.commit_vote(step, &qc);
        }
    }
}
