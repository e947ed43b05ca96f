//! Bits turned over in what is sent, where it still decodes: what a checksum would catch and a liar gets past it.

use althing_crypto::Encoding;
use althing_mempool::TxBytes;
use althing_node::wire::{Gossip, Request, Response, Wire};

use super::{Behaviour, Traitor};
use crate::sim::random::Random;

/// Damages messages, gossip and answers.
pub(super) struct Scramble {
    percent: u64,
}

impl Scramble {
    pub(super) fn draw(random: &mut Random) -> Box<dyn Behaviour> {
        Box::new(Self { percent: random.between(5, 100) })
    }

    /// Turns over a few bits, until what comes out decodes; gives up after some attempts.
    fn damage<T: Encoding>(&self, random: &mut Random, value: T) -> T {
        if !random.percent(self.percent) {
            return value;
        }
        let bytes = value.encode();
        let attempt = |random: &mut Random| {
            let mut bytes = bytes.clone();
            for _ in 0..random.between(1, 3) {
                let at = random.index(bytes.len());
                bytes[at] ^= 1 << random.below(8);
            }
            T::decode(&bytes).ok()
        };
        (0..16).find_map(|_| attempt(random)).unwrap_or(value)
    }
}

impl Behaviour for Scramble {
    fn name(&self) -> &'static str {
        "scramble"
    }

    fn send(&mut self, me: &mut Traitor<'_>, to: usize, wire: Wire) -> Vec<(usize, Wire)> {
        vec![(to, self.damage(me.random, wire))]
    }

    fn gossip(&mut self, me: &mut Traitor<'_>, _to: usize, txs: Vec<TxBytes>) -> Vec<TxBytes> {
        self.damage(me.random, Gossip { to_all: true, txs }).txs
    }

    fn reply(&mut self, me: &mut Traitor<'_>, _: usize, _: &Request, response: Response) -> Option<Response> {
        Some(self.damage(me.random, response))
    }
}

#[cfg(test)]
mod tests {
    use althing_consensus::{Message, Phase};
    use althing_crypto::{BlockHash, Hash};

    use super::super::stage::Stage;
    use super::*;

    #[test]
    fn it_sends_other_words_of_the_same_form() {
        let mut stage = Stage::new();
        let mut liar = Scramble { percent: 100 };
        let vote = Message::Vote(stage.vote(0, Phase::Vote, 3, BlockHash(Hash::ZERO)));
        let damaged = (0..20).flat_map(|_| stage.sent(&mut liar, vote.clone()));
        assert!(damaged.filter(|(_, wire)| *wire != vote.clone().into()).count() > 50);
        let txs = vec![vec![1, 2, 3].into()];
        assert!((0..20).any(|_| liar.gossip(&mut stage.me(), 1, txs.clone()) != txs));
    }
}
