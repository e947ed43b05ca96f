//! After each start a validator signs nothing anew up to the newest of its own messages that the others surely hold: so many members,
//! up ever since, that every quorum that answers has one of them (S7). It bears on those whose disks forgot: the record of all others
//! lacks nothing.

use std::collections::BTreeMap;

use althing_consensus::{Epoch, Message, Micros, Phase, SafetyRecord, View};

use super::{Checker, Seen};
use crate::sim::world::{Standing, World};

/// What has arrived for so long has passed the door and is remembered.
const TAKEN_IN: Micros = Micros::from_millis(1_000);

const KINDS: [&str; 4] = ["a proposal", "a vote", "a commit vote", "a timeout vote"];

/// Epoch and view of a message, and the view that it names if it is a timeout vote.
type Said = (Epoch, View, View);
/// An epoch and a view in it.
type Place = (Epoch, View);
/// By kind, the newest message of a key.
type Newest = [Said; 4];

/// Who holds what of whom, and what it asks of those that have started.
#[derive(Default)]
pub(super) struct Remembered {
    /// By signer and holder.
    held: BTreeMap<(usize, usize), Held>,
    lives: BTreeMap<usize, Life>,
}

/// What a member has heard of one key since it started.
#[derive(Default)]
struct Held {
    taken_in: Newest,
    arrived: Vec<(Micros, usize, Said)>,
}

impl Held {
    /// The newest of each kind that it holds for sure: of older ones it remembers none.
    fn for_sure(&mut self, now: Micros) -> Newest {
        let Self { taken_in, arrived } = self;
        arrived.retain(|(at, kind, said)| {
            let yet = at.after(TAKEN_IN) > now;
            if !yet {
                taken_in[*kind] = taken_in[*kind].max(*said);
            }
            yet
        });
        self.taken_in
    }
}

/// A node since its start.
struct Life {
    /// What its record holds.
    record: Newest,
    /// By holder that was up since: the highest view of a message that the record at the start lacked.
    lacked: BTreeMap<usize, Place>,
    /// Up to here nothing may be signed; fixed when the first message is.
    bound: Option<Place>,
}

/// What a message of its sender's own says, by the place of its kind.
fn said(world: &World, from: usize, message: &Message) -> Option<(usize, Said)> {
    let epoch = message.epoch()?;
    let (signer, kind, said) = match message {
        Message::Proposal(proposal) => (proposal.signer, 0, (epoch, proposal.view, View(0))),
        Message::Vote(vote) if vote.phase == Phase::Vote => (vote.signer, 1, (epoch, vote.view, View(0))),
        Message::Vote(vote) => (vote.signer, 2, (epoch, vote.view, View(0))),
        Message::Timeout(timeout) => (timeout.signer, 3, (epoch, timeout.view, timeout.high_view())),
        Message::Certificate(_) | Message::Status(_) | Message::Memory(_) => return None,
    };
    (world.node_of(epoch, signer) == Some(from)).then_some((kind, said))
}

fn newest(record: &SafetyRecord) -> Newest {
    let epoch = record.epoch;
    let none = (epoch, View(0), View(0));
    [
        record.proposal.as_ref().map_or(none, |one| (epoch, one.view, View(0))),
        record.vote.as_ref().map_or(none, |one| (epoch, one.view, View(0))),
        record.commit_vote.as_ref().map_or(none, |one| (epoch, one.view, View(0))),
        record.timeout.as_ref().map_or(none, |one| (epoch, one.view, one.high_view())),
    ]
}

/// The highest view such that the holders of one as high have a third of the power: they and no quorum of the others.
fn surely_told(world: &World, lacked: &BTreeMap<usize, Place>) -> Place {
    let holders_of = |place: Place| lacked.iter().filter(move |(_, held)| **held >= place);
    let sure = |place: &Place| {
        let power = holders_of(*place).map(|(holder, _)| world.power(place.0, *holder)).sum::<u128>();
        3 * power >= world.total(place.0)
    };
    lacked.values().copied().filter(sure).max().unwrap_or_default()
}

impl Remembered {
    fn started(&mut self, at: Micros, node: usize, record: &SafetyRecord) {
        let record = newest(record);
        let lacked_by = |held: &Newest| -> Option<Place> {
            let pairs = held.iter().zip(&record);
            pairs.filter(|(held, own)| held > own).map(|(held, _)| (held.0, held.1)).max()
        };
        let holders = self.held.range_mut((node, 0)..(node + 1, 0));
        let lacked = holders
            .filter_map(|((_, holder), held)| Some((*holder, lacked_by(&held.for_sure(at))?)))
            .collect();
        self.lives.insert(node, Life { record, lacked, bound: None });
    }

    fn stopped(&mut self, node: usize) {
        self.lives.remove(&node);
        self.held.retain(|(_, holder), _| *holder != node);
        for life in self.lives.values_mut() {
            life.lacked.remove(&node);
        }
    }

