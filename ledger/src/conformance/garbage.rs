//! Hostile bytes: the same in every run.

use crate::Bytes;
use althing_crypto::sha256;

/// Shapes that break readers.
const SHAPES: [&[u8]; 8] =
    [b"", b"{}", b"[]", b"null", b"\"\\ud800\"", b"1e999", b"\xff\xfe\x00", b"{\"a\":{\"a\":{\"a\":[{}]}}}"];

/// A source of bytes that nobody meant. SplitMix64 (Steele, Lea and Flood 2014), begun from a name.
pub(super) struct Garbage(u64);

impl Garbage {
    /// One that gives the same for the same name.
    pub(super) fn new(name: &str) -> Self {
        let seed = sha256(name.as_bytes());
        Self(seed.as_bytes().iter().fold(0, |seed, byte| (seed << 8) ^ (seed >> 56) ^ u64::from(*byte)))
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`; 0 if there is none.
    pub(super) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % (end.max(1) as u64)).unwrap_or_default()
    }

    fn bytes(&mut self, len: usize) -> Bytes {
        (0..len).map(|_| self.next().to_le_bytes()[0]).collect()
    }

    /// Bytes without any sense: empty, one byte, all alike, text of a kind, random, deeply nested, long.
    pub(super) fn senseless(&mut self) -> Vec<Bytes> {
        let mut all: Vec<Bytes> = SHAPES.iter().map(|shape| shape.to_vec()).collect();
        all.extend((0..=255).map(|byte| vec![byte]));
        for len in [2, 4, 5, 8, 20, 32, 33, 64, 255, 1_000, 4_096, 65_537] {
            all.extend([vec![0; len], vec![0xff; len], self.bytes(len)]);
        }
        for _ in 0..64 {
            let len = self.below(200);
            all.push(self.bytes(len));
        }
        all.extend([b"[".repeat(50_000), b"{\"a\":".repeat(50_000), self.bytes(300_000)]);
        all
    }

    /// Each of `good`, changed in `times` ways of each kind: a bit, a byte, the end, a part of another one.
    pub(super) fn changed(&mut self, good: &[Bytes], times: usize) -> Vec<Bytes> {
        let mut all = Vec::new();
        for one in good.iter().filter(|one| !one.is_empty()) {
            for _ in 0..times {
                let at = self.below(one.len());
                let mut bit = one.clone();
                bit[at] ^= 1 << self.below(8);
                let mut byte = one.clone();
                byte[at] = [0, 1, 0x7f, 0x80, 0xff][self.below(5)];
                let mut longer = one.clone();
                let more = 1 + self.below(40);
                longer.extend(self.bytes(more));
                let mut spliced = one[..at].to_vec();
                let other = &good[self.below(good.len())];
                spliced.extend_from_slice(&other[self.below(other.len())..]);
                all.extend([bit, byte, one[..at].to_vec(), longer, spliced]);
            }
        }
        all.retain(|one| !good.contains(one));
        all
    }
}
