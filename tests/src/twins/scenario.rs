//! Scenarios, and their numbers.

use std::sync::Arc;

use althing_consensus::Position;

use super::Cast;
use crate::sim::Random;

/// Sets in a split: a fourth would leave two of five instances alone, which three sets and a lost message do as well.
const MOST_SETS: u8 = 3;

/// Which instances hear one another: each instance's set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split(Vec<u8>);

impl Split {
    /// Whether these two are in one set.
    pub fn joins(&self, one: usize, other: usize) -> bool {
        self.0[one] == self.0[other]
    }

    /// The sets, each with its instances.
    pub fn sets(&self) -> Vec<Vec<usize>> {
        let sets = self.0.iter().max().map_or(0, |last| last + 1);
        let instances = |set| (0..self.0.len()).filter(move |instance| self.0[*instance] == set);
        (0..sets).map(|set| instances(set).collect()).collect()
    }

    /// All splits of so many instances. A set's number is the least that its first instance may have, so that each is there once.
    fn all(instances: usize) -> Vec<Self> {
        let mut splits = vec![Vec::new()];
        for _ in 0..instances {
            let grown = |split: Vec<u8>| {
                let sets = split.iter().max().map_or(0, |last| last + 1);
                (0..=sets.min(MOST_SETS - 1)).map(move |set| [&split[..], &[set]].concat())
            };
            splits = splits.into_iter().flat_map(grown).collect();
        }
        splits.into_iter().map(Self).collect()
    }
}

/// What becomes of messages between sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// They are lost.
    Lost,
    /// They arrive at the end of the round, after its timers have fired.
    Late,
    /// They arrive when the splits have healed.
    Last,
}

/// In which order messages within a set arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// As they were sent.
    Sent,
    /// The newest first.
    Newest,
}

/// One round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// The leader of the round's view.
    pub leader: Position,
    /// Who hears whom.
    pub split: Split,
    /// What becomes of the rest.
    pub fate: Fate,
}

/// A scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// In which order messages arrive.
    pub order: Order,
    /// Rounds 1, 2, …
    pub turns: Vec<Turn>,
}

impl Scenario {
    /// The leaders of views 1, 2, …
    pub fn leaders(&self) -> Arc<[Position]> {
        self.turns.iter().map(|turn| turn.leader).collect()
    }
}

/// All scenarios of so many views: for each view every leader, split and fate, and for the whole every order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Space {
    views: usize,
    turns: Vec<Turn>,
}

impl Space {
    /// The most views that a scenario has.
    pub const MOST_VIEWS: usize = 8;

    /// The scenarios of this cast.
    ///
    /// # Panics
    /// If there are no views, or more than [`Self::MOST_VIEWS`].
    pub fn new(cast: &Cast, views: usize) -> Self {
        assert!((1..=Self::MOST_VIEWS).contains(&views), "{views} views");
        let mut turns = Vec::new();
        for split in Split::all(cast.instances()) {
            // Where all hear one another nothing is left between sets.
            let whole = split.sets().len() == 1;
            let fates = if whole { &[Fate::Lost][..] } else { &[Fate::Lost, Fate::Late, Fate::Last] };
            for fate in fates {
                let turn = |leader| Turn { leader: Position(leader), split: split.clone(), fate: *fate };
                turns.extend((0..cast.members() as u16).map(turn));
            }
        }
        Self { views, turns }
    }

    /// How many there are.
    pub fn size(&self) -> u128 {
        2 * (self.turns.len() as u128).pow(self.views as u32)
    }

    /// The scenario of this number, from 0.
    pub fn scenario(&self, number: u128) -> Option<Scenario> {
        if number >= self.size() {
            return None;
        }
        let order = if number.is_multiple_of(2) { Order::Sent } else { Order::Newest };
        let (mut rest, base) = (number / 2, self.turns.len() as u128);
        let mut turns = Vec::with_capacity(self.views);
        for _ in 0..self.views {
            turns.push(self.turns[(rest % base) as usize].clone());
            rest /= base;
        }
        Some(Scenario { order, turns })
    }

    /// The number at this place of a permutation of all numbers, one per seed: the first so many are a sample without repeats.
    ///
    /// A Feistel network over the next power of four, walked until it comes back into the range (Black, Rogaway 2002).
    pub fn shuffled(&self, place: u128, seed: u64) -> u128 {
        assert!(place < self.size(), "place {place}");
        let half = (128 - (self.size() - 1).leading_zeros()).div_ceil(2).max(1);
        let mask = (1u128 << half) - 1;
        let mut number = place;
        loop {
            let (mut left, mut right) = (number >> half, number & mask);
            for round in 0..4 {
                let key = Random::new(seed ^ (round << 32)).word();
                let mixed = Random::new(key ^ right as u64).word();
                (left, right) = (right, left ^ (u128::from(mixed) & mask));
            }
            number = left << half | right;
            if number < self.size() {
                return number;
            }
        }
    }
}
