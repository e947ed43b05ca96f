//! A view certifies one block at most: every two certificates of one view are for one block, votes and commit votes alike.

use std::collections::BTreeMap;

use althing_consensus::{Epoch, Micros, View};
use althing_crypto::BlockHash;

use super::carried::{Carried, vouched_for};
use super::{Checker, Seen};
use crate::sim::world::World;

/// What each view certified. A certificate may turn up again at any time, in the record of a node that was down for long, so none
/// is forgotten: 60 bytes a view.
#[derive(Default)]
pub(super) struct CertifiedOnce(BTreeMap<(Epoch, View), BlockHash>);

impl Checker for CertifiedOnce {
    fn name(&self) -> &'static str {
        "certified once"
    }

    fn see(&mut self, _: &World, _: Micros, node: usize, seen: &Seen<'_>) -> Result<(), String> {
        vouched_for(seen, &mut |carried| {
            let Carried::Quorum(qc) = carried else { return Ok(()) };
            let held = *self.0.entry((qc.epoch, qc.view)).or_insert(qc.block);
            if held == qc.block {
                return Ok(());
            }
            let (phase, view, block) = (qc.phase, qc.view, qc.block);
            Err(format!(
                "node {node} shows a {phase:?} certificate of view {view} for {block}, which certified {held}"
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use althing_consensus::{Message, Phase};

    use super::super::testing::{Bench, block, found, shows, shows_tc};
    use super::*;

    #[test]
    fn one_block_a_view_passes() {
        let (bench, mut checker) = (Bench::new(), CertifiedOnce::default());
        for (view, phase, signers) in
            [(1, Phase::Vote, [0, 1, 2]), (1, Phase::Commit, [1, 2, 3]), (2, Phase::Vote, [0, 1, 3])]
        {
            let qc = bench.qc(phase, view, block(&format!("view {view}")), &signers);
            bench.sends(&mut checker, 0, &shows(qc)).expect("one block a view");
        }
    }

    #[test]
    fn two_blocks_of_one_view_are_found_wherever_they_hide() {
        let bench = Bench::new();
        let first = bench.qc(Phase::Vote, 3, block("a"), &[0, 1, 2]);
        let second = bench.qc(Phase::Commit, 3, block("b"), &[1, 2, 3]);
        let tc = bench.tc(5, &[(0, Some(second.clone())), (1, None), (2, None)]);
        let body = bench.body_in(None, 6, &[], |_| {});
        let hiding = [
            shows(second.clone()),
            shows_tc(tc.clone()),
            Message::Timeout(Box::new(bench.timeout(1, 6, Some(second.clone())))),
            Message::Proposal(Box::new(bench.proposal(1, &body, Some(second), None))),
            Message::Proposal(Box::new(bench.proposal(1, &body, Some(first.clone()), Some(tc)))),
        ];
        for message in hiding {
            let mut checker = CertifiedOnce::default();
            bench.sends(&mut checker, 0, &shows(first.clone())).expect("the first");
            found(bench.sends(&mut checker, 2, &message), &["node 2", "view 3"]);
        }
    }
}
