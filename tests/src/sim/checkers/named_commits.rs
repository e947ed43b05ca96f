//! Who gave a view up knew what was committed before: every timeout certificate of a view at or after that of a commit certificate
//! names a certificate of at least that view. It is what the proof of safety stands on (S5, S6).

use std::collections::{BTreeMap, BTreeSet};

use althing_consensus::{Epoch, Micros, View};

use super::carried::{Carried, vouched_for};
use super::{Checker, Seen};
use crate::sim::world::World;

/// Both kinds may turn up late, so both are kept: numbers only.
#[derive(Default)]
pub(super) struct NamedCommits {
    /// Views of commit certificates.
    committed: BTreeSet<(Epoch, View)>,
    /// By view given up: the lowest view that such a certificate has as its highest.
    given_up: BTreeMap<(Epoch, View), View>,
}

impl NamedCommits {
    fn take(&mut self, node: usize, carried: Carried<'_>) -> Result<(), String> {
        let contradiction = match carried {
            Carried::Quorum(qc) if qc.is_commit() && self.committed.insert((qc.epoch, qc.view)) => {
                let above = self.given_up.range((qc.epoch, qc.view)..(Epoch(qc.epoch.0 + 1), View(0)));
                above
                    .filter(|(_, named)| **named < qc.view)
                    .map(|((_, tc), named)| (*tc, *named, qc.view))
                    .next()
            }
            Carried::Quorum(_) => None,
            Carried::Timeout(tc) => {
                let named = tc.high_views.iter().copied().max().unwrap_or_default();
                let lowest = self.given_up.entry((tc.epoch, tc.view)).or_insert(named);
                *lowest = named.min(*lowest);
                let until = (tc.epoch, View(0))..=(tc.epoch, tc.view);
                let committed = self.committed.range(until).next_back().map(|(_, view)| *view);
                committed.filter(|committed| named < *committed).map(|committed| (tc.view, named, committed))
            }
        };
        let Some((tc, named, committed)) = contradiction else { return Ok(()) };
        Err(format!(
            "node {node} shows it: the timeout certificate of view {tc} names view {named} at most, and there is a commit \
             certificate of view {committed}"
        ))
    }
}

impl Checker for NamedCommits {
    fn name(&self) -> &'static str {
        "named commits"
    }

    fn see(&mut self, _: &World, _: Micros, node: usize, seen: &Seen<'_>) -> Result<(), String> {
        vouched_for(seen, &mut |carried| self.take(node, carried))
    }
}

#[cfg(test)]
mod tests {
    use althing_consensus::Phase;

    use super::super::testing::{Bench, block, found, shows, shows_tc};
    use super::*;

    #[test]
    fn a_view_given_up_before_the_commit_or_with_it_in_hand_passes() {
        let (bench, mut checker) = (Bench::new(), NamedCommits::default());
        let qc = bench.qc(Phase::Vote, 4, block("a"), &[0, 1, 2]);
        let commit = bench.qc(Phase::Commit, 4, block("a"), &[0, 1, 2]);
        for message in [
            shows_tc(bench.tc(3, &[(0, None), (1, None), (2, None)])),
            shows(commit),
            shows_tc(bench.tc(5, &[(0, None), (1, None), (3, Some(qc.clone()))])),
            shows_tc(bench.tc(4, &[(0, None), (1, None), (3, Some(qc))])),
        ] {
            bench.sends(&mut checker, 0, &message).expect("consistent");
        }
    }

    #[test]
    fn a_timeout_certificate_without_the_commit_is_found_in_either_order() {
        let bench = Bench::new();
        let old = bench.qc(Phase::Vote, 2, block("old"), &[0, 1, 2]);
        let commit = shows(bench.qc(Phase::Commit, 4, block("a"), &[0, 1, 2]));
        let tc = shows_tc(bench.tc(6, &[(0, Some(old)), (1, None), (2, None)]));
        for [first, second] in [[&commit, &tc], [&tc, &commit]] {
            let mut checker = NamedCommits::default();
            bench.sends(&mut checker, 0, first).expect("alone it is fine");
            found(bench.sends(&mut checker, 1, second), &["node 1", "view 6", "view 2", "view 4"]);
        }
    }
}
