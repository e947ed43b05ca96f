//! Four validators, three of them the real engine with the real safety rules, the fourth an adversary with its own key and whatever
//! it has heard. The bytes are a script of what happens: which message arrives, in which order, twice or not at all, when time
//! passes, who crashes, what the adversary says.
//!
//! Whatever the script: nobody panics, no safety record goes back, nobody votes twice in a view or after giving it up, all commit
//! the same chain, no honest member is blamed. And where the script asks for it, once all messages arrive again, all commit.

use std::sync::{Arc, LazyLock};

use althing_consensus::{ConsensusParams, Height, Micros, Now, Position};

use super::adversary::Adversary;
use super::promises::Promises;
use super::script::Script;
use crate::bare::{Input, Load, Member, Output, Setup, Wire};

/// The member that the script speaks for.
pub(super) const ADVERSARY: Position = Position(3);
const HONEST: usize = 3;
/// Messages under way; the oldest are lost beyond that.
const MAX_UNDER_WAY: usize = 200;
/// Simulated time within which all must have committed after everything arrives again.
const HEALED_MS: u64 = 60_000;

/// The chain, and its members before their first step.
static BEGINNING: LazyLock<(Arc<Setup>, Vec<Member>)> = LazyLock::new(|| {
    let params = ConsensusParams {
        timeout_min_ms: 100,
        timeout_base_max_ms: 400,
        timeout_max_ms: 1_600,
        repeat_interval_ms: 100,
        max_time_ahead_ms: 1_000,
        max_unexecuted_blocks: 1,
        ..ConsensusParams::default()
    };
    let setup = Setup::new(&[1; HONEST + 1], params);
    let members = (0..HONEST as u16).map(|index| Member::new(&setup, Position(index))).collect();
    (setup, members)
});

/// A message on its way.
struct UnderWay {
    from: Position,
    to: usize,
    wire: Arc<Wire>,
}

struct World {
    now_ms: u64,
    members: Vec<Member>,
    under_way: Vec<UnderWay>,
    adversary: Adversary,
    promises: Promises,
}

/// Plays the script.
pub fn engine(bytes: &[u8]) {
    let mut script = Script::new(bytes);
    let flags = script.byte();
    let mut world = World::new();
    if flags & 1 == 1 {
        (0..HONEST).for_each(|member| world.input(member, Input::Load(Load::Endless(member as u8))));
    }
    let mut steps = 0;
    while !script.is_over() && steps < 500 {
        world.play(&mut script);
        steps += 1;
    }
    if flags & 2 == 2 {
        world.heal();
    }
}

impl World {
    fn new() -> Self {
        let (setup, members) = &*BEGINNING;
        let mut world = Self {
            now_ms: 1,
            members: members.clone(),
            under_way: Vec::new(),
            adversary: Adversary::new(setup.clone()),
            promises: Promises::default(),
        };
        (0..HONEST).for_each(|member| world.start(member));
        world.deliver_all();
        world
    }

    fn start(&mut self, member: usize) {
        self.input(member, Input::Start);
        for other in (0..HONEST).filter(|other| *other != member) {
            self.input(member, Input::Connected(Position(other as u16)));
            self.input(other, Input::Connected(Position(member as u16)));
        }
    }

    /// One thing happens.
    fn play(&mut self, script: &mut Script<'_>) {
        match script.byte() % 16 {
            0..=2 => {
                if let Some(at) = self.chosen(script) {
                    let message = self.under_way.remove(at);
                    self.deliver(message);
                }
            }
            3 => {
                if let Some(at) = self.chosen(script) {
                    self.under_way.remove(at);
                }
            }
            4 => {
                if let Some(at) = self.chosen(script) {
                    let UnderWay { from, to, wire } = &self.under_way[at];
                    let copy = UnderWay { from: *from, to: *to, wire: wire.clone() };
                    self.deliver(copy);
                }
            }
            5 => self.deliver_all(),
            6 => self.deliver_to(script.below(HONEST)),
            7 => self.pass(1 << (script.byte() % 13)),
            8 => self.round(script.below(8)),
            9 => {
                let (member, load) = (script.below(HONEST), script.byte());
                let load = if load == 0 { Load::None } else { Load::Endless(load) };
                self.input(member, Input::Load(load));
            }
            10 => {
                let member = script.below(HONEST);
                let down = self.members[member].clone();
                self.members[member] = down.restart();
                self.promises.restarted(&self.members[member]);
                self.start(member);
            }
            _ => {
                let now = self.clock();
                let (to, message) = self.adversary.speaks(script, now);
                for member in (0..HONEST).filter(|member| to >> member & 1 == 1) {
                    let wire = Arc::new(message.clone());
                    self.send(UnderWay { from: ADVERSARY, to: member, wire });
                }
            }
        }
    }

