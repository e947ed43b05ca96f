//! No transaction is committed twice, and none is lost that a client was told is admitted.
//!
//! V5 forbids a second time only above the height that the block vouches for; below it the application refuses what was executed. So a
//! leader that is Byzantine, or whose disk forgot, may carry an old transaction again, to no effect; a correct one never does.

use std::collections::BTreeMap;

use althing_consensus::{Header, Height, Micros};
use althing_crypto::TxHash;
use althing_ledger::asset::Address;
use althing_mempool::{Code, Refusal, Status};
use althing_node::body::Body;

use super::chain::Chain;
use super::election::{absent_on, leader};
use super::{Checker, Seen};
use crate::sim::load::Place;
use crate::sim::world::World;

/// Where every transaction is, and who owes which to a client.
#[derive(Default)]
pub(super) struct Transactions {
    chain: Chain,
    /// The newest committed header.
    head: Option<Header>,
    /// All of the chain, at 40 bytes each: one may come again at any time.
    committed: BTreeMap<TxHash, Height>,
    /// The sequence that each sender comes to next, if it has come to any.
    next: BTreeMap<Address, u64>,
    /// What each node told a client that it has, and has not taken back: a node that ends forgets it.
    owed: BTreeMap<usize, BTreeMap<TxHash, Option<Place>>>,
}

impl Transactions {
    fn block(&mut self, world: &World, body: &Body) -> Result<(), String> {
        let header = &body.block.header;
        let (height, view, vouched) = (header.height, header.view, header.vouched.height);
        let Some(world) = &world.at(header.epoch) else {
            return Err(format!("block {height} is of epoch {}, which nobody has entered", header.epoch));
        };
        let by = leader(world, view, absent_on(self.head.as_ref().filter(|head| head.epoch == header.epoch)));
        let correct = world.node_of(world.epoch, by).is_some_and(|node| world.is_correct(node));
        for tx in &body.block.txs {
            if let Some(first) = self.committed.insert(*tx, height)
                && (first > vouched || correct)
            {
                return Err(format!(
                    "transaction {tx} is in block {first} and again in block {height} of view {view}, made by member {by}, \
                     that vouches for height {vouched}"
                ));
            }
        }
        for place in body.txs.iter().filter_map(|tx| Place::of(tx)) {
            let next = self.next.entry(place.sender).or_default();
            // Out of turn, or too late, it changes nothing.
            if place.sequence == *next && (place.expiry == 0 || height.0 <= place.expiry) {
                *next += 1;
            }
        }
        self.head = Some(header.clone());
        Ok(())
    }
}

impl Transactions {
    /// What a node still owes at the end has expired, or waits for an earlier one of its sender that no block holds, or another one has
    /// its place.
    fn settle(&self, node: usize, status: &dyn Fn(&TxHash) -> Status) -> Result<(), String> {
        let owed = self.owed.get(&node).into_iter().flatten();
        for (tx, place) in owed.filter(|(tx, _)| !self.committed.contains_key(tx)) {
            let status = status(tx);
            let excused = place.is_some_and(|place| {
                let next = self.next.get(&place.sender).copied().unwrap_or_default();
                let waits = matches!(status, Status::Held { missing } if next <= missing);
                let expired = place.expiry != 0 && place.expiry <= self.chain.height.0;
                place.sequence < next || expired || (waits && next < place.sequence)
            });
            if !excused {
                return Err(format!(
                    "node {node} acknowledged transaction {tx}, {place:?}, which is in no block; the node says of it: {status:?}"
                ));
            }
        }
        Ok(())
    }
}

/// Whether what was admitted may be given up for this reason: it waited for an earlier one for too long, or without room. Whether it
/// has expired, or its place is taken, is seen at the end.
fn may_be_dropped(place: Place, refusal: &Refusal) -> bool {
    place.sequence > 0 && matches!(refusal.own_code(), Some(Code::HeldTooLong | Code::HeldFull))
}

