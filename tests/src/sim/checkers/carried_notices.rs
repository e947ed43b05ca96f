//! What blocks carry of evidence (V10): no correct member is convicted in a block, nothing is carried that proves nothing, each charge is
//! carried once on the whole chain; and once all is healed, what a correct node has found is soon in a block.

use std::collections::BTreeMap;

use althing_consensus::{Charge, Epoch, Evidence, Height, Micros, Notice, View};

use super::innocents::convicts;
use super::{Checker, Seen};
use crate::sim::world::World;

/// What was found so shortly before the end may still be on its way.
const LAG: Micros = Micros::from_millis(15_000);
/// Views for each member that evidence may wait for a block: gossip may be lost, so it may take the finder's own turn, which comes in
/// proportion to its power and may be passed over.
const VIEWS_EACH: u64 = 64;

/// When a charge was found, or all was healed, and in which view the finder was then.
type Found = (Micros, Option<(Epoch, View)>);

/// The convictions of the chain, and what nodes have found.
#[derive(Default)]
pub(super) struct CarriedNotices {
    /// Where each charge is carried.
    carried: BTreeMap<Charge, Height>,
    /// By charge and finder.
    found: BTreeMap<(Charge, usize), Found>,
    places: BTreeMap<usize, (Epoch, View)>,
    healed_at: Option<Micros>,
}

impl CarriedNotices {
    fn carries(&mut self, world: &World, height: Height, evidence: &Evidence) -> Result<(), String> {
        let charge = evidence.charge();
        if let Some(other) = self.carried.insert(charge, height).filter(|other| *other != height) {
            return Err(format!("blocks {other} and {height} both convict of {charge:?}"));
        }
        let Some(of) = world.at(charge.epoch) else {
            return Err(format!("block {height} convicts in an epoch that nobody has entered: {charge:?}"));
        };
        if of.node_of(charge.epoch, charge.signer).is_some_and(|node| of.is_correct(node)) {
            return Err(format!(
                "block {height} convicts member {}, which is correct: {evidence:?}",
                charge.signer
            ));
        }
        match convicts(&of, evidence) {
            true => Ok(()),
            false => Err(format!("block {height} convicts by what proves nothing: {evidence:?}")),
        }
    }

    /// What a block in this view settles. Within an epoch, the views show how long it took.
    fn settle(&mut self, world: &World, charge: &Charge, epoch: Epoch, view: View) -> Result<(), String> {
        let mut late = None;
        self.found.retain(|(of, node), (_, place)| {
            if of == charge
                && let Some((in_epoch, since)) = *place
                && in_epoch == epoch
                && self.healed_at.is_some()
                && view.0 > since.0 + VIEWS_EACH * world.standing.len() as u64
            {
                late = Some((*node, since));
            }
            of != charge
        });
        late.map_or(Ok(()), |(node, since)| {
            Err(format!("node {node} had {charge:?} since view {since}; a block of view {view} carries it"))
        })
    }
}

impl Checker for CarriedNotices {
    fn name(&self) -> &'static str {
        "carried notices"
    }

    fn see(&mut self, world: &World, at: Micros, node: usize, seen: &Seen<'_>) -> Result<(), String> {
        match seen {
            Seen::Committed { bodies, .. } => {
                for body in *bodies {
                    let header = &body.block.header;
                    for notice in &body.block.notices {
                        let Notice::Evidence(evidence) = notice else { continue };
                        self.carries(world, header.height, evidence)?;
                        self.settle(world, &evidence.charge(), header.epoch, header.view)?;
                    }
                }
            }
            Seen::Convicted { evidence } if world.is_correct(node) => {
                let charge = evidence.charge();
                if !self.carried.contains_key(&charge) {
                    let place = self.places.get(&node).copied();
                    self.found.entry((charge, node)).or_insert((at, place));
                }
            }
            // It may not have been durable yet, and the disk need not be the one of before.
            Seen::Stopped => self.found.retain(|(_, finder), _| *finder != node),
            Seen::Stepped { driver } => {
                self.places.insert(node, (driver.engine().epoch(), driver.engine().view()));
            }
            _ => {}
        }
        Ok(())
    }

    fn healed(&mut self, _: &World, at: Micros, _: Micros) {
        self.healed_at = Some(at);
        for ((_, node), (since, place)) in &mut self.found {
            (*since, *place) = (at, self.places.get(node).copied());
        }
    }

    fn finished(&mut self, world: &World, at: Micros) -> Result<(), String> {
        let newest = self.places.values().map(|(epoch, _)| epoch.0).max().unwrap_or(1);
        let owed = |charge: &Charge, node: usize, since: Micros| {
            world.is_correct(node) && since.after(LAG) <= at && charge.epoch.0 + 8 > newest
        };
        match self.found.iter().find(|((charge, node), (since, _))| owed(charge, *node, *since)) {
            Some(((charge, node), (since, _))) => Err(format!(
                "node {node} has {charge:?} since {} ms, and no block carries it",
                since.0 / 1_000
            )),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use althing_consensus::{Phase, notices_root};
    use althing_node::body::Body;

    use super::super::testing::{Bench, block, found};
    use super::*;
    use crate::sim::world::Standing;

    fn bench() -> (Bench, Evidence) {
        let mut bench = Bench::new();
        bench.world.standing[3] = Standing::Byzantine;
        let vote = |name| bench.vote(Phase::Vote, 3, 5, block(name));
        let evidence = Evidence::Votes(vote("a"), vote("b"));
        (bench, evidence)
    }

    fn carrying(bench: &Bench, parent: Option<&Body>, evidence: &Evidence) -> Arc<Body> {
        let mut body = (*bench.body(parent, &[])).clone();
        body.block.notices = vec![Notice::Evidence(evidence.clone())];
        body.block.header.evidence_root = notices_root(&body.block.notices);
        Arc::new(body)
    }

    #[test]
    fn the_guilty_are_convicted_once() {
        let (bench, evidence) = bench();
        let mut checker = CarriedNotices::default();
        let one = carrying(&bench, None, &evidence);
        for node in 0..2 {
            bench.commits(&mut checker, node, std::slice::from_ref(&one)).expect("the same block");
        }
        let two = carrying(&bench, Some(&one), &evidence);
        found(bench.commits(&mut checker, 0, &[two]), &["blocks 1 and 2", "DoubleVote"]);
    }

    #[test]
    fn the_innocent_are_not_and_what_proves_nothing_does_not() {
        let (mut bench, evidence) = bench();
        let Evidence::Votes(first, _) = &evidence else { unreachable!() };
        let nothing = Evidence::Votes(first.clone(), first.clone());
        let body = carrying(&bench, None, &nothing);
        found(bench.commits(&mut CarriedNotices::default(), 0, &[body]), &["proves nothing"]);
        bench.world.standing[3] = Standing::Correct;
        let body = carrying(&bench, None, &evidence);
        found(bench.commits(&mut CarriedNotices::default(), 0, &[body]), &["member 3", "correct"]);
    }

    #[test]
    fn what_is_found_is_carried_before_long() {
        let (bench, evidence) = bench();
        let mut checker = CarriedNotices::default();
        bench.see(&mut checker, 1, &Seen::Convicted { evidence: &evidence }).expect("found");
        checker.finished(&bench.world, Micros::from_millis(14_999)).expect("on its way");
        found(checker.finished(&bench.world, LAG), &["node 1", "no block carries it"]);
        bench.commits(&mut checker, 0, &[carrying(&bench, None, &evidence)]).expect("carried");
        checker.finished(&bench.world, LAG).expect("done");
    }
}
