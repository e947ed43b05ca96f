//! The wire: how long a message takes, and whether, how often and in which order messages arrive.

use std::collections::{BTreeMap, BTreeSet};

use althing_consensus::Micros;

use super::random::Random;

/// Links between nodes.
#[derive(Clone, Debug)]
pub struct Network {
    /// The shortest and the longest time that a message takes: one may overtake another.
    pub delay: (Micros, Micros),
    /// Messages lost, in percent.
    pub loss: u64,
    /// Messages that arrive twice, in percent.
    pub duplicates: u64,
    /// Messages that arrive once more, up to [`Network::replay_within`] later, in percent.
    pub replays: u64,
    /// How long a message may be kept for replay.
    pub replay_within: Micros,
    /// Directed links that carry nothing.
    pub cut: BTreeSet<(usize, usize)>,
    /// Directed links that hold everything back until an instant.
    pub clogged: BTreeMap<(usize, usize), Micros>,
    /// Where chances and choices come from.
    pub random: Random,
}

impl Network {
    /// Links on which every message takes exactly this long.
    pub fn constant(delay: Micros, seed: u64) -> Self {
        Self {
            delay: (delay, delay),
            loss: 0,
            duplicates: 0,
            replays: 0,
            replay_within: Micros(0),
            cut: BTreeSet::new(),
            clogged: BTreeMap::new(),
            random: Random::new(seed),
        }
    }

    /// All faults end; from now on a message takes at most this long.
    pub fn heal(&mut self, delay: (Micros, Micros)) {
        *self = Self { delay, ..Self::constant(delay.0, self.random.word()) };
    }

    /// When a message sent now arrives, and when once more.
    pub fn arrivals(&mut self, now: Micros, from: usize, to: usize) -> [Option<Micros>; 2] {
        if self.cut.contains(&(from, to)) || self.chance(self.loss) {
            return [None, None];
        }
        let held = self.clogged.get(&(from, to)).copied().unwrap_or_default();
        let first = now.after(self.took()).max(held);
        let again = if self.chance(self.duplicates) {
            Some(now.after(self.took()))
        } else if self.chance(self.replays) {
            Some(first.after(Micros(self.random.below(self.replay_within.0 + 1))))
        } else {
            None
        };
        [Some(first), again]
    }

    fn took(&mut self) -> Micros {
        let (shortest, longest) = self.delay;
        if longest > shortest { Micros(self.random.between(shortest.0, longest.0)) } else { shortest }
    }

    /// Draws nothing where there is nothing to choose.
    fn chance(&mut self, percent: u64) -> bool {
        percent > 0 && self.random.percent(percent)
    }
}
