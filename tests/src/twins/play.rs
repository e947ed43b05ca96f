//! One scenario, from its first proposal to the commit that shows that all is healed.

use std::collections::VecDeque;
use std::sync::Arc;

use althing_consensus::{Message, Micros, Now, Position, View};

use super::cast::TIMEOUT_MS;
use super::scenario::{Fate, Order, Scenario, Turn};
use super::trace;
use super::watch::Watch;
use super::{Cast, Outcome};
use crate::bare::{Input, Load, Member, Output, Wire};

/// After the splits have healed, every correct member commits a new block within so much simulated time.
pub const HEALS_WITHIN: Micros = Micros::from_millis(20 * TIMEOUT_MS);
/// How long a round lasts for those who do not leave its view: their timers fire, and they say everything again, once.
const ROUND: Micros = Micros::from_millis(2 * TIMEOUT_MS + 1);
/// More messages than this without time passing are an endless exchange.
const MOST_AT_ONCE: usize = 20_000;

struct Letter {
    from: usize,
    to: usize,
    wire: Arc<Wire>,
}

/// Where a run stands.
enum Phase<'a> {
    Round(View, &'a Turn),
    Healed,
}

struct Play<'a> {
    cast: &'a Cast,
    members: Vec<Member>,
    now: Now,
    phase: Phase<'a>,
    order: Order,
    /// Arriving now.
    flying: VecDeque<Letter>,
    /// Of later views.
    early: Vec<Letter>,
    /// To arrive at the end of the round.
    late: Vec<Letter>,
    /// To arrive when all is healed.
    last: Vec<Letter>,
    /// Messages handed over since time has passed.
    at_once: usize,
    watch: Watch<'a>,
    lines: &'a mut Option<Vec<String>>,
}

/// Plays a scenario with clones of these instances.
pub(super) fn play(
    cast: &Cast,
    started: &[Member],
    scenario: &Scenario,
    lines: &mut Option<Vec<String>>,
) -> Result<Outcome, String> {
    let first = scenario.turns.first().expect("a scenario has views");
    let mut play = Play {
        cast,
        members: started.to_vec(),
        now: Now::default(),
        phase: Phase::Round(View(1), first),
        order: scenario.order,
        flying: VecDeque::new(),
        early: Vec::new(),
        late: Vec::new(),
        last: Vec::new(),
        at_once: 0,
        watch: Watch::new(cast),
        lines,
    };
    play.begin(scenario)?;
    for (round, turn) in (1..).map(View).zip(&scenario.turns) {
        play.round(round, turn)?;
    }
    play.heal()
}

impl Play<'_> {
    /// Transactions wait at every instance, others at each.
    fn begin(&mut self, scenario: &Scenario) -> Result<(), String> {
        let leaders = scenario.leaders();
        for instance in 0..self.members.len() {
            self.members[instance].give_leaders(leaders.clone());
            self.step(instance, Input::Load(Load::Endless(instance as u8)))?;
        }
        Ok(())
    }

    fn deliver(&mut self) -> Result<(), String> {
        loop {
            let letter = match self.order {
                Order::Sent => self.flying.pop_front(),
                Order::Newest => self.flying.pop_back(),
            };
            let Some(letter) = letter else { return Ok(()) };
            self.hand_over(letter)?;
        }
    }

    fn hand_over(&mut self, Letter { from, to, wire }: Letter) -> Result<(), String> {
        self.at_once += 1;
        if self.at_once > MOST_AT_ONCE {
            return Err(format!("{MOST_AT_ONCE} messages while no time passes, and no end"));
        }
        let cast = self.cast;
        self.say(|| format!("  {} → {}: {}", cast.name(from), cast.name(to), trace::describe(&wire)));
        self.step(to, Input::Received(cast.owner(from), wire))
    }

    fn step(&mut self, instance: usize, input: Input) -> Result<(), String> {
        // Whatever takes no time on the clock for timers takes a millisecond of wall-clock time, as block times grow by that.
        self.now.unix_ms += 1;
        let member = &mut self.members[instance];
        let outputs = member.step(self.now, input);
        self.watch.stepped(instance, member, &outputs)?;
        for output in outputs {
            match output {
                Output::Send(to, wire) => self.post(instance, to, &wire),
                Output::Note(noted) => {
                    let name = self.cast.name(instance);
                    self.say(|| format!("    {name} notes: {noted:?}"));
                }
            }
        }
        Ok(())
    }

    fn post(&mut self, from: usize, to: Option<Position>, wire: &Arc<Wire>) {
        for instance in 0..self.members.len() {
            if instance != from && to.is_none_or(|to| self.cast.owner(instance) == to) {
                self.route(Letter { from, to: instance, wire: wire.clone() });
            }
        }
    }

    fn route(&mut self, letter: Letter) {
        match &self.phase {
            Phase::Healed => self.flying.push_back(letter),
            Phase::Round(round, _) if view_of(&letter.wire) > *round => self.early.push(letter),
            Phase::Round(_, turn) if turn.split.joins(letter.from, letter.to) => {
                self.flying.push_back(letter);
            }
            Phase::Round(_, turn) => match turn.fate {
                Fate::Lost => {}
                Fate::Late => self.late.push(letter),
                Fate::Last => self.last.push(letter),
            },
        }
    }

    fn say(&mut self, line: impl FnOnce() -> String) {
        if let Some(lines) = &mut *self.lines {
            lines.push(line());
        }
    }
}

