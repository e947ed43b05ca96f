//! One member, alone with the adversary: the real engine and safety rules, and what becomes of them by what happens.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use althing_consensus::{
    Certificate, Epoch, Memory, Message, Micros, Now, Phase, Position, QuorumCertificate, SafetyRecord,
    TimeoutVote, View, timeout_bytes, vote_bytes,
};

use super::blocks::Set;
use super::forge::{Forge, quorum};
use super::said::{Said, word};
use super::stimulus::{By, Stimulus, Tc};
use crate::bare::{Input, Load, Member, Output, Wire};

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
    /// Which node it is; one stands for all that are alike.
    pub(super) node: usize,
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
    /// A node of a fresh chain that knows that nobody remembers anything of it; where the members change, after the block that changes
    /// them.
    pub(super) fn new(forge: &Forge, node: usize) -> Self {
        let leaders: Arc<[Position]> = std::iter::repeat_n(forge.leader, 64).collect();
        let mut member = Member::fresh(&forge.setup, node);
        member.give_leaders(leaders);
        let (said, writes) = (Said::default(), usize::MAX);
        let mut local = Self { node, member, said, broken: None, past: None, fetched: 0, writes };
        local.start(forge);
        let now = Now { mono: Micros(0), unix_ms: 1_000 };
        let certificates =
            [Phase::Vote, Phase::Commit].map(|phase| forge.root(phase).map(Certificate::Quorum));
        let certificates = certificates.into_iter().flatten().map(|one| forge.certificate(one));
        for wire in forge.root_proposal().into_iter().chain(certificates) {
            local.member.step(now, Input::Received(forge.leader, Arc::new(wire)));
        }
        local
    }

    /// Its view, counted through all epochs.
    pub(super) fn view(&self, forge: &Forge) -> u64 {
        let engine = self.member.engine();
        let beyond = forge.blocks.is_beyond(engine.epoch(), engine.view());
        let view = if beyond { engine.view().0 - 1 } else { engine.view().0 };
        forge.blocks.global(engine.epoch(), View(view))
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
        let signed =
            (record.epoch, record.voted(), record.commit_voted(), record.timed_out(), named, record.floor);
        let restart = record.high_view().max(record.tc.as_ref().map_or(View(0), |tc| tc.view));
        let block = |qc: Option<&QuorumCertificate>| qc.map(|qc| qc.block);
        let durable = (signed, restart, block(record.high_qc.as_ref()));
        let high = engine.newest().high_qc;
        let memory = (engine.epoch(), engine.view(), block(high.as_deref()), engine.committed().hash());
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
        match *stimulus {
            Stimulus::Enter if self.member.next_start().is_none() => return None,
            Stimulus::Wake
                if forge.blocks.is_beyond(self.member.engine().epoch(), self.member.engine().view()) =>
            {
                return None;
            }
            Stimulus::Offer { block, by } => return self.offered(forge, block, by, event),
            _ => {}
        }
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
            Stimulus::Enter => {
                next.step(forge, 0, Input::EnterEpoch);
                if next.writes > 0 {
                    next.remember(forge);
                }
            }
            Stimulus::Offer { .. } => unreachable!("changes no member"),
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
        self.remember(forge);
        self.step(forge, 0, Input::Load(Load::Endless(0)));
    }

    /// The others of its epoch tell it that they know of nothing.
    fn remember(&mut self, forge: &Forge) {
        let epoch = self.member.engine().epoch();
        let set = forge.setup.era(epoch).set();
        let me = self.member.position();
        for peer in set.positions().filter(|peer| *peer != me).take(quorum(set.len()) - 1) {
            let nothing = Memory { epoch, ..Memory::default() };
            let memory = Wire::Consensus(Message::Memory(Box::new(nothing)));
            self.step(forge, 0, Input::Received(peer, Arc::new(memory)));
        }
    }

    /// S9: the rules enter the second epoch on the end of the first alone, and once. What they say changes nothing.
    fn offered(self: &Arc<Self>, forge: &Forge, block: usize, by: By, event: Event) -> Option<Self> {
        let (known, start) = (forge.blocks.get(block), forge.end(block, by));
        let mut rules = self.member.rules().clone();
        let key = forge.setup.era(Epoch(2)).key(forge.leader).clone();
        let entered = rules.enter_epoch(&start, key).is_ok();
        let may = known.ends && by == By::CommitVotes && self.member.rules().record().epoch == Epoch(1);
        let told = if entered {
            "its rules enter an epoch on what is not its beginning"
        } else {
            "its rules refuse the beginning of an epoch"
        };
        (entered != may && event.crash.is_none()).then(|| Self {
            past: Some((self.clone(), event)),
            broken: Some(told.to_owned()),
            ..Self::clone(self)
        })
    }

    fn hear(&mut self, forge: &Forge, wire: Wire) {
        self.step(forge, 0, Input::Received(forge.leader, Arc::new(wire)));
    }

    /// One step, at the hour of the last timeout vote or so many later: none of its timers takes an hour.
    fn step(&mut self, forge: &Forge, later: u64, input: Input) {
        let hours = u64::from(self.said.timeouts.count_ones()) + later;
        let now = Now { mono: Micros::from_millis(hours * 3_600_000), unix_ms: 1_000 };
        let before = self.member.durable().record.clone();
        let over = self.member.next_start().is_some();
        let mut asked = Vec::new();
        for output in self.member.step_dying(now, input, &mut self.writes) {
            let Output::Send(_, wire) = output else { continue };
            if let Wire::Ask(hash) = *wire {
                asked.push(hash);
            }
            let place = self.place(forge, &wire);
            if let Some(word) = place.and_then(|me| word(&forge.blocks, me, &wire)) {
                let epoch = forge.blocks.local(word.view(&forge.blocks)).0;
                let ended = epoch < before.epoch || (over && epoch == before.epoch);
                if ended && !self.said.holds(word) {
                    self.breaks(format!("{word:?} in an epoch that has ended"));
                }
                let said = self.said.say(&forge.blocks, word, &self.member.durable().record);
                said.unwrap_or_else(|what| self.breaks(what));
            }
        }
        self.judge_record(&before);
        for hash in asked {
            let block = forge.blocks.find(&hash).filter(|at| self.fetched >> at & 1 == 0 && self.writes > 0);
            if let Some(at) = block {
                self.fetched |= 1 << at;
                self.hear(forge, Wire::Body(forge.blocks.get(at).block.clone()));
            }
        }
    }
}

