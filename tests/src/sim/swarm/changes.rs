//! Members that come and go, powers, keys and parameters that change during a run: several at once, in blocks one after the other, and
//! some of it impossible.
//!
//! In every epoch less than a third of the power is faulty. A change that was handed in may come to count late, after others or
//! never, so all sets that can come of those under way are looked at; once all of them are executed, the chain says which one came.

use althing_consensus::{Height, Micros};
use althing_crypto::TxHash;
use althing_ledger::{ParamUpdates, ValidatorUpdate};

use super::plan::{Plan, is_below_third};
use crate::sim::application::{Change, LEAST_BLOCK_TXS};
use crate::sim::cluster::Cluster;
use crate::sim::random::Random;

/// A change is not made for members that have this many blocks still to catch up with.
const BEHIND: u64 = 20;

/// The changes of a run.
pub(super) struct Changes<'a> {
    plan: &'a Plan,
    /// The powers before the changes under way.
    settled: Vec<u64>,
    /// Those under way, with the powers after each, if it counts last.
    under_way: Vec<(TxHash, Vec<u8>, Vec<u64>)>,
    made: u64,
    next: Micros,
}

impl<'a> Changes<'a> {
    pub(super) fn new(plan: &'a Plan) -> Self {
        let (settled, next) = (plan.first_powers(), plan.change_every);
        Self { plan, settled, under_way: Vec::new(), made: 0, next }
    }

    /// What is handed in now, and when: nothing, one change, or a few for blocks one after the other.
    pub(super) fn due(
        &mut self,
        cluster: &Cluster,
        random: &mut Random,
        forgetful: &[usize],
    ) -> Vec<(Micros, Vec<u8>)> {
        if self.plan.spares == 0 || cluster.now() < self.next {
            return Vec::new();
        }
        self.next = cluster.now().after(self.plan.change_every);
        self.settle(cluster);
        let mut due: Vec<(Micros, Vec<u8>)> = self.lost(cluster).collect();
        let mut at = cluster.now();
        let several = if random.percent(30) { random.between(2, 4) } else { 1 };
        for _ in 0..several {
            due.extend(self.draw(cluster, random, forgetful).map(|tx| (at, tx)));
            at = at.after(Micros::from_millis(random.below(150)));
        }
        due
    }

    /// Whether these may be faulty beside those that always are: in every epoch so far, and whichever of the changes under way come to
    /// count, in whichever order.
    pub(super) fn are_bearable(&mut self, cluster: &Cluster, further: &[usize]) -> bool {
        self.settle(cluster);
        let faulty = self.plan.faulty_with(further);
        let mut epochs = cluster.world().powers();
        faulty.is_empty()
            || (epochs.all(|powers| is_below_third(&powers, faulty.iter().copied()))
                && is_below_third(&self.worst(&faulty), faulty.iter().copied()))
    }

    fn sets(&self) -> impl Iterator<Item = &Vec<u64>> {
        std::iter::once(&self.settled).chain(self.under_way.iter().map(|(_, _, powers)| powers))
    }

    fn worst(&self, faulty: &[usize]) -> Vec<u64> {
        let of = |member: usize| self.sets().map(move |powers| powers[member]);
        let worst = |member: usize| {
            let power = if faulty.contains(&member) { of(member).max() } else { of(member).min() };
            power.expect("the settled ones")
        };
        (0..self.settled.len()).map(worst).collect()
    }

    /// Forgets the changes under way once all are executed, as far as the newest committed header of some node vouches, and what came
    /// of them is in force there.
    fn settle(&mut self, cluster: &Cluster) {
        let height = |tx: &TxHash| {
            let mut committed = cluster.record.committed.iter().rev();
            committed.find(|one| one.txs.contains(tx)).map(|one| one.height)
        };
        let heights: Option<Vec<Height>> = self.under_way.iter().map(|(tx, ..)| height(tx)).collect();
        let Some(last) = heights.and_then(|heights| heights.into_iter().max()) else { return };
        let correct = (0..self.settled.len()).filter(|node| cluster.world().is_correct(*node));
        let settled = correct.filter_map(|node| cluster.driver(node)).find(|driver| {
            let engine = driver.engine();
            engine.committed().vouched.height >= last && !engine.is_closed()
        });
        let Some(driver) = settled else { return };
        let set = driver.validators().1;
        let power = |identity| set.position_of(identity).map_or(0, |at| set.power(at).0);
        self.settled = cluster.world().identities.iter().map(power).collect();
        self.under_way.clear();
    }

    /// Those under way that nobody owes any more and no block holds: clients hand them in again.
    fn lost<'c>(&'c self, cluster: &'c Cluster) -> impl Iterator<Item = (Micros, Vec<u8>)> + 'c {
        let lost = self.under_way.iter().filter(|(tx, ..)| {
            let committed = cluster.record.committed.iter().any(|one| one.txs.contains(tx));
            !cluster.is_promised(tx) && !committed
        });
        lost.map(|(_, tx, _)| (cluster.now(), tx.clone()))
    }