impl Checker for Transactions {
    fn name(&self) -> &'static str {
        "transactions"
    }

    fn see(&mut self, world: &World, _: Micros, node: usize, seen: &Seen<'_>) -> Result<(), String> {
        match seen {
            Seen::Committed { .. } => {
                for body in self.chain.grow(seen) {
                    self.block(world, &body)?;
                }
            }
            Seen::Acknowledged { tx, place } => {
                self.owed.entry(node).or_default().insert(*tx, *place);
            }
            Seen::Dropped { tx, refusal } => {
                let place = self.owed.get(&node).and_then(|owed| *owed.get(tx)?);
                // Only a change of the parameters makes what was admitted too large.
                let shrunk = world.sets.len() > 1 && refusal.own_code() == Some(Code::TooLarge);
                if shrunk || place.is_some_and(|place| may_be_dropped(place, refusal)) {
                    self.owed.entry(node).or_default().remove(tx);
                }
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

    /// What the checker says of node 1 at the end: it has seen this, the sender has come to `next`, and its pool says that of every
    /// transaction.
    fn rested(seen: &[Seen<'_>], next: u64, says: Status) -> Result<(), String> {
        let (bench, mut checker) = (Bench::new(), Transactions::default());
        checker.chain.height = Height(10);
        for one in seen {
            bench.see(&mut checker, 1, one)?;
        }
        checker.next.insert(place(0).sender, next);
        bench.see(&mut checker, 1, &Seen::Rested { status: &|_| says.clone() })
    }

    fn place(sequence: u64) -> Place {
        Place { sender: Address::from_bytes([7; 20]), sequence, expiry: 11 }
    }

    fn acknowledged() -> Seen<'static> {
        Seen::Acknowledged { tx: tx("a"), place: Some(place(2)) }
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
        rested(&[acknowledged(), Seen::Stopped], 0, Status::Unknown).expect("lost with its node");
        for says in [Status::Unknown, Status::Ready, Status::Checking, Status::Held { missing: 2 }] {
            found(rested(&[acknowledged()], 2, says), &["node 1", &tx("a").to_string(), "in no block"]);
        }
        rested(&[acknowledged()], 3, Status::Unknown).expect("another one has its place");
        let expired = Seen::Acknowledged { tx: tx("a"), place: Some(Place { expiry: 10, ..place(2) }) };
        rested(&[expired], 2, Status::Unknown).expect("too late");
        let (bench, mut checker) = (Bench::new(), Transactions::default());
        bench.see(&mut checker, 1, &acknowledged()).expect("told");
        bench.commits(&mut checker, 0, &chain(&bench, &[&["a"]], 0)).expect("once");
        let says = |_: &TxHash| Status::Unknown;
        bench.see(&mut checker, 1, &Seen::Rested { status: &says }).expect("committed");
    }

    #[test]
    fn it_is_dropped_for_a_good_reason_only() {
        let dropped = |code: Code, name: &str, place: Place| {
            let refusal = &Refusal {
                code: code as u32,
                codespace: althing_mempool::CODESPACE.into(),
                log: "no".into(),
            };
            let seen = [
                Seen::Acknowledged { tx: tx("a"), place: Some(place) },
                Seen::Dropped { tx: tx(name), refusal },
            ];
            rested(&seen, place.sequence, Status::Unknown)
        };
        for code in [Code::HeldTooLong, Code::HeldFull] {
            dropped(code, "a", place(2)).expect("a good reason");
            found(dropped(code, "b", place(2)), &["node 1"]);
        }
        found(dropped(Code::Expired, "a", place(2)), &["in no block"]);
        found(dropped(Code::Expired, "a", Place { expiry: 0, ..place(2) }), &["in no block"]);
        found(dropped(Code::HeldFull, "a", place(0)), &["in no block"]);
        for code in [Code::Full, Code::SequenceUsed, Code::Busy, Code::Empty] {
            found(dropped(code, "a", place(2)), &["node 1", "in no block"]);
        }
    }

    #[test]
    fn what_waits_for_an_earlier_one_is_excused_until_that_is_committed() {
        let says = Status::Held { missing: 1 };
        rested(&[acknowledged()], 1, says.clone()).expect("it waits");
        found(rested(&[acknowledged()], 2, says), &[&tx("a").to_string(), "Held"]);
    }
}
