//! No transaction is committed twice, and none is lost that a client was told is admitted.
//!
//! V5 forbids a second time only above the height that the block vouches for; below it the application refuses what was executed. So a
//! leader that is Byzantine, or whose disk forgot, may carry an old transaction again, to no effect; a correct one never does.

use std::collections::{BTreeMap, BTreeSet};

use althing_consensus::{Header, Height, Micros};
use althing_crypto::TxHash;
use althing_mempool::{Code, Refusal, Status};
use althing_node::body::Body;

use super::chain::Chain;
use super::election::{absent_on, leader};
use super::{Checker, Seen};
use crate::sim::load;
use crate::sim::world::World;

/// Where every transaction is, and who owes which to a client.
#[derive(Default)]
pub(super) struct Transactions {
    chain: Chain,
    /// The newest committed header.
    head: Option<Header>,
    /// All of the chain, at 40 bytes each: one may come again at any time.
    committed: BTreeMap<TxHash, Height>,
    /// What each node told a client that it has, and has not taken back: a node that ends forgets it.
    owed: BTreeMap<usize, BTreeSet<TxHash>>,
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
        }
        self.head = Some(header.clone());
        Ok(())
    }
}

impl Transactions {
    /// What a node still owes at the end waits for an earlier one of its sender that no block holds: whoever owes that one answers for it.
    fn settle(&self, node: usize, status: &dyn Fn(&TxHash) -> Status) -> Result<(), String> {
        let owed = self.owed.get(&node).into_iter().flatten();
        for tx in owed.filter(|tx| !self.committed.contains_key(tx)) {
            let status = status(tx);
            let earlier = match &status {
                Status::Held { missing } => load::of_the_same_account(tx, *missing),
                _ => None,
            };
            match earlier {
                Some(earlier) if !self.committed.contains_key(&earlier) => {}
                _ => {
                    return Err(format!(
                        "node {node} acknowledged transaction {tx}, which is in no block; the node says of it: {status:?}"
                    ));
                }
            }
        }
        Ok(())
    }
}

/// Reasons to give up what was admitted that are nobody's fault but the sender's, or for want of room.
fn may_be_dropped(refusal: &Refusal) -> bool {
    matches!(refusal.own_code(), Some(Code::Expired | Code::HeldTooLong | Code::HeldFull))
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
            Seen::Acknowledged { tx } => {
                self.owed.entry(node).or_default().insert(*tx);
            }
            Seen::Dropped { tx, refusal } if may_be_dropped(refusal) => {
                self.owed.entry(node).or_default().remove(tx);
            }
            Seen::Stopped => drop(self.owed.remove(&node)),
            Seen::Rested { status } if world.is_correct(node) => self.settle(node, status)?,
            _ => {}
        }
        Ok(())
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

    /// What the checker says of node 1 at the end: it has seen this, these are committed, and its pool says that of every transaction.
    fn rested(seen: &[Seen<'_>], committed: &[TxHash], says: Status) -> Result<(), String> {
        let (bench, mut checker) = (Bench::new(), Transactions::default());
        for one in seen {
            bench.see(&mut checker, 1, one)?;
        }
        checker.committed.extend(committed.iter().map(|tx| (*tx, Height(1))));
        bench.see(&mut checker, 1, &Seen::Rested { status: &|_| says.clone() })
    }

    fn refusal(code: Code) -> Refusal {
        Refusal { code: code as u32, codespace: althing_mempool::CODESPACE.into(), log: "no".into() }
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
    fn what_was_acknowledged_is_committed_or_lost_with_its_node() {
        let acknowledged = || Seen::Acknowledged { tx: tx("a") };
        rested(&[acknowledged()], &[tx("a")], Status::Unknown).expect("committed");
        rested(&[acknowledged(), Seen::Stopped], &[], Status::Unknown).expect("lost with its node");
        for says in [Status::Unknown, Status::Ready, Status::Checking, Status::Held { missing: 0 }] {
            found(
                rested(&[acknowledged()], &[tx("b")], says),
                &["node 1", &tx("a").to_string(), "in no block"],
            );
        }
    }

    #[test]
    fn it_is_dropped_for_a_good_reason_only() {
        let dropped = |code, name: &str| {
            let (tx, refusal) = (tx(name), &refusal(code));
            rested(
                &[Seen::Acknowledged { tx: self::tx("a") }, Seen::Dropped { tx, refusal }],
                &[],
                Status::Unknown,
            )
        };
        for code in [Code::Expired, Code::HeldTooLong, Code::HeldFull] {
            dropped(code, "a").expect("a good reason");
            found(dropped(code, "b"), &["node 1"]);
        }
        for code in Code::ALL.into_iter().filter(|code| !may_be_dropped(&refusal(*code))) {
            found(dropped(code, "a"), &["node 1", "in no block"]);
        }
    }

    #[test]
    fn what_waits_for_an_earlier_one_is_excused_until_that_is_committed() {
        let mut load = load::Load::default();
        let all: Vec<TxHash> = (0..45).map(|_| TxHash::of(&load.transfer())).collect();
        // Twenty accounts take turns.
        let (first, third) = (all[4], all[44]);
        let says = Status::Held { missing: 0 };
        rested(&[Seen::Acknowledged { tx: third }], &[], says.clone()).expect("it waits");
        found(rested(&[Seen::Acknowledged { tx: third }], &[first], says), &[&third.to_string(), "Held"]);
    }
}