impl Local {
    fn breaks(&mut self, what: String) {
        self.broken.get_or_insert(what);
    }

    /// Where it speaks from in a message's epoch; a message that it does not sign with the key of that place breaks its word.
    fn place(&mut self, forge: &Forge, wire: &Wire) -> Option<Position> {
        let Wire::Consensus(message) = wire else { return None };
        let (epoch, signer, bytes, signature) = match message {
            Message::Vote(vote) => {
                let bytes = vote_bytes(forge.setup.chain_id(), vote.phase, vote.epoch, vote.view, vote.block);
                (vote.epoch, vote.signer, bytes, &vote.signature)
            }
            Message::Timeout(vote) => {
                let bytes = timeout_bytes(forge.setup.chain_id(), vote.epoch, vote.view, vote.high_view());
                (vote.epoch, vote.signer, bytes, &vote.signature)
            }
            _ => return None,
        };
        let era = forge.setup.era(epoch);
        let place = era.place(self.node).filter(|place| *place == signer);
        let key = place.and_then(|place| era.set().get(place)).map(|member| &member.vote_key);
        if !key.is_some_and(|key| era.set().scheme().verify(key, &bytes, signature)) {
            self.breaks(format!(
                "it signs for position {signer} of epoch {epoch} with a key that has no say there"
            ));
        }
        place
    }

    /// S1, S9.
    fn judge_record(&mut self, before: &SafetyRecord) {
        let after = &self.member.durable().record;
        let fell = views(before).iter().zip(views(after)).any(|(before, after)| after < *before);
        let went_back = after.epoch < before.epoch || (after.epoch == before.epoch && fell);
        let unknown = self.writes > 0 && self.member.engine().epoch() > after.epoch;
        if went_back {
            self.breaks("its record went back".to_owned());
        }
        if unknown {
            self.breaks("it goes on in an epoch that its record does not know".to_owned());
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
