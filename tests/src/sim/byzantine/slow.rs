//! Slowness: everything right, and late.

use althing_consensus::Micros;

use super::circle::Circle;
use super::{Behaviour, Traitor};
use crate::sim::random::Random;

/// Holds back what it has for some, each time for another while, so that it also comes in another order.
pub(super) struct Slow {
    towards: Circle,
    least: u64,
    most: u64,
}

impl Slow {
    pub(super) fn draw(random: &mut Random) -> Box<dyn Behaviour> {
        let most = [50, 300, 1_500, 8_000][random.index(4)];
        let least = if random.percent(50) { most / 2 } else { 0 };
        Box::new(Self { towards: Circle::draw_or_all(random, 2), least, most })
    }
}

impl Behaviour for Slow {
    fn name(&self) -> &'static str {
        "slow"
    }

    fn delay(&mut self, me: &mut Traitor<'_>, to: usize) -> Micros {
        if !self.towards.has(to) {
            return Micros(0);
        }
        Micros::from_millis(me.random.between(self.least, self.most))
    }
}

#[cfg(test)]
mod tests {
    use super::super::stage::Stage;
    use super::*;

    #[test]
    fn some_wait_within_its_bounds() {
        let mut stage = Stage::new();
        let mut slow = Slow { towards: Circle::draw(&mut Random::new(3)), least: 20, most: 40 };
        for to in 1..4 {
            let held = slow.delay(&mut stage.me(), to).0 / 1_000;
            assert!(if slow.towards.has(to) { (20..=40).contains(&held) } else { held == 0 });
        }
    }
}