/// The view that a message travels in; 0 for those that belong to none.
fn view_of(wire: &Wire) -> View {
    match wire {
        Wire::Consensus(Message::Proposal(proposal)) => proposal.view,
        Wire::Consensus(Message::Vote(vote)) => vote.view,
        Wire::Consensus(Message::Timeout(timeout)) => timeout.view,
        Wire::Consensus(Message::Certificate(certificate)) => certificate.view(),
        Wire::Consensus(Message::Status(_) | Message::Memory(_)) | Wire::Ask(_) | Wire::Body(_) => View(0),
    }
}

impl<'a> Play<'a> {
    fn round(&mut self, round: View, turn: &'a Turn) -> Result<(), String> {
        let cast = self.cast;
        self.say(|| trace::round(cast, round, turn));
        self.at_once = 0;
        self.phase = Phase::Round(round, turn);
        for letter in std::mem::take(&mut self.early) {
            self.route(letter);
        }
        self.deliver()?;
        let end = self.now.mono.after(ROUND);
        while let Some((at, instance)) = self.next_wake(Some(round)).filter(|(at, _)| *at <= end) {
            self.wake(at, instance)?;
            self.deliver()?;
        }
        while !self.late.is_empty() {
            self.say(|| "  late:".to_owned());
            self.flying.extend(std::mem::take(&mut self.late));
            self.deliver()?;
        }
        Ok(())
    }

    /// Who is woken next, and when: of those who have not left this view, or of all.
    fn next_wake(&self, round: Option<View>) -> Option<(Micros, usize)> {
        let waiting = self.members.iter().enumerate();
        waiting
            .filter(|(_, member)| round.is_none_or(|round| member.engine().view() <= round))
            .filter_map(|(instance, member)| Some((member.wake_at()?, instance)))
            .min()
    }

    fn wake(&mut self, at: Micros, instance: usize) -> Result<(), String> {
        self.at_once = 0;
        self.now.mono = at.max(self.now.mono);
        let (name, ms) = (self.cast.name(instance), self.now.mono.0 / 1_000);
        self.say(|| format!("  {name} is woken at {ms} ms"));
        self.step(instance, Input::Wake)
    }

    fn heal(&mut self) -> Result<Outcome, String> {
        let commits = self.watch.commits();
        let top = self.members.iter().map(|member| member.engine().view()).max().expect("there are members");
        self.say(|| format!("healed; the highest view is {top}"));
        (self.phase, self.order) = (Phase::Healed, Order::Sent);
        self.flying.extend(std::mem::take(&mut self.last));
        self.flying.extend(std::mem::take(&mut self.early));
        let end = self.now.mono.after(HEALS_WITHIN);
        self.at_once = 0;
        loop {
            if self.cast.correct().all(|one| self.newest_view(one) > top) {
                let newest = self.cast.correct().map(|one| self.newest_view(one)).max();
                let views_to_heal = newest.map_or(0, |view| view.0 - top.0);
                return Ok(Outcome { commits, views_to_heal });
            }
            if let Some(letter) = self.flying.pop_front() {
                self.hand_over(letter)?;
                continue;
            }
            match self.next_wake(None).filter(|(at, _)| *at <= end) {
                Some((at, instance)) => self.wake(at, instance)?,
                None => break,
            }
        }
        let heads: Vec<String> = self.cast.correct().map(|one| self.newest_view(one).to_string()).collect();
        Err(format!(
            "healed in view {top}, the correct members have not all committed a block of a later view; their newest are of views {}",
            heads.join(", ")
        ))
    }

    /// The view of an instance's newest committed block.
    fn newest_view(&self, instance: usize) -> View {
        self.members[instance].engine().committed().view
    }
}
