//! Random walks beyond the bound: real members that also lead, every message as it was sent, votes pooled one by one, messages lost,
//! repeated and reordered, crashes at any step, and an adversary that puts together whatever it has heard.

mod adversary;

use std::sync::Arc;

use althing_consensus::{ConsensusParams, Message, Micros, Now, Position};

use super::blocks::{Catalogue, Set};
use super::forge::quorum;
use super::laws;
use super::possible::Possible;
use super::said::{MAX_VIEWS, Said, word};
use crate::bare::{Input, Load, Member, Noted, Output, Setup, Wire};
use crate::sim::Random;
use adversary::Adversary;

const MEMBERS: usize = 4;
/// The most messages on their way; beyond it, old ones are lost.
const MAIL: usize = 60;

/// How a walk went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Walked {
    /// Steps taken.
    pub steps: u64,
    /// The last view that a member entered.
    pub view: u64,
    /// The highest block committed by all of its members together.
    pub height: u64,
    /// Crashes.
    pub crashes: u64,
    /// What went wrong, if anything did.
    pub violation: Option<String>,
    /// What happened, in words, if that was asked for.
    pub trace: Vec<String>,
}

struct Walk {
    random: Random,
    now: Now,
    members: Vec<Member>,
    said: Vec<Said>,
    blocks: Catalogue,
    setup: Arc<Setup>,
    adversary: Adversary,
    faulty: Position,
    mail: Vec<(Position, Position, Arc<Wire>)>,
    trace: bool,
    walked: Walked,
}

/// A walk of at most so many steps; one seed, one walk.
pub fn walk(seed: u64, steps: u64, trace: bool) -> Walked {
    let mut walk = Walk::new(seed, trace);
    for member in 0..MEMBERS {
        walk.start(member);
    }
    for _ in 0..steps {
        if walk.walked.violation.is_some() || walk.is_over() {
            break;
        }
        walk.walked.steps += 1;
        walk.something_happens();
    }
    walk.finish()
}

impl Walk {
    fn new(seed: u64, trace: bool) -> Self {
        let mut random = Random::new(seed);
        let setup = Setup::new(&[1; MEMBERS], ConsensusParams::default());
        let faulty = Position(random.index(MEMBERS) as u16);
        let leader = |random: &mut Random| {
            if random.percent(40) { faulty } else { Position(random.index(MEMBERS) as u16) }
        };
        let leaders: Arc<[Position]> = (0..4 * MAX_VIEWS).map(|_| leader(&mut random)).collect();
        let member = |position| {
            let mut member = Member::new(&setup, Position(position as u16));
            member.give_leaders(leaders.clone());
            member
        };
        Self {
            now: Now { mono: Micros(0), unix_ms: 1_000 },
            members: (0..MEMBERS).map(member).collect(),
            said: vec![Said::default(); MEMBERS],
            blocks: Catalogue::empty(),
            adversary: Adversary::new(setup.clone(), faulty, leaders),
            setup,
            random,
            faulty,
            mail: Vec::new(),
            trace,
            walked: Walked::default(),
        }
    }

    fn finish(mut self) -> Walked {
        let correct = || self.members.iter().filter(|member| member.position() != self.faulty);
        self.walked.view = correct().map(|member| member.engine().view().0).max().unwrap_or(0);
        self.walked.height = correct().map(|member| member.durable().height().0).max().unwrap_or(0);
        self.walked
    }

    /// What is said in more views, or of more blocks, would not be kept.
    fn is_over(&self) -> bool {
        let last = self.members.iter().map(|member| member.engine().view().0).max();
        last >= Some(MAX_VIEWS) || self.blocks.len() + MEMBERS > Set::BITS as usize
    }

    fn note(&mut self, line: impl FnOnce() -> String) {
        if self.trace {
            self.walked.trace.push(line());
        }
    }

    fn fail(&mut self, why: String) {
        self.note(|| why.clone());
        self.walked.violation.get_or_insert(why);
    }

    fn start(&mut self, member: usize) {
        self.step(member, Input::Start);
        self.step(member, Input::Load(Load::Endless(member as u8)));
    }

    fn correct(&mut self) -> usize {
        let others = |at: usize| if at >= usize::from(self.faulty.0) { at + 1 } else { at };
        others(self.random.index(MEMBERS - 1))
    }

    fn something_happens(&mut self) {
        match self.random.below(100) {
            0..60 => self.deliver(),
            60..72 => self.wake(),
            72..74 => self.crash(),
            _ => self.lie(),
        }
    }

    /// One of the messages on their way arrives; it may arrive again.
    fn deliver(&mut self) {
        if self.mail.is_empty() {
            return self.wake();
        }
        let at = self.random.index(self.mail.len());
        let (from, to, wire) =
            if self.random.percent(15) { self.mail[at].clone() } else { self.mail.swap_remove(at) };
        self.step(usize::from(to.0), Input::Received(from, wire));
    }

    fn wake(&mut self) {
        let member = self.correct();
        if let Some(at) = self.members[member].wake_at() {
            self.now.mono = self.now.mono.max(at);
            self.now.unix_ms += 1;
            self.step(member, Input::Wake);
        }
    }

