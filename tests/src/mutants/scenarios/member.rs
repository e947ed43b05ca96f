//! One real engine with its safety rules, fed by hand.

use std::sync::Arc;

use althing_consensus::{
    Block, Certificate, Epoch, Memory, Message, Micros, Now, Phase, Position, Proposal, SafetyRecord, Vote,
};

use super::forge::Forge;
use crate::bare::{Input, Member, Noted, Output, Wire};

/// A member, the clock, and what it has said so far.
pub(super) struct Bench {
    pub(super) member: Member,
    pub(super) now: Now,
    /// What it sent, to whom (none: to all), in order.
    pub(super) sent: Vec<(Option<Position>, Message)>,
    pub(super) asked: Vec<althing_crypto::BlockHash>,
    pub(super) noted: Vec<Noted>,
}

impl Bench {
    /// The member at this position, started, and answered by nobody.
    pub(super) fn new(forge: &Forge, position: u16) -> Self {
        let member = Member::new(&forge.setup, Position(position));
        let now = Now { mono: Micros(0), unix_ms: 1_000_000 };
        let mut bench = Self { member, now, sent: Vec::new(), asked: Vec::new(), noted: Vec::new() };
        bench.step(Input::Start);
        bench
    }

    /// One that may sign: all others have said that they know nothing of its key.
    pub(super) fn resumed(forge: &Forge, position: u16) -> Self {
        let mut bench = Self::new(forge, position);
        for peer in forge.everyone().into_iter().filter(|peer| *peer != position) {
            let nothing = Memory { epoch: Epoch(1), ..Memory::default() };
            bench.hear(peer, Message::Memory(Box::new(nothing)));
        }
        bench
    }

    pub(super) fn step(&mut self, input: Input) {
        for output in self.member.step(self.now, input) {
            match output {
                Output::Note(noted) => self.noted.push(noted),
                Output::Send(to, wire) => match Arc::unwrap_or_clone(wire) {
                    Wire::Consensus(message) => self.sent.push((to, message)),
                    Wire::Ask(block) => self.asked.push(block),
                    Wire::Body(_) => {}
                },
            }
        }
    }

    pub(super) fn hear(&mut self, from: u16, message: Message) {
        self.step(Input::Received(Position(from), Arc::new(Wire::Consensus(message))));
    }

    pub(super) fn hear_certificate(&mut self, certificate: Certificate) {
        let stranger = if self.member.position() == Position(0) { 1 } else { 0 };
        self.hear(stranger, Message::Certificate(Box::new(certificate)));
    }

    pub(super) fn hear_proposal(&mut self, proposal: Proposal) {
        self.hear(proposal.signer.0, Message::Proposal(Box::new(proposal)));
    }

    /// A block that it asked for comes.
    pub(super) fn hear_block(&mut self, block: &Block) {
        self.step(Input::Received(Position(0), Arc::new(Wire::Body(block.clone()))));
    }

    /// Lets time pass; its timers fire on the way.
    pub(super) fn pass(&mut self, ms: u64) {
        let end = self.now.mono.after(Micros::from_millis(ms));
        while let Some(at) = self.member.wake_at().filter(|at| *at <= end) {
            let at = at.max(self.now.mono);
            self.now.unix_ms += (at.0 - self.now.mono.0) / 1_000;
            self.now.mono = at;
            self.step(Input::Wake);
        }
        self.now.mono = end;
    }

    /// Its own votes of this phase, as sent to all.
    pub(super) fn votes<'a>(&'a self, phase: Phase) -> Vec<&'a Vote> {
        let own = |(to, message): &'a (Option<Position>, Message)| match message {
            Message::Vote(vote) if to.is_none() && vote.phase == phase => Some(vote),
            _ => None,
        };
        self.sent.iter().filter_map(own).collect()
    }

    pub(super) fn record(&self) -> &SafetyRecord {
        &self.member.durable().record
    }
}
