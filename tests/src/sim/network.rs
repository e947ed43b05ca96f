//! The wire: how long a message takes, and whether it arrives.

use std::collections::BTreeSet;

use althing_consensus::Micros;

/// Links between nodes. Everything random comes from one generator.
#[derive(Clone, Debug)]
pub struct Network {
    /// The shortest and the longest time that a message takes.
    pub delay: (Micros, Micros),
    /// Messages lost, in percent.
    pub loss_percent: u64,
    /// Directed links that carry nothing.
    pub cut: BTreeSet<(usize, usize)>,
    random: u64,
}

impl Network {
    /// Links on which every message takes exactly this long.
    pub fn constant(delay: Micros, seed: u64) -> Self {
        // The generator must not start at 0.
        Self { delay: (delay, delay), loss_percent: 0, cut: BTreeSet::new(), random: seed | 1 << 63 }
    }

    /// When a message sent now arrives; none if it does not.
    pub fn arrival(&mut self, now: Micros, from: usize, to: usize) -> Option<Micros> {
        let (shortest, longest) = self.delay;
        let lost = self.loss_percent > 0 && self.below(100) < self.loss_percent;
        let took = shortest.0 + if longest > shortest { self.below(longest.0 - shortest.0 + 1) } else { 0 };
        (!lost && !self.cut.contains(&(from, to))).then(|| now.after(Micros(took)))
    }

    /// A number below `n`: xorshift64*.
    pub fn below(&mut self, n: u64) -> u64 {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        self.random.wrapping_mul(0x2545_F491_4F6C_DD1D) % n
    }
}
