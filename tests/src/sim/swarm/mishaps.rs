//! The faults of a run as they come and go, and the clients that submit meanwhile.

use althing_consensus::Micros;
use althing_crypto::TxHash;

use super::super::cluster::{Backup, Cluster};
use super::super::disk::When;
use super::super::load::Load;
use super::super::random::Random;
use super::changes::Changes;
use super::plan::{Fault, Plan};

/// What befalls a cluster.
pub(super) struct Mishaps<'a> {
    plan: &'a Plan,
    random: Random,
    load: Load,
    /// Everything submitted: clients submit again what may have been lost.
    submitted: Vec<(TxHash, Vec<u8>)>,
    /// Members whose disks have forgotten something.
    forgetful: Vec<usize>,
    backup: Option<(usize, Backup)>,
    changes: Changes<'a>,
}

impl<'a> Mishaps<'a> {
    pub(super) fn new(plan: &'a Plan) -> Self {
        Self {
            plan,
            random: plan.random_of_mishaps.clone(),
            load: Load::hurrying(),
            submitted: Vec::new(),
            forgetful: Vec::new(),
            backup: None,
            changes: Changes::new(plan),
        }
    }

    /// The faulty part of the run.
    pub(super) fn befall(&mut self, cluster: &mut Cluster) {
        let end = cluster.now().after(self.plan.faulty_for);
        while cluster.now() < end && cluster.violation().is_none() {
            let left = end.0 - cluster.now().0;
            let gap = Micros(self.random.between(1, self.plan.gap.0).min(left));
            self.submit_for(cluster, gap);
            self.change(cluster);
            cluster.run_for(gap);
            if let Some(fault) = self.choose() {
                self.strike(cluster, fault);
            }
        }
    }

    fn choose(&mut self) -> Option<Fault> {
        let faults = &self.plan.faults;
        (!faults.is_empty()).then(|| faults[self.random.index(faults.len())])
    }

    /// Clients submit at the plan's pace for so long, each transaction to some correct member.
    pub(super) fn submit_for(&mut self, cluster: &mut Cluster, span: Micros) {
        let mut at = cluster.now();
        let end = at.after(span);
        self.submit_refused(cluster);
        while at < end {
            let tx = self.load.transfer();
            self.submitted.push((TxHash::of(&tx), tx.clone()));
            let member = self.correct();
            cluster.submit(at, member, tx);
            at = at.after(self.plan.submit_every);
        }
    }

    /// What was handed to a node that ended may be lost: clients submit again what nobody still owes them, and that alone, as more
    /// would make good what a node has lost against its word.
    pub(super) fn submit_again(&mut self, cluster: &mut Cluster) {
        let now = cluster.now();
        let mut lost = std::mem::take(&mut self.submitted);
        lost.retain(|(hash, _)| !cluster.is_promised(hash));
        for (index, (_, tx)) in lost.into_iter().enumerate() {
            let member = self.correct();
            cluster.submit(now.after(Micros(200 * index as u64)), member, tx);
        }
    }

    /// What there was no room for comes again.
    fn submit_refused(&mut self, cluster: &mut Cluster) {
        let refused = std::mem::take(&mut cluster.refused);
        if refused.is_empty() {
            return;
        }
        let again: Vec<_> = self
            .submitted
            .iter()
            .filter(|(hash, _)| refused.contains(hash))
            .map(|(_, tx)| tx.clone())
            .collect();
        for tx in again {
            let member = self.correct();
            cluster.submit(cluster.now(), member, tx);
        }
    }

    /// Now and then members, powers, keys or parameters change.
    fn change(&mut self, cluster: &mut Cluster) {
        for (at, tx) in self.changes.due(cluster, &mut self.random, &self.forgetful) {
            let hash = TxHash::of(&tx);
            if self.submitted.iter().all(|(known, _)| *known != hash) {
                self.submitted.push((hash, tx.clone()));
            }
            let member = self.correct();
            cluster.submit(at, member, tx);
        }
    }

