//! One member, alone with the adversary: the real engine and safety rules, and what becomes of them by what happens.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use althing_consensus::{
    Certificate, Epoch, Memory, Message, Micros, Now, Position, QuorumCertificate, SafetyRecord, TimeoutVote,
    View,
};

use super::blocks::Set;
use super::forge::{Forge, quorum};
use super::said::{Said, word};
use super::stimulus::{Stimulus, Tc};
use crate::bare::{Input, Load, Member, Output, Wire};

/// The member that stands for each of the correct ones.
const ME: Position = Position(0);

/// What happens to a member, by its place in the alphabet, and after how many of the writes to its disk that come of it the member
/// crashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// What.
    pub what: usize,
    /// When it crashes, if it does.
    pub crash: Option<usize>,
}

/// A member that has come so far.
#[derive(Clone, Debug)]
pub(super) struct Local {
    /// Engine, safety rules, disk.
    member: Member,
    /// What it has signed.
    pub(super) said: Said,
    /// The promise that it broke.
    pub(super) broken: Option<String>,
    /// What it was before, and what happened then.
    pub(super) past: Option<(Arc<Local>, Event)>,
    /// Blocks that were sent to it since something happened, as it asked for them.
    fetched: Set,
    /// After so many writes it is dead.
    writes: usize,
}

impl Local {
    /// A member of a fresh chain that knows that nobody remembers anything of it.
    pub(super) fn new(forge: &Forge) -> Self {
        let leaders: Arc<[Position]> = std::iter::repeat_n(forge.leader, 64).collect();
        let mut member = Member::new(&forge.setup, ME);
        member.give_leaders(leaders);
        let mut local =
            Self { member, said: Said::default(), broken: None, past: None, fetched: 0, writes: usize::MAX };
        local.start(forge);
        local
    }

    /// Its view.
    pub(super) fn view(&self) -> u64 {
        self.member.engine().view().0
    }

    /// All of it.
    pub(super) fn everything(&self) -> u64 {
        hash(&(&self.member, &self.said, &self.broken))
    }

    /// All of it that bears on what it signs: what its record holds it to, where a restart would begin, its view, high QC and newest
    /// committed block, and whether it listens. Left out are blocks, as it is given those that it asks for, certificates that it is in
    /// a later view than, and times.
    pub(super) fn essence(&self) -> u64 {
        let (engine, record) = (self.member.engine(), &self.member.durable().record);
        let named = record.timeout.as_ref().map(TimeoutVote::high_view);
        let signed = (record.voted(), record.commit_voted(), record.timed_out(), named, record.floor);
        let restart = record.high_view().max(record.tc.as_ref().map_or(View(0), |tc| tc.view));
        let block = |qc: Option<&QuorumCertificate>| qc.map(|qc| qc.block);
        let durable = (signed, restart, block(record.high_qc.as_ref()));
        let high = engine.newest().high_qc;
        let memory = (engine.view(), block(high.as_deref()), engine.committed().hash());
        let listens = (engine.is_halted(), engine.pool_sizes().candidates);
        hash(&(&self.said, &self.broken, durable, memory, listens))
    }

    /// All that it can become by this: whole, or with a crash after any write on the way.
    pub(super) fn all_after(self: &Arc<Self>, forge: &Forge, stimulus: &Stimulus, what: usize) -> Vec<Self> {
        let after = |crash| self.after(forge, stimulus, Event { what, crash });
        after(None).into_iter().chain((1..).map_while(|writes| after(Some(writes)))).collect()
    }

    /// What it becomes. None if that crash cannot be, or nothing comes of it.
    pub(super) fn after(self: &Arc<Self>, forge: &Forge, stimulus: &Stimulus, event: Event) -> Option<Self> {
        let past = Some((self.clone(), event));
        let mut next =
            Self { fetched: 0, past, writes: event.crash.unwrap_or(usize::MAX), ..Self::clone(self) };
        let quorum = |block, phase| forge.certificate(Certificate::Quorum(forge.quorum(phase, block)));
        let timeout = |(view, high): Tc| forge.certificate(Certificate::Timeout(forge.timeout(view, high)));
        match *stimulus {
            Stimulus::Propose { block, justify, tc } => next.hear(forge, forge.proposal(block, justify, tc)),
            Stimulus::Certify { block, phase } => next.hear(forge, quorum(block, phase)),
            Stimulus::End(tc) => next.hear(forge, timeout(tc)),
            Stimulus::Wake => next.step(forge, 1, Input::Wake),
            Stimulus::Crash if event.crash.is_none() => next.writes = 0,
            Stimulus::Crash => {}
        }
        let crashed = next.writes == 0;
        if crashed {
            next.writes = usize::MAX;
            next.member = next.member.restart();
            next.start(forge);
        } else if event.crash.is_some() {
            return None;
        }
        // A timer that makes it sign nothing makes it repeat what it said.
        let idle = *stimulus == Stimulus::Wake && !crashed && next.said == self.said && next.broken.is_none();
        (!idle).then_some(next)
    }

    /// Up, with transactions waiting, so that its view timer runs; a quorum answers that it knows of nothing that the record lacks.
    fn start(&mut self, forge: &Forge) {
        self.step(forge, 0, Input::Start);
        for peer in 1..quorum(forge.setup.set().len()) {
            let nothing = Memory { epoch: Epoch(1), ..Memory::default() };
            let memory = Wire::Consensus(Message::Memory(Box::new(nothing)));
            self.step(forge, 0, Input::Received(Position(peer as u16), Arc::new(memory)));
        }
        self.step(forge, 0, Input::Load(Load::Endless(0)));
    }

    fn hear(&mut self, forge: &Forge, wire: Wire) {
        self.step(forge, 0, Input::Received(forge.leader, Arc::new(wire)));
    }

    /// One step, at the hour of the last timeout vote or so many later: none of its timers takes an hour.
    fn step(&mut self, forge: &Forge, later: u64, input: Input) {
        let hours = u64::from(self.said.timeouts.count_ones()) + later;
        let now = Now { mono: Micros::from_millis(hours * 3_600_000), unix_ms: 1_000 };
        let before = views(&self.member.durable().record);
        let mut asked = Vec::new();
        for output in self.member.step_dying(now, input, &mut self.writes) {
            let Output::Send(_, wire) = output else { continue };
            if let Wire::Ask(hash) = *wire {
                asked.push(hash);
            }
            if let Some(word) = word(&forge.blocks, ME, &wire) {
                let said = self.said.say(&forge.blocks, word, &self.member.durable().record);
                self.broken = self.broken.take().or(said.err());
            }
        }
        let after = views(&self.member.durable().record);
        if before.iter().zip(after).any(|(before, after)| after < *before) && self.broken.is_none() {
            self.broken = Some("its record went back".to_owned());
        }
        for hash in asked {
            let block = forge.blocks.find(&hash).filter(|at| self.fetched >> at & 1 == 0 && self.writes > 0);
            if let Some(at) = block {
                self.fetched |= 1 << at;
                self.hear(forge, Wire::Body(forge.blocks.get(at).block.clone()));
            }
        }
    }
}

/// S1: what never goes back.
fn views(record: &SafetyRecord) -> [View; 5] {
    [record.voted(), record.commit_voted(), record.timed_out(), record.high_view(), record.floor]
}

fn hash(what: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}