    /// One change, if the members bear it.
    fn draw(&mut self, cluster: &Cluster, random: &mut Random, forgetful: &[usize]) -> Option<Vec<u8>> {
        let mut powers = self.sets().last().expect("the settled ones").clone();
        let mut change = Change { nonce: self.made + 1, ..Change::default() };
        // Nothing at all, something impossible beside what is possible, or the latter alone.
        let kind = random.below(10);
        let mut late = Vec::new();
        if kind > 0 {
            change.validators = self.members(cluster, random, &mut powers, &mut late);
        }
        if kind == 1 {
            powers.clone_from(self.sets().last().expect("the settled ones"));
            late.clear();
            spoil(cluster, random, &mut change);
        } else if kind > 1 && random.percent(40) {
            change.params = params(random);
        }
        if powers.iter().filter(|power| **power > 0).count() < 4 {
            return None;
        }
        // Its size makes it a large transaction where the parameters shrink.
        change.padding = vec![0; random.below(4) as usize * 400];
        let tx = change.encode();
        self.under_way.push((TxHash::of(&tx), tx.clone(), powers));
        late.extend(forgetful);
        if self.are_bearable(cluster, &late) {
            self.made += 1;
            return Some(tx);
        }
        self.under_way.pop();
        None
    }

    /// Some come, go, get another power or another key. Those among them that are `late` have not caught up with the chain.
    fn members(
        &self,
        cluster: &Cluster,
        random: &mut Random,
        powers: &mut [u64],
        late: &mut Vec<usize>,
    ) -> Vec<ValidatorUpdate> {
        let mut members: Vec<usize> = (0..powers.len()).collect();
        let mut updates = Vec::new();
        for _ in 0..random.between(1, 4) {
            let member = members.swap_remove(random.index(members.len()));
            let before = powers[member];
            powers[member] = match random.below(4) {
                0 => 0,
                1 => before,
                _ => random.between(1, 5),
            };
            // Who comes names a key; who stays changes it at times; now and then somebody goes who is none.
            let comes = before == 0 && powers[member] > 0;
            if comes && is_late(cluster, member) {
                late.push(member);
            }
            if before > 0 || comes || random.percent(10) {
                let rotates = comes || (powers[member] > 0 && random.percent(40));
                let key = rotates.then(|| random.index(2));
                updates.push(cluster.change(member, powers[member], key));
            }
        }
        updates
    }
}

fn is_late(cluster: &Cluster, node: usize) -> bool {
    let newest = cluster.heights().into_iter().max().unwrap_or_default();
    cluster.driver(node).is_none_or(|driver| driver.executed_height().0 + BEHIND < newest.0)
}

/// Parameters that let blocks and transactions shrink and grow again.
fn params(random: &mut Random) -> ParamUpdates {
    let sizes = random.percent(40).then(|| [700, 1_500, 4_000, 64 << 10][random.index(4)]);
    ParamUpdates {
        max_unexecuted_blocks: Some([0, 1, 8][random.index(3)]),
        max_block_txs: Some(random.between(LEAST_BLOCK_TXS.into(), 5_000) as u32),
        max_tx_bytes: sizes,
        max_block_bytes: sizes.map(|bytes| if bytes > 4_000 { 2 << 20 } else { bytes * 2 }),
        ..ParamUpdates::default()
    }
}

/// Makes it impossible: then nothing of it counts.
fn spoil(cluster: &Cluster, random: &mut Random, change: &mut Change) {
    let members = cluster.world().identities.len();
    match random.below(6) {
        // Nobody is left, or more power than there may be.
        0 => change.validators = (0..members).map(|member| cluster.change(member, 0, None)).collect(),
        1 => change.validators.push(cluster.change(random.index(members), u64::MAX, Some(0))),
        // Twice, with a proof of another key, or by an identity that nobody knows.
        2 => change.validators.extend([1, 2].map(|power| cluster.change(0, power, None))),
        3 => {
            let (mut one, other) = (cluster.change(0, 1, Some(0)), cluster.change(1, 1, Some(1)));
            if let (Some(key), Some(other)) = (&mut one.vote_key, other.vote_key) {
                key.proof = other.proof;
            }
            change.validators = vec![one];
        }
        4 => {
            let stranger = althing_crypto::ed25519::SecretKey::from_seed([99; 32]).public_key();
            change.validators =
                vec![ValidatorUpdate { identity: *stranger.as_bytes(), power: 1, vote_key: None }];
        }
        _ => change.params = ParamUpdates { max_block_txs: Some(0), ..ParamUpdates::default() },
    }
}