    /// Whether in every epoch less than a third of the power was faulty.
    pub(super) fn were_bearable(&mut self, cluster: &Cluster) -> bool {
        self.changes.are_bearable(cluster, &self.forgetful)
    }

    fn strike(&mut self, cluster: &mut Cluster, fault: Fault) {
        let node = self.correct();
        cluster.trace_line(node, format_args!("{fault:?}"));
        match fault {
            Fault::Cut | Fault::Partition | Fault::Clog | Fault::Reconnect => {
                self.strike_links(cluster, fault)
            }
            Fault::Burn => {
                let when = if self.random.percent(50) { When::Before } else { When::After };
                cluster.disk(node).burn_at(self.random.below(40), when);
            }
            Fault::Kill => {
                if self.random.percent(50) {
                    cluster.kill(node)
                } else {
                    cluster.cut_power(node)
                }
                cluster.restart_after = Micros::from_millis(self.random.between(1, 3_000));
                cluster.come_back(node);
            }
            Fault::Pause => {
                let span = Micros::from_millis(self.random.between(10, 3_000));
                cluster.pause_until(node, cluster.now().after(span));
            }
            Fault::Skew => {
                let most = cluster.world().max_skew_ms;
                cluster.set_skew(node, self.random.below(2 * most + 1) as i64 - most as i64);
            }
            Fault::Full => {
                let full = self.random.percent(50);
                cluster.disk(node).set_full(full);
            }
            Fault::RotSafety => cluster.rot_safety(node),
            Fault::RotData => self.if_expendable(cluster, node, |_, cluster| cluster.rot_data(node)),
            Fault::Wipe => {
                self.if_expendable(cluster, node, |random, cluster| cluster.wipe(node, random.percent(50)));
            }
            Fault::Restore => self.back_up_or_restore(cluster, node),
        }
    }

    fn strike_links(&mut self, cluster: &mut Cluster, fault: Fault) {
        let nodes = cluster.nodes();
        let (a, b) = (self.random.index(nodes), self.random.index(nodes));
        match fault {
            Fault::Clog => {
                let until = cluster.now().after(Micros::from_millis(self.random.between(50, 3_000)));
                cluster.network.clogged.insert((a, b), until);
            }
            Fault::Reconnect => cluster.reconnect(a, b),
            Fault::Cut => {
                cluster.network.cut.clear();
                for _ in 0..self.random.below(nodes as u64) {
                    let link = (self.random.index(nodes), self.random.index(nodes));
                    cluster.network.cut.insert(link);
                }
            }
            _ => {
                cluster.network.cut.clear();
                if self.random.percent(60) {
                    let side: Vec<bool> = (0..nodes).map(|_| self.random.percent(50)).collect();
                    let apart = |a: usize, b: usize| side[a] != side[b];
                    let links = (0..nodes).flat_map(|a| (0..nodes).map(move |b| (a, b)));
                    cluster.network.cut.extend(links.filter(|(a, b)| apart(*a, *b)));
                }
            }
        }
    }

    /// Does this to a member if it may be faulty besides those that are.
    fn if_expendable(
        &mut self,
        cluster: &mut Cluster,
        node: usize,
        strike: impl FnOnce(&mut Random, &mut Cluster),
    ) {
        let mut all = self.forgetful.clone();
        all.push(node);
        if self.changes.are_bearable(cluster, &all) {
            self.forgetful = all;
            strike(&mut self.random, cluster);
        }
    }

    fn back_up_or_restore(&mut self, cluster: &mut Cluster, node: usize) {
        match self.backup.take() {
            Some((node, backup)) => {
                self.if_expendable(cluster, node, |_, cluster| cluster.restore(node, &backup));
            }
            None => self.backup = Some((node, cluster.backup(node))),
        }
    }

    fn correct(&mut self) -> usize {
        loop {
            let member = self.random.index(self.plan.validators() + self.plan.spares);
            if self.plan.is_correct(member) {
                return member;
            }
        }
    }
}
