//! Replay: everything old, by anyone, to everyone, again.

use althing_node::wire::Wire;

use super::{Behaviour, Traitor};
use crate::sim::random::Random;

/// As many messages are kept; later ones take the places of any.
const KEPT: usize = 256;

/// Says again what anyone has said, from long ago, too.
pub(super) struct Replay {
    /// So many messages a tick, to everyone.
    messages: u64,
    kept: Vec<Wire>,
}

impl Replay {
    pub(super) fn draw(random: &mut Random) -> Box<dyn Behaviour> {
        Box::new(Self { messages: random.between(1, 8), kept: Vec::new() })
    }

    fn keep(&mut self, random: &mut Random, wire: &Wire) {
        if self.kept.len() < KEPT {
            self.kept.push(wire.clone());
        } else if random.percent(10) {
            self.kept[random.index(KEPT)] = wire.clone();
        }
    }
}

impl Behaviour for Replay {
    fn name(&self) -> &'static str {
        "replay"
    }

    fn hear(&mut self, me: &mut Traitor<'_>, _from: usize, wire: &Wire) -> Vec<(usize, Wire)> {
        self.keep(me.random, wire);
        Vec::new()
    }

    fn send(&mut self, me: &mut Traitor<'_>, to: usize, wire: Wire) -> Vec<(usize, Wire)> {
        self.keep(me.random, &wire);
        vec![(to, wire)]
    }

    fn tick(&mut self, me: &mut Traitor<'_>) -> Vec<(usize, Wire)> {
        let mut again = Vec::new();
        for _ in 0..self.messages.min(self.kept.len() as u64) {
            let wire = &self.kept[me.random.index(self.kept.len())];
            again.extend(me.others().map(|to| (to, wire.clone())));
        }
        again
    }
}

#[cfg(test)]
mod tests {
    use althing_consensus::{Message, Phase};
    use althing_crypto::{BlockHash, Hash};

    use super::super::stage::Stage;
    use super::*;

    #[test]
    fn what_was_heard_is_said_again_and_what_is_kept_is_bounded() {
        let mut stage = Stage::new();
        let mut liar = Replay { messages: 8, kept: Vec::new() };
        for view in 1..2_000 {
            let vote = stage.vote(1, Phase::Vote, view, BlockHash(Hash::ZERO));
            stage.hears(&mut liar, Message::Vote(vote));
        }
        assert_eq!(liar.kept.len(), KEPT);
        let said = stage.ticked(&mut liar, 1);
        assert!(said.len() == 24 && said.iter().all(|(_, wire)| liar.kept.contains(wire)));
    }
}
