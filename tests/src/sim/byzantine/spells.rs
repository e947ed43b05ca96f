//! Misbehaviour at times: a fault that comes and goes meets states that a constant one never lets arise.

use althing_consensus::Micros;
use althing_mempool::TxBytes;
use althing_node::wire::{Request, Response, Wire};

use super::{Behaviour, Traitor};
use crate::sim::random::Random;

/// A behaviour that shows itself only at times; it always listens.
pub(super) struct Spells {
    inner: Box<dyn Behaviour>,
    /// Honest before this.
    from: Micros,
    /// Then, of every so long, it misbehaves for so long.
    period: Micros,
    active: Micros,
}

impl Spells {
    /// Always, from some time on, or again and again.
    pub(super) fn draw(inner: Box<dyn Behaviour>, random: &mut Random) -> Self {
        let from = if random.percent(60) { Micros(0) } else { Micros::from_millis(random.below(20_000)) };
        let period = Micros::from_millis(random.between(500, 10_000));
        let active =
            if random.percent(60) { period } else { Micros(period.0 * random.between(10, 90) / 100) };
        Self { inner, from, period, active }
    }

    fn is_active(&self, now: Micros) -> bool {
        now >= self.from && (now.0 - self.from.0) % self.period.0 < self.active.0
    }
}

impl Behaviour for Spells {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn hear(&mut self, me: &mut Traitor<'_>, from: usize, wire: &Wire) -> Vec<(usize, Wire)> {
        let said = self.inner.hear(me, from, wire);
        if self.is_active(me.now) { said } else { Vec::new() }
    }

    fn send(&mut self, me: &mut Traitor<'_>, to: usize, wire: Wire) -> Vec<(usize, Wire)> {
        if self.is_active(me.now) { self.inner.send(me, to, wire) } else { vec![(to, wire)] }
    }

    fn gossip(&mut self, me: &mut Traitor<'_>, to: usize, txs: Vec<TxBytes>) -> Vec<TxBytes> {
        if self.is_active(me.now) { self.inner.gossip(me, to, txs) } else { txs }
    }

    fn reply(
        &mut self,
        me: &mut Traitor<'_>,
        to: usize,
        request: &Request,
        response: Response,
    ) -> Option<Response> {
        if self.is_active(me.now) { self.inner.reply(me, to, request, response) } else { Some(response) }
    }

    fn delay(&mut self, me: &mut Traitor<'_>, to: usize) -> Micros {
        if self.is_active(me.now) { self.inner.delay(me, to) } else { Micros(0) }
    }

    fn tick(&mut self, me: &mut Traitor<'_>) -> Vec<(usize, Wire)> {
        if self.is_active(me.now) { self.inner.tick(me) } else { Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::super::silent::Silent;
    use super::super::stage::{Stage, status};
    use super::*;

    #[test]
    fn it_comes_and_goes() {
        let mut stage = Stage::new();
        let ms = Micros::from_millis;
        let inner = Box::new(Silent::wholly());
        let mut spells = Spells { inner, from: ms(100), period: ms(50), active: ms(20) };
        let mut said = |at: u64| {
            stage.now = ms(at);
            spells.send(&mut stage.me(), 1, status()).len()
        };
        assert_eq!([0, 99, 100, 119, 120, 149, 150, 170].map(&mut said), [1, 1, 0, 0, 1, 1, 0, 1]);
    }
}
