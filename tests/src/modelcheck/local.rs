//! One member, alone with the adversary: the real engine and safety rules, and what became of them for everything that can happen.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use althing_consensus::{
    Certificate, Height, Memory, Message, Micros, Now, Position, SafetyRecord, TimeoutCertificate, View,
    view_of,
};
use althing_crypto::BlockHash;

use super::blocks::Set;
use super::forge::{Forge, quorum};
use super::said::{Said, word};
use super::stimulus::Stimulus;
use crate::bare::{Input, Load, Member, Output, Wire};

/// The member that stands for each of the correct ones.
const ME: Position = Position(0);

/// A state of one member.
#[derive(Clone, Debug)]
pub(super) struct Local {
    /// Engine, safety rules, disk.
    pub(super) member: Member,
    /// What it has signed.
    pub(super) said: Said,
    /// The promise that it broke to get here.
    pub(super) broken: Option<String>,
    /// Blocks that were sent to it since something happened, as it asked for them.
    fetched: Set,
}

impl Local {
    /// A member of a fresh chain that knows that nobody remembers anything of it.
    pub(super) fn new(forge: &Forge) -> Self {
        let leaders: Arc<[Position]> = std::iter::repeat_n(forge.leader, 64).collect();
        let mut member = Member::new(&forge.setup, ME);
        member.give_leaders(leaders);
        let mut local = Self { member, said: Said::default(), broken: None, fetched: 0 };
        local.start(forge);
        local
    }

    /// The name of its state: the same in every run.
    pub(super) fn id(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let engine = self.member.engine();
        (&self.said, &self.broken, self.member.durable().record.high_view(), engine.is_halted())
            .hash(&mut hasher);
        hasher.finish()
    }

    /// Whether another member in this state is the same in all that counts, or, exactly, in everything.
    pub(super) fn same(&self, other: &Self, exact: bool) -> bool {
        if exact { self.member == other.member } else { self.counts() == other.counts() }
    }

    pub(super) fn dbg(&self) -> String {
        let r = &self.member.durable().record;
        format!(
            "view {} head {} high {} tc {:?} commit {:?}",
            self.member.engine().view(),
            self.member.engine().committed().height,
            r.high_view(),
            r.tc.as_ref().map(|t| (t.view, t.max_high_view())),
            r.commit.as_ref().map(|c| c.view)
        )
    }
    /// View, newest committed block, and the views of the certificates in the record.
    fn counts(&self) -> (View, Height, BlockHash, [View; 3]) {
        let (record, engine) = (&self.member.durable().record, self.member.engine());
        let tc = record.tc.as_ref();
        let named = tc.map_or(View(0), TimeoutCertificate::max_high_view);
        let views = [tc.map_or(View(0), |tc| tc.view), named, view_of(record.commit.as_ref())];
        (engine.view(), engine.committed().height, engine.committed().hash(), views)
    }

    /// What it becomes. None if it signs nothing new by that and did not crash: whatever it has learnt it can learn again later.
    pub(super) fn after(&self, forge: &Forge, stimulus: &Stimulus) -> Option<Self> {
        if self.broken.is_some() {
            return None;
        }
        let mut next = Self { fetched: 0, ..self.clone() };
        let quorum = |block, phase| forge.certificate(Certificate::Quorum(forge.quorum(phase, block)));
        let timeout = |(view, high)| forge.certificate(Certificate::Timeout(forge.timeout(view, high)));
        match *stimulus {
            Stimulus::Propose { block, justify, tc } => next.hear(forge, forge.proposal(block, justify, tc)),
            Stimulus::Certify { block, phase } => next.hear(forge, quorum(block, phase)),
            Stimulus::GiveUp { high, tc } => {
                let shown =
                    high.map(|(block, phase)| quorum(block, phase)).into_iter().chain(tc.map(timeout));
                shown.for_each(|wire| next.hear(forge, wire));
                next.step(forge, 1, Input::Wake);
            }
            Stimulus::Crash => {
                next.member = next.member.restart();
                next.start(forge);
                return Some(next);
            }
        }
        Some(next).filter(|next| next.said != self.said || next.broken.is_some())
    }

    /// Up, with transactions waiting, so that its view timer runs; a quorum answers that it knows of nothing that the record lacks.
    fn start(&mut self, forge: &Forge) {
        self.step(forge, 0, Input::Start);
        for peer in 1..quorum(forge.setup.set().len()) {
            let memory = Wire::Consensus(Message::Memory(Box::<Memory>::default()));
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
        let mut asked = Vec::new();
        let record = |member: &Member| member.durable().record.clone();
        let before = record(&self.member);
        for output in self.member.step(now, input) {
            let Output::Send(_, wire) = output else { continue };
            if let Wire::Ask(hash) = *wire {
                asked.push(hash);
            }
            if let Some(word) = word(&forge.blocks, ME, &wire) {
                let said = self.said.say(&forge.blocks, word, &self.member.durable().record);
                self.broken = self.broken.take().or(said.err());
            }
        }
        let after = record(&self.member);
        let views = |record: &SafetyRecord| {
            [record.voted(), record.commit_voted(), record.timed_out(), record.high_view(), record.floor]
        };
        let back = views(&before).iter().zip(views(&after)).any(|(before, after)| after < *before);
        if back && self.broken.is_none() {
            self.broken = Some("its record went back".to_owned());
        }
        for hash in asked {
            let block = forge.blocks.find(&hash).filter(|at| self.fetched >> at & 1 == 0);
            if let Some(at) = block {
                self.fetched |= 1 << at;
                self.hear(forge, Wire::Body(forge.blocks.get(at).block.clone()));
            }
        }
    }
}
