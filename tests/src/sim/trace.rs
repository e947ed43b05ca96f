//! The trace of a run: a hash that two runs of one seed share, and, for reading, a line per happening.

use std::fmt::Arguments;

use althing_consensus::Micros;

/// What a run has done so far.
#[derive(Clone, Debug)]
pub struct Trace {
    hash: u64,
    print: bool,
}

impl Trace {
    /// An empty trace. With `print` every line goes to standard error.
    pub fn new(print: bool) -> Self {
        Self { hash: 0xCBF2_9CE4_8422_2325, print }
    }

    /// Takes in numbers: FNV-1a (Fowler, Noll, Vo) over words.
    pub(super) fn mix(&mut self, words: &[u64]) {
        for word in words {
            self.hash = (self.hash ^ word).wrapping_mul(0x0000_0100_0000_01B3).rotate_left(29);
        }
    }

    /// A line, made only if somebody reads it.
    pub(super) fn line(&self, at: Micros, node: usize, text: Arguments<'_>) {
        if self.print {
            eprintln!("{:>4}.{:06} node {node}: {text}", at.0 / 1_000_000, at.0 % 1_000_000);
        }
    }

    /// The hash.
    pub fn hash(&self) -> u64 {
        self.hash
    }
}
