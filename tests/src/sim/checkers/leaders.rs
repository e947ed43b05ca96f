//! Every committed block was proposed by the leader of its view, and lists as absent whom the chain says (V6, L1–L4).

use std::collections::{BTreeMap, BTreeSet};

use althing_consensus::{Header, Height, Message, Micros, Position, Proposal, proposal_bytes};
use althing_crypto::BlockHash;

use super::chain::Chain;
use super::election::{absent_of, absent_on, leader};
use super::{Checker, Seen};
use crate::sim::world::World;

/// Proposals so far above the chain are nobody's business yet: no correct member votes for them.
const AHEAD: u64 = 1_000;

/// Who proposed what, above the newest committed height.
#[derive(Default)]
pub(super) struct Leaders {
    chain: Chain,
    /// The newest committed header.
    head: Option<Header>,
    /// Who signed a proposal of a block. Anyone can sign a copy of the leader's, so it is several.
    proposed: BTreeMap<(Height, BlockHash), BTreeSet<Position>>,
}

impl Leaders {
    fn proposal(&mut self, world: &World, proposal: &Proposal) {
        let height = proposal.block.header.height;
        if height <= self.chain.height || height.0 > self.chain.height.0 + AHEAD {
            return;
        }
        let key = (height, proposal.block.hash());
        if self.proposed.get(&key).is_some_and(|signers| signers.contains(&proposal.signer)) {
            return;
        }
        let Some(world) = &world.at(proposal.block.header.epoch) else { return };
        let Some(member) = world.set.members().get(usize::from(proposal.signer.0)) else { return };
        let bytes = proposal_bytes(world.chain_id, &proposal.statement());
        if member.identity.verify(&bytes, &proposal.signature) {
            self.proposed.entry(key).or_default().insert(proposal.signer);
        }
    }

    fn block(&mut self, world: &World, header: &Header) -> Result<(), String> {
        let (height, view, hash) = (header.height, header.view, header.hash());
        let Some(world) = &world.at(header.epoch) else {
            return Err(format!(
                "block {height}, {hash}, is of epoch {}, which nobody has entered",
                header.epoch
            ));
        };
        // An epoch's first block stands on one of the epoch before, with other members.
        let before = absent_on(self.head.as_ref().filter(|head| head.epoch == header.epoch));
        let expected = absent_of(world, before, header.justify_view, view);
        if header.absent != expected {
            let listed = &header.absent;
            return Err(format!(
                "block {height}, {hash}, of view {view} lists as absent {listed:?}, the chain says {expected:?}"
            ));
        }
        let leader = leader(world, view, before);
        let signers = self.proposed.get(&(height, hash));
        if !signers.is_some_and(|signers| signers.contains(&leader)) {
            return Err(format!(
                "block {height}, {hash}, of view {view} is committed, proposed by {signers:?}: the leader is {leader}"
            ));
        }
        self.head = Some(header.clone());
        // The newest ones, of this height and below, are past.
        self.proposed = self.proposed.split_off(&(height.next(), BlockHash(althing_crypto::Hash::ZERO)));
        Ok(())
    }
}

impl Checker for Leaders {
    fn name(&self) -> &'static str {
        "leaders"
    }

    fn see(&mut self, world: &World, _: Micros, _: usize, seen: &Seen<'_>) -> Result<(), String> {
        match seen {
            Seen::Sent { message: Message::Proposal(proposal), .. }
            | Seen::Received { message: Message::Proposal(proposal), .. } => self.proposal(world, proposal),
            Seen::Committed { .. } => {
                for body in self.chain.grow(seen) {
                    self.block(world, &body.block.header)?;
                }
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use althing_consensus::View;
    use althing_node::body::Body;

    use super::super::testing::{Bench, found};
    use super::*;

    /// A block of a view on a parent of an earlier one, with the absent list that it must have.
    fn block(bench: &Bench, parent: Option<&Body>, view: u64) -> Arc<Body> {
        let justify = parent.map_or(View(0), |body| body.block.header.view);
        let before = absent_on(parent.map(|body| &body.block.header)).to_vec();
        let absent = absent_of(&bench.world, &before, justify, View(view));
        bench.body_in(parent, view, &[], |header| header.absent = absent)
    }

    fn propose(bench: &Bench, checker: &mut Leaders, signer: Position, body: &Body) {
        let message = Message::Proposal(Box::new(bench.proposal(signer.0, body, None, None)));
        bench
            .see(checker, 3, &Seen::Received { from: 0, message: &message })
            .expect("proposals are taken note of");
    }

    #[test]
    fn blocks_of_their_leaders_pass_over_failed_views_too() {
        let (bench, mut checker) = (Bench::new(), Leaders::default());
        let mut parent: Option<Arc<Body>> = None;
        for view in [1, 2, 5, 6, 40, 41, 1_024, 1_025] {
            let body = block(&bench, parent.as_deref(), view);
            let before = absent_on(parent.as_ref().map(|body| &body.block.header));
            let leads = leader(&bench.world, View(view), before);
            propose(&bench, &mut checker, leads, &body);
            propose(&bench, &mut checker, Position((leads.0 + 1) % 4), &body);
            bench.commits(&mut checker, 0, std::slice::from_ref(&body)).expect("by its leader");
            parent = Some(body);
        }
        assert!(checker.proposed.is_empty());
    }

    #[test]
    fn a_block_of_another_member_is_found() {
        let (bench, mut checker) = (Bench::new(), Leaders::default());
        let body = block(&bench, None, 1);
        let leads = leader(&bench.world, View(1), &[]);
        propose(&bench, &mut checker, Position((leads.0 + 1) % 4), &body);
        found(
            bench.commits(&mut checker, 0, &[body]),
            &["block 1", "view 1", &format!("the leader is {leads}")],
        );
    }

    #[test]
    fn a_proposal_that_the_leader_did_not_sign_does_not_count() {
        let (bench, mut checker) = (Bench::new(), Leaders::default());
        let body = block(&bench, None, 1);
        let leads = leader(&bench.world, View(1), &[]);
        let mut forged = bench.proposal((leads.0 + 1) % 4, &body, None, None);
        forged.signer = leads;
        bench.sends(&mut checker, 0, &Message::Proposal(Box::new(forged))).expect("taken note of");
        found(bench.commits(&mut checker, 0, &[body]), &["view 1", "the leader is"]);
    }

    #[test]
    fn another_absent_list_is_found() {
        let (bench, mut checker) = (Bench::new(), Leaders::default());
        let body = bench.body_in(None, 3, &[], |_| {});
        propose(&bench, &mut checker, leader(&bench.world, View(3), &[]), &body);
        found(bench.commits(&mut checker, 0, &[body]), &["block 1", "view 3", "absent []"]);
    }
}
