//! What is left to do, as far as it is known from outside (W1).

use std::collections::{BTreeMap, BTreeSet};

use althing_consensus::{Epoch, Height};
use althing_crypto::TxHash;

use super::Seen;
use super::chain::Chain;
use crate::sim::world::World;

/// Transactions acknowledged and in no committed block, by the node that said so.
#[derive(Default)]
pub(super) struct Owed {
    owed: BTreeMap<usize, BTreeSet<TxHash>>,
    /// How many pending transactions of a node wait for an earlier one of their sender: none of them can be committed.
    held: BTreeMap<usize, usize>,
}

impl Owed {
    pub(super) fn acknowledged(&mut self, node: usize, tx: TxHash) {
        self.owed.entry(node).or_default().insert(tx);
    }

    pub(super) fn committed(&mut self, tx: &TxHash) {
        for owed in self.owed.values_mut() {
            owed.remove(tx);
        }
    }

    /// Whatever else ends or changes what a node owes.
    pub(super) fn see(&mut self, node: usize, seen: &Seen<'_>) {
        match seen {
            Seen::Dropped { tx, .. } => {
                self.owed.entry(node).or_default().remove(tx);
            }
            Seen::Stopped => drop(self.owed.remove(&node)),
            Seen::Stepped { driver } => drop(self.held.insert(node, driver.mempool().held())),
            _ => {}
        }
    }

    /// A correct node that owes more than what waits for an earlier transaction: how many, and one of them.
    pub(super) fn debtor(&self, world: &World) -> Option<(usize, usize, TxHash)> {
        let mut correct = self.owed.iter().filter(|(node, _)| world.is_correct(**node));
        let (node, owed) =
            correct.find(|(node, owed)| owed.len() > self.held.get(*node).copied().unwrap_or_default())?;
        owed.first().map(|first| (*node, owed.len(), *first))
    }
}

/// The work of the whole chain.
#[derive(Default)]
pub(super) struct Work {
    pub(super) chain: Chain,
    owed: Owed,
    /// Notices that wait for a block, by node.
    notices: BTreeMap<usize, usize>,
    /// The newest block with transactions or notices.
    pub(super) newest_txs: Height,
    /// What the newest header vouches for.
    pub(super) vouched: Height,
    /// Transactions of the newest blocks: an answer may come after the commit.
    committed: BTreeSet<TxHash>,
}

impl Work {
    /// Takes it in. Whether the chain has grown, by blocks with transactions or by empty ones.
    pub(super) fn see(&mut self, node: usize, seen: &Seen<'_>) -> Option<Grown> {
        if let Seen::Acknowledged { tx, .. } = seen
            && !self.committed.contains(tx)
        {
            self.owed.acknowledged(node, *tx);
        }
        self.owed.see(node, seen);
        match seen {
            Seen::Stepped { driver } => drop(self.notices.insert(node, driver.pending_notices().count())),
            Seen::Stopped => drop(self.notices.remove(&node)),
            _ => {}
        }
        let fresh = self.chain.grow(seen);
        let newest = &fresh.last()?.block.header;
        self.vouched = newest.vouched.height;
        let mut grown = Grown { epoch: newest.epoch, view: newest.view.0, with_txs: false };
        for block in fresh.iter().map(|body| &body.block) {
            if !block.notices.is_empty() {
                grown.with_txs = true;
                self.newest_txs = block.header.height;
            }
            for tx in &block.txs {
                grown.with_txs = true;
                self.newest_txs = block.header.height;
                self.owed.committed(tx);
                self.committed.insert(*tx);
            }
        }
        Some(grown)
    }

    /// Whether something is left to do: an acknowledged transaction, a notice, a closing block, the first block.
    pub(super) fn is_due(&self, world: &World) -> bool {
        let noticed = self.notices.iter().any(|(node, count)| *count > 0 && world.is_correct(*node));
        noticed
            || self.chain.height == Height(0)
            || self.newest_txs > self.vouched
            || self.owed.debtor(world).is_some()
    }
}

/// How the chain has grown: whether by something to be executed, transactions or notices.
pub(super) struct Grown {
    /// The newest block's view.
    pub(super) view: u64,
    pub(super) epoch: Epoch,
    pub(super) with_txs: bool,
}

#[cfg(test)]
mod tests {
    use althing_mempool::Refusal;

    use super::super::testing::Bench;
    use super::*;

    #[test]
    fn a_transaction_is_work_until_a_block_vouches_for_its_own() {
        let (bench, mut work) = (Bench::new(), Work::default());
        let see = |work: &mut Work, seen: Seen<'_>| {
            work.see(0, &seen);
        };
        assert!(work.is_due(&bench.world), "the first block");
        let one = bench.body(None, &[]);
        let two = bench.body(Some(&one), &["a"]);
        let three = bench.body_in(Some(&two), 3, &[], |header| header.vouched.height = Height(2));
        let certificate = bench.qc(althing_consensus::Phase::Commit, 1, one.block.hash(), &[0, 1, 2]);
        let commit = |work: &mut Work, body| {
            see(work, Seen::Committed { bodies: std::slice::from_ref(body), certificate: &certificate });
        };
        commit(&mut work, &one);
        assert!(!work.is_due(&bench.world), "at rest");
        see(&mut work, Seen::Acknowledged { tx: TxHash::of(b"a"), place: None });
        assert!(work.is_due(&bench.world), "a transaction");
        commit(&mut work, &two);
        assert!(work.is_due(&bench.world), "a closing block");
        commit(&mut work, &three);
        assert!(!work.is_due(&bench.world), "at rest again");
        see(&mut work, Seen::Acknowledged { tx: TxHash::of(b"a"), place: None });
        assert!(!work.is_due(&bench.world), "an answer that came late");
    }

    #[test]
    fn what_is_lost_with_its_node_or_dropped_is_none() {
        let (bench, mut work) = (Bench::new(), Work::default());
        let refusal = &Refusal { code: 1, codespace: "test".into(), log: "no".into() };
        work.chain.height = Height(1);
        for end in [Seen::Stopped, Seen::Dropped { tx: TxHash::of(b"a"), refusal }] {
            work.see(2, &Seen::Acknowledged { tx: TxHash::of(b"a"), place: None });
            assert!(work.is_due(&bench.world));
            work.see(1, &end);
            assert!(work.is_due(&bench.world), "another node's");
            work.see(2, &end);
            assert!(!work.is_due(&bench.world));
        }
    }
}
