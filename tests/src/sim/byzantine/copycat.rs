//! The leader's block under its own signature: the same block in two proposals, only one of them the leader's.

use althing_consensus::Message;
use althing_node::wire::Wire;

use super::circle::Circle;
use super::{Behaviour, Traitor};
use crate::sim::random::Random;

/// Signs a copy of every proposal that it hears, and sends it on at once: some get it before the original.
pub(super) struct Copycat {
    to: Circle,
    percent: u64,
    /// Without the certificates that no signature of the block covers.
    bare: bool,
}

impl Copycat {
    pub(super) fn draw(random: &mut Random) -> Box<dyn Behaviour> {
        let (to, percent) = (Circle::draw_or_all(random, 2), random.between(30, 100));
        Box::new(Self { to, percent, bare: random.percent(30) })
    }
}

impl Behaviour for Copycat {
    fn name(&self) -> &'static str {
        "copycat"
    }

    fn hear(&mut self, me: &mut Traitor<'_>, _from: usize, wire: &Wire) -> Vec<(usize, Wire)> {
        let Wire::Consensus(Message::Proposal(proposal)) = wire else { return Vec::new() };
        if !me.random.percent(self.percent) {
            return Vec::new();
        }
        let mut copy = (**proposal).clone();
        copy.signer = me.position;
        if self.bare {
            (copy.tc, copy.commit) = (None, None);
        }
        let copy = Message::Proposal(Box::new(me.signed_proposal(copy)));
        me.to_all(&copy).into_iter().filter(|(to, _)| self.to.has(*to)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::stage::Stage;
    use super::*;

    #[test]
    fn the_copy_is_the_same_block_well_signed() {
        let mut stage = Stage::new();
        let mut liar = Copycat { to: Circle::ALL, percent: 100, bare: false };
        let genesis = stage.genesis();
        let original = stage.proposal(1, 1, &genesis, None);
        let copies = stage.hears(&mut liar, Message::Proposal(Box::new(original.clone())));
        assert_eq!(copies.len(), 3);
        for (_, wire) in &copies {
            assert!(stage.admit(wire).is_ok());
            let Wire::Consensus(Message::Proposal(copy)) = wire else { panic!("{wire:?}") };
            assert!(copy.block == original.block && copy.signer != original.signer);
        }
    }
}