    fn chosen(&self, script: &mut Script<'_>) -> Option<usize> {
        let at = usize::from(script.byte());
        (!self.under_way.is_empty()).then(|| at % self.under_way.len())
    }

    /// A message of the adversary goes in front: it is faster than anyone.
    fn send(&mut self, message: UnderWay) {
        if message.from == ADVERSARY {
            self.under_way.insert(0, message);
        } else {
            self.under_way.push(message);
        }
        if self.under_way.len() > MAX_UNDER_WAY {
            self.under_way.remove(0);
        }
    }

    fn deliver(&mut self, UnderWay { from, to, wire }: UnderWay) {
        self.input(to, Input::Received(from, wire));
    }

    /// What is under way now, not what comes of it.
    fn deliver_all(&mut self) {
        for message in std::mem::take(&mut self.under_way) {
            self.deliver(message);
        }
    }

    fn deliver_to(&mut self, member: usize) {
        let (now, later) = std::mem::take(&mut self.under_way).into_iter().partition(|one| one.to == member);
        self.under_way = later;
        Vec::into_iter(now).for_each(|message| self.deliver(message));
    }

    fn round(&mut self, times: usize) {
        for _ in 0..=times {
            self.deliver_all();
            self.pass(1);
        }
    }

    fn pass(&mut self, ms: u64) {
        self.now_ms += ms;
        let now = self.clock().mono;
        for member in 0..HONEST {
            if self.members[member].wake_at().is_some_and(|at| at <= now) {
                self.input(member, Input::Wake);
            }
        }
    }

    fn clock(&self) -> Now {
        Now { mono: Micros::from_millis(self.now_ms), unix_ms: self.now_ms }
    }

    fn input(&mut self, member: usize, input: Input) {
        let now = self.clock();
        let outputs = self.members[member].step(now, input);
        let from = Position(member as u16);
        self.promises.stepped(&self.members[member], &outputs);
        for output in outputs {
            let Output::Send(to, wire) = output else { continue };
            self.adversary.hears(&wire);
            let others = (0..HONEST).filter(|other| *other != member);
            for to in others.filter(|other| to.is_none_or(|to| usize::from(to.0) == *other)) {
                self.send(UnderWay { from, to, wire: wire.clone() });
            }
        }
    }

    /// The adversary is silent, everything arrives at once: all three members commit, before long, more than any of them had.
    fn heal(&mut self) {
        self.under_way.clear();
        for member in 0..HONEST {
            self.input(member, Input::Load(Load::Endless(1)));
            self.start_over(member);
        }
        let goal = self.heights().into_iter().max().expect("three").next();
        let end = self.now_ms + HEALED_MS;
        while self.heights().into_iter().any(|height| height < goal) {
            assert!(self.now_ms < end, "stuck at heights {:?}, all want {goal}", self.heights());
            for _ in 0..4 {
                self.deliver_all();
            }
            self.pass(5);
        }
    }

    /// Connections come up again.
    fn start_over(&mut self, member: usize) {
        for other in (0..HONEST).filter(|other| *other != member) {
            self.input(member, Input::Connected(Position(other as u16)));
        }
    }

    fn heights(&self) -> Vec<Height> {
        self.members.iter().map(|member| member.durable().height()).collect()
    }
}
