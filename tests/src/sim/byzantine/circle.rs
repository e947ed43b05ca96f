//! Some of the members: whom a lie is for.

use crate::sim::random::Random;

/// Some of the members, drawn by chance, the same ones for as long as it lives: `part` of every `of` in a row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Circle {
    offset: u64,
    part: u64,
    of: u64,
}

impl Circle {
    /// Everyone.
    pub(super) const ALL: Self = Self { offset: 0, part: 1, of: 1 };

    /// Some, not all: of four members at least one is in it, and at least one is not.
    pub(super) fn draw(random: &mut Random) -> Self {
        let of = random.between(2, 4);
        Self { offset: random.below(of), part: random.between(1, of - 1), of }
    }

    /// Everyone in one of `n` cases, else some.
    pub(super) fn draw_or_all(random: &mut Random, n: u64) -> Self {
        if random.below(n) == 0 { Self::ALL } else { Self::draw(random) }
    }

    /// Whether this member is in it.
    pub(super) fn has(&self, member: usize) -> bool {
        (member as u64 + self.offset) % self.of < self.part
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_some_and_not_all() {
        let mut random = Random::new(1);
        for _ in 0..100 {
            let circle = Circle::draw(&mut random);
            let inside = (0..4).filter(|member| circle.has(*member)).count();
            assert!((1..4).contains(&inside), "{circle:?}");
        }
        assert!((0..100).all(|member| Circle::ALL.has(member)));
    }
}