    fn recorded(&mut self, world: &World, node: usize, record: &SafetyRecord) -> Result<(), String> {
        let Some(life) = self.lives.get_mut(&node) else { return Ok(()) };
        let now = newest(record);
        for ((what, new), old) in KINDS.iter().zip(now).zip(life.record) {
            // In an epoch just entered nothing is signed yet.
            if new <= old || new.1 == View(0) {
                continue;
            }
            let bound = *life.bound.get_or_insert_with(|| surely_told(world, &life.lacked));
            if (new.0, new.1) <= bound {
                let holders: Vec<_> = life.lacked.iter().collect();
                return Err(format!(
                    "node {node} signs {what} of view {} in epoch {}, though others held its messages of views up to {} in epoch {} when it \
                     started (each the highest that the record lacked: {holders:?})",
                    new.1, new.0, bound.1, bound.0
                ));
            }
        }
        life.record = now;
        Ok(())
    }
}

impl Checker for Remembered {
    fn name(&self) -> &'static str {
        "remembered"
    }

    fn see(&mut self, world: &World, at: Micros, node: usize, seen: &Seen<'_>) -> Result<(), String> {
        let errs = |node: usize| world.standing.get(node).is_none_or(|one| *one == Standing::Byzantine);
        if errs(node) {
            return Ok(());
        }
        match seen {
            Seen::Started { record } => self.started(at, node, record),
            Seen::Stopped => self.stopped(node),
            // What a member passes on of another may be forged; of its own, one that is not Byzantine signs all well.
            Seen::Received { from, message } if !errs(*from) => {
                if let Some((kind, said)) = said(world, *from, message) {
                    let held = self.held.entry((*from, node)).or_default();
                    held.for_sure(at);
                    held.arrived.push((at, kind, said));
                }
            }
            Seen::RecordDurable { record } => return self.recorded(world, node, record),
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Bench, block, found};
    use super::*;

    /// A checker before which node 1 loses what it has signed.
    struct Trial<'a> {
        bench: &'a Bench,
        checker: Remembered,
    }

    impl<'a> Trial<'a> {
        fn new(bench: &'a Bench) -> Self {
            Self { bench, checker: Remembered::default() }
        }

        fn see(&mut self, ms: u64, node: usize, seen: &Seen<'_>) -> Result<(), String> {
            self.checker.see(&self.bench.world, Micros::from_millis(ms), node, seen)
        }

        /// These hear node 1 at time 0.
        fn heard_by(bench: &'a Bench, holders: &[usize], message: &Message) -> Self {
            let mut trial = Self::new(bench);
            holders.iter().for_each(|holder| trial.hears(0, *holder, message));
            trial
        }

        fn hears(&mut self, ms: u64, holder: usize, message: &Message) {
            self.see(ms, holder, &Seen::Received { from: 1, message }).expect("no signature");
        }

        fn stops(&mut self, holder: usize) {
            self.see(2_000, holder, &Seen::Stopped).expect("no signature");
        }

        /// Node 1 starts after two seconds from this record.
        fn starts(&mut self, record: &SafetyRecord) {
            self.see(2_000, 1, &Seen::Started { record }).expect("no signature");
        }

        /// What is found as it gives up this view.
        fn gives_up(&mut self, view: u64) -> Result<(), String> {
            let record =
                SafetyRecord { timeout: Some(self.bench.timeout(1, view, None)), ..self.bench.record(1) };
            self.see(3_000, 1, &Seen::RecordDurable { record: &record })
        }

        /// What is found as it starts with nothing and gives up this view.
        fn begins_with(mut self, view: u64) -> Result<(), String> {
            self.starts(&self.bench.record(1));
            self.gives_up(view)
        }
    }

    fn vote(bench: &Bench, view: u64) -> Message {
        Message::Vote(bench.vote(Phase::Vote, 1, view, block("a")))
    }

    #[test]
    fn whatever_is_signed_up_to_a_message_of_any_kind_is_found() {
        let bench = Bench::new();
        let body = bench.body_in(None, 5, &[], |_| {});
        for held in [
            Message::Proposal(Box::new(bench.proposal(1, &body, None, None))),
            vote(&bench, 5),
            Message::Vote(bench.vote(Phase::Commit, 1, 5, block("a"))),
            Message::Timeout(Box::new(bench.timeout(1, 5, None))),
        ] {
            let trial = || Trial::heard_by(&bench, &[0, 2], &held);
            for view in [4, 5] {
                found(trial().begins_with(view), &["node 1 signs a timeout vote", "up to 5"]);
            }
            trial().begins_with(6).expect("above it");
        }
        let empty = bench.record(1);
        let voted = SafetyRecord { vote: Some(bench.vote(Phase::Vote, 1, 5, block("b"))), ..empty.clone() };
        let committed =
            SafetyRecord { commit_vote: Some(bench.vote(Phase::Commit, 1, 5, block("b"))), ..empty.clone() };
        let proposed = SafetyRecord { proposal: Some(bench.proposal(1, &body, None, None)), ..empty.clone() };
        for (record, what) in [(voted, "a vote"), (committed, "a commit vote"), (proposed, "a proposal")] {
            let mut trial = Trial::heard_by(&bench, &[0, 2], &vote(&bench, 5));
            trial.starts(&empty);
            found(trial.see(3_000, 1, &Seen::RecordDurable { record: &record }), &[what, "of view 5"]);
        }
    }

    #[test]
    fn less_than_a_third_of_the_power_may_not_be_among_those_that_answer() {
        let bench = Bench::new();
        Trial::heard_by(&bench, &[0], &vote(&bench, 5)).begins_with(5).expect("one of four");
        let bench = Bench::with_powers(&[1, 1, 1, 5]);
        Trial::heard_by(&bench, &[0, 2], &vote(&bench, 5)).begins_with(5).expect("2 of 8");
        found(Trial::heard_by(&bench, &[3], &vote(&bench, 5)).begins_with(5), &["view 5"]);
        let bench = Bench::with_powers(&[1, 1, 1]);
        found(Trial::heard_by(&bench, &[0], &vote(&bench, 5)).begins_with(5), &["view 5"]);
    }

    #[test]
    fn of_those_that_hold_different_ones_the_lower_counts() {
        let bench = Bench::new();
        let trial = || {
            let mut trial = Trial::heard_by(&bench, &[0], &vote(&bench, 7));
            trial.hears(0, 2, &vote(&bench, 5));
            trial.hears(0, 2, &vote(&bench, 4));
            trial
        };
        trial().begins_with(6).expect("the one that answers may hold view 5 only");
        found(trial().begins_with(5), &["view 5"]);
    }

    #[test]
    fn who_was_down_in_between_has_forgotten() {
        let bench = Bench::new();
        let mut trial = Trial::heard_by(&bench, &[0, 2], &vote(&bench, 5));
        trial.stops(2);
        trial.begins_with(5).expect("before the start");

        let mut trial = Trial::heard_by(&bench, &[0, 2], &vote(&bench, 5));
        trial.starts(&bench.record(1));
        trial.stops(2);
        trial.gives_up(5).expect("before it answered, maybe");

        let mut trial = Trial::heard_by(&bench, &[0, 2], &vote(&bench, 5));
        trial.starts(&bench.record(1));
        trial.gives_up(6).expect("above it");
        trial.stops(2);
        let mut late = bench.record(1);
        late.timeout = Some(bench.timeout(1, 6, None));
        late.vote = Some(bench.vote(Phase::Vote, 1, 5, block("b")));
        found(trial.see(3_000, 1, &Seen::RecordDurable { record: &late }), &["a vote of view 5"]);
    }

    #[test]
    fn who_is_byzantine_or_has_only_just_heard_it_need_not_tell() {
        let mut bench = Bench::new();
        let mut trial = Trial::heard_by(&bench, &[0], &vote(&bench, 5));
        trial.hears(1_001, 2, &vote(&bench, 5));
        trial.begins_with(5).expect("heard too late");

        let mut trial = Trial::heard_by(&bench, &[0, 2], &vote(&bench, 5));
        trial.hears(1_001, 2, &vote(&bench, 7));
        found(trial.begins_with(5), &["up to 5"]);

        bench.world.standing[2] = Standing::Byzantine;
        Trial::heard_by(&bench, &[0, 2], &vote(&bench, 5)).begins_with(5).expect("it tells what it likes");
    }

    #[test]
    fn what_another_passes_on_or_the_record_holds_lays_down_nothing() {
        let bench = Bench::new();
        let relayed = Message::Vote(bench.vote(Phase::Vote, 3, 5, block("a")));
        Trial::heard_by(&bench, &[0, 2], &relayed).begins_with(5).expect("not its own");

        let mut trial = Trial::heard_by(&bench, &[0, 2], &vote(&bench, 5));
        let mut record = bench.record(1);
        record.vote = Some(bench.vote(Phase::Vote, 1, 5, block("a")));
        trial.starts(&record);
        trial.gives_up(5).expect("its record knows of the vote");

        let names = |view| Some(bench.qc(Phase::Vote, view, block("high"), &[0, 1, 2]));
        let held = Message::Timeout(Box::new(bench.timeout(1, 5, names(3))));
        for (named, lacks) in [(2, true), (3, false)] {
            let mut trial = Trial::heard_by(&bench, &[0, 2], &held);
            let mut record = bench.record(1);
            record.timeout = Some(bench.timeout(1, 5, names(named)));
            trial.starts(&record);
            record.timeout = Some(bench.timeout(1, 5, names(4)));
            let again = trial.see(3_000, 1, &Seen::RecordDurable { record: &record });
            assert_eq!(again.is_err(), lacks, "named {named}: {again:?}");
        }
    }
}
