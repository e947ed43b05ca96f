//! No transaction is committed twice, and none is lost that a client was told is admitted.
//!
//! V5 forbids a second time only above the height that the block vouches for; below it the application refuses what was executed. So a
//! leader that is Byzantine, or whose disk forgot, may carry an old transaction again, to no effect; a correct one never does.

use std::collections::BTreeMap;

use althing_consensus::{Header, Height, Micros};
use althing_crypto::TxHash;
use althing_node::body::Body;

use super::chain::Chain;
use super::election::{absent_on, leader};
use super::work::Owed;
use super::{Checker, Seen};
use crate::sim::world::World;

/// Where every transaction is, and who owes which to a client.
#[derive(Default)]
pub(super) struct Transactions {
    chain: Chain,
    /// The newest committed header.
    head: Option<Header>,
    /// All of the chain, at 40 bytes each: one may come again at any time.
    committed: BTreeMap<TxHash, Height>,
    owed: Owed,
}

impl Transactions {
    fn block(&mut self, world: &World, body: &Body) -> Result<(), String> {
        let header = &body.block.header;
        let (height, view, vouched) = (header.height, header.view, header.vouched.height);
        let by = leader(world, view, absent_on(self.head.as_ref()));
        for tx in &body.block.txs {
            if let Some(first) = self.committed.insert(*tx, height)
                && (first > vouched || world.is_correct(by.0.into()))
            {
                return Err(format!(
                    "transaction {tx} is in block {first} and again in block {height} of view {view}, made by member {by}, \
                     that vouches for height {vouched}"
                ));
            }
            self.owed.committed(tx);
        }
        self.head = Some(header.clone());
        Ok(())
    }
}

impl Checker for Transactions {
    fn name(&self) -> &'static str {
        "transactions"
    }

    fn see(&mut self, world: &World, _: Micros, node: usize, seen: &Seen<'_>) -> Result<(), String> {
        match seen {
            Seen::Committed { .. } => {
                for body in self.chain.grow(seen) {
                    self.block(world, body)?;
                }
            }
            Seen::Acknowledged { tx } if !self.committed.contains_key(tx) => {
                self.owed.acknowledged(node, *tx)
            }
            _ => self.owed.see(node, seen),
        }
        Ok(())
    }

    fn finished(&mut self, world: &World, _: Micros) -> Result<(), String> {
        let Some((node, owed, first)) = self.owed.debtor(world) else { return Ok(()) };
        Err(format!(
            "node {node} acknowledged {owed} transactions that are in no block, {first} among them, and not all of them wait for \
             an earlier one of their sender"
        ))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::testing::{Bench, found};
    use super::*;
    use crate::sim::world::Standing;

    fn tx(name: &str) -> TxHash {
        TxHash::of(name.as_bytes())
    }

    /// A chain of blocks that carry these, the last one vouching for so much.
    fn chain(bench: &Bench, carried: &[&[&str]], vouched: u64) -> Vec<Arc<Body>> {
        let mut bodies: Vec<Arc<Body>> = Vec::new();
        for (index, txs) in carried.iter().enumerate() {
            let parent = bodies.last().cloned();
            let last = index + 1 == carried.len();
            let body = bench.body_in(parent.as_deref(), index as u64 + 1, txs, |header| {
                if last {
                    header.vouched.height = Height(vouched);
                }
            });
            bodies.push(body);
        }
        bodies
    }

    fn finished(bench: &Bench, seen: &[Seen<'_>], committed: &[&[&str]]) -> Result<(), String> {
        let mut checker = Transactions::default();
        for one in seen {
            bench.see(&mut checker, 1, one)?;
        }
        if !committed.is_empty() {
            bench.commits(&mut checker, 0, &chain(bench, committed, 0))?;
        }
        checker.finished(&bench.world, Micros(0))
    }

    #[test]
    fn each_once_passes_on_every_node() {
        let (bench, mut checker) = (Bench::new(), Transactions::default());
        let bodies = chain(&bench, &[&["a", "b"], &[], &["c"]], 0);
        for node in 0..3 {
            bench.commits(&mut checker, node, &bodies).expect("each once");
        }
    }

    #[test]
    fn twice_in_one_block_or_above_what_is_vouched_for_is_found_whoever_leads() {
        let mut bench = Bench::new();
        for standing in [Standing::Correct, Standing::Byzantine] {
            bench.world.standing = vec![standing; 4];
            for carried in [&[&["a", "a"][..]][..], &[&["a"], &[], &["a"]]] {
                let bodies = chain(&bench, carried, 0);
                found(
                    bench.commits(&mut Transactions::default(), 0, &bodies),
                    &["is in block 1", "again in block"],
                );
            }
        }
    }

    #[test]
    fn an_executed_one_again_is_found_if_a_correct_member_leads() {
        let mut bench = Bench::new();
        let bodies = chain(&bench, &[&["a"], &[], &["a"]], 1);
        found(bench.commits(&mut Transactions::default(), 0, &bodies), &["block 1", "block 3", "height 1"]);
        let by = leader(&bench.world, althing_consensus::View(3), &[]);
        bench.world.standing[usize::from(by.0)] = Standing::Byzantine;
        bench.commits(&mut Transactions::default(), 0, &bodies).expect("the application refuses it");
    }

    #[test]
    fn what_was_acknowledged_is_committed_dropped_or_lost_with_its_node() {
        let bench = Bench::new();
        let acknowledged = || Seen::Acknowledged { tx: tx("a") };
        finished(&bench, &[acknowledged()], &[&["a"]]).expect("committed");
        finished(&bench, &[acknowledged(), Seen::Dropped { tx: tx("a") }], &[]).expect("dropped");
        finished(&bench, &[acknowledged(), Seen::Stopped], &[]).expect("lost with its node");
        found(finished(&bench, &[acknowledged()], &[&["b"]]), &["node 1", "1 transactions", "in no block"]);
        found(
            finished(&bench, &[acknowledged(), Seen::Dropped { tx: tx("b") }], &[]),
            &["node 1", &tx("a").to_string()],
        );
    }

    #[test]
    fn an_answer_that_comes_after_the_commit_owes_nothing() {
        let (bench, mut checker) = (Bench::new(), Transactions::default());
        bench.commits(&mut checker, 0, &chain(&bench, &[&["a"]], 0)).expect("once");
        bench.see(&mut checker, 1, &Seen::Acknowledged { tx: tx("a") }).expect("told");
        checker.finished(&bench.world, Micros(0)).expect("it is committed");
    }
}