    fn crash(&mut self) {
        let member = self.correct();
        self.walked.crashes += 1;
        self.note(|| format!("member {member} crashes and starts again"));
        self.members[member] = self.members[member].clone().restart();
        self.start(member);
    }

    fn lie(&mut self) {
        let Some(wire) = self.adversary.speak(&mut self.random) else { return };
        if let Wire::Consensus(Message::Proposal(proposal)) = &wire {
            self.blocks.learn(&self.setup, &proposal.block);
        }
        let (wire, to) = (Arc::new(wire), self.correct());
        self.step(to, Input::Received(self.faulty, wire.clone()));
        if self.random.percent(50) {
            let other = self.correct();
            self.step(other, Input::Received(self.faulty, wire));
        }
    }

    fn step(&mut self, at: usize, input: Input) {
        let me = Position(at as u16);
        if me == self.faulty {
            return;
        }
        self.note(|| told(me, &input));
        for output in self.members[at].step(self.now, input) {
            match output {
                Output::Send(to, wire) => self.sent(me, to, wire),
                Output::Note(noted) => self.noted(me, noted),
            }
        }
    }

    fn sent(&mut self, me: Position, to: Option<Position>, wire: Arc<Wire>) {
        if let Wire::Consensus(Message::Proposal(proposal)) = &*wire {
            self.blocks.learn(&self.setup, &proposal.block);
        }
        self.judge(me, &wire);
        self.adversary.hear(&wire);
        let everyone = (0..MEMBERS as u16).map(Position).filter(|other| *other != me);
        for to in everyone.filter(|one| to.is_none_or(|to| to == *one)) {
            if to != self.faulty {
                self.mail.push((me, to, wire.clone()));
            } else if let Wire::Ask(hash) = *wire
                && let Some(body) = self.adversary.body(&hash)
            {
                self.mail.push((to, me, Arc::new(Wire::Body(body))));
            }
        }
        while self.mail.len() > MAIL {
            self.mail.swap_remove(self.random.index(self.mail.len()));
        }
    }

    /// What a member says must fit what it has said, and all together must keep the laws.
    fn judge(&mut self, me: Position, wire: &Wire) {
        let at = usize::from(me.0);
        let Some(word) = word(&self.blocks, me, wire) else { return };
        let before = self.said[at];
        let record = &self.members[at].durable().record;
        if let Err(why) = self.said[at].say(&self.blocks, word, record) {
            self.fail(format!("member {at}: {why}"));
        }
        if self.said[at] == before {
            return;
        }
        self.note(|| format!("  member {at} says {word:?}"));
        let correct = self.said.iter().enumerate().filter(|(at, _)| *at != usize::from(self.faulty.0));
        let said = correct.map(|(_, said)| said);
        let possible = Possible::new(&self.blocks, MAX_VIEWS, quorum(MEMBERS) - 1, said);
        let broken = laws::ALL.iter().find(|(_, law)| !law(&self.blocks, &possible));
        if let Some((name, _)) = broken {
            self.fail(format!("broken: {name}"));
        }
    }

    fn noted(&mut self, me: Position, noted: Noted) {
        match noted {
            Noted::Halted(halt) => self.fail(format!("member {me} halts: {halt:?}")),
            Noted::Convicted(evidence) if evidence.signer() != self.faulty => {
                self.fail(format!("member {me} convicts member {}: {evidence:?}", evidence.signer()));
            }
            Noted::Refused(refusal) => {
                self.fail(format!("member {me}'s engine asks for too much: {refusal}"))
            }
            Noted::Stale => self.fail(format!("member {me} takes its newest record for an old one")),
            Noted::Rejected(..) | Noted::Penalised(..) | Noted::Convicted(_) => {}
        }
    }
}

fn told(me: Position, input: &Input) -> String {
    let what = match input {
        Input::Received(from, wire) => match &**wire {
            Wire::Consensus(message) => format!("gets from member {from}: {}", summary(message)),
            Wire::Ask(hash) => format!("is asked by member {from} for block {hash}"),
            Wire::Body(block) => format!("gets from member {from} the block {}", block.hash()),
        },
        other => format!("{other:?}"),
    };
    format!("member {me} {what}")
}

fn summary(message: &Message) -> String {
    match message {
        Message::Proposal(one) => {
            format!("proposal of {} in view {} on view {}", one.block.hash(), one.view, one.justify_view())
        }
        Message::Vote(one) => format!("{:?} of view {} for {}", one.phase, one.view, one.block),
        Message::Timeout(one) => format!("timeout vote of view {} naming view {}", one.view, one.high_view()),
        Message::Certificate(one) => format!("certificate of view {}: {}", one.view(), kind(one)),
        Message::Status(one) => format!("status, view {}", one.view),
        Message::Memory(_) => "what it remembers".to_owned(),
    }
}

fn kind(certificate: &althing_consensus::Certificate) -> String {
    match certificate {
        althing_consensus::Certificate::Quorum(qc) => format!("{:?} for {}", qc.phase, qc.block),
        althing_consensus::Certificate::Timeout(tc) => format!("TC naming view {}", tc.max_high_view()),
    }
}
