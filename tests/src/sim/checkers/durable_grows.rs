//! What is durable never goes back: no sync of the safety file lowers a field (S1), and a node that starts holds at least what was
//! durable when it ended (S2).

use std::collections::BTreeMap;

use althing_consensus::{Epoch, Micros, SafetyRecord, View};
use althing_crypto::{Encoding, Hash, sha256};

use super::{Checker, Seen};
use crate::sim::world::World;

/// The highest that was durable, per node; from nothing again where a disk was set back.
#[derive(Default)]
pub(super) struct DurableGrows(BTreeMap<usize, Durable>);

/// A record's numbers, and the hash of all of it.
struct Durable {
    epoch: Epoch,
    views: [(&'static str, View); 9],
    hash: Hash,
}

impl Durable {
    fn of(record: &SafetyRecord) -> Self {
        let of_vote =
            |vote: &Option<althing_consensus::Vote>| vote.as_ref().map_or(View(0), |vote| vote.view);
        let of_qc =
            |qc: &Option<althing_consensus::QuorumCertificate>| qc.as_ref().map_or(View(0), |qc| qc.view);
        let views = [
            ("floor", record.floor),
            ("proposal", record.proposal.as_ref().map_or(View(0), |proposal| proposal.view)),
            ("vote", of_vote(&record.vote)),
            ("commit vote", of_vote(&record.commit_vote)),
            ("timeout vote", record.timeout.as_ref().map_or(View(0), |timeout| timeout.view)),
            ("view named", record.timeout.as_ref().map_or(View(0), |timeout| of_qc(&timeout.high_qc))),
            ("high QC", of_qc(&record.high_qc)),
            ("TC", record.tc.as_ref().map_or(View(0), |tc| tc.view)),
            ("commit certificate", of_qc(&record.commit)),
        ];
        Self { epoch: record.epoch, views, hash: sha256(&record.encode()) }
    }

    /// What this has lower than what was durable before.
    fn since(&self, before: &Self) -> Result<(), String> {
        if self.epoch != before.epoch {
            let (new, old) = (self.epoch, before.epoch);
            return if new > old { Ok(()) } else { Err(format!("epoch {new} after epoch {old}")) };
        }
        for ((field, new), (_, old)) in self.views.iter().zip(&before.views) {
            if new < old {
                return Err(format!("{field} of view {new} after one of view {old}"));
            }
        }
        // Every change of a record raises one of these views (S2, S8).
        if self.views == before.views && self.hash != before.hash {
            return Err(format!("other contents of the same views {:?}", self.views));
        }
        Ok(())
    }
}

impl Checker for DurableGrows {
    fn name(&self) -> &'static str {
        "durable grows"
    }

    fn see(&mut self, _: &World, _: Micros, node: usize, seen: &Seen<'_>) -> Result<(), String> {
        let (record, what) = match seen {
            Seen::Started { record } => (record, "starts from"),
            Seen::RecordDurable { record } => (record, "makes durable"),
            Seen::Forgot => {
                self.0.remove(&node);
                return Ok(());
            }
            _ => return Ok(()),
        };
        let new = Durable::of(record);
        if let Some(before) = self.0.get(&node) {
            new.since(before).map_err(|why| format!("node {node} {what} a record with {why}"))?;
        }
        self.0.insert(node, new);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use althing_consensus::Phase;

    use super::super::testing::{Bench, block, found};
    use super::*;

    /// What is found as one record after another becomes durable, and the last one is read at a start.
    fn outcome(bench: &Bench, records: &[&SafetyRecord]) -> Result<(), String> {
        let mut checker = DurableGrows::default();
        let (last, before) = records.split_last().expect("records");
        for record in before {
            bench.see(&mut checker, 0, &Seen::RecordDurable { record })?;
        }
        bench.see(&mut checker, 0, &Seen::Started { record: last })
    }

    #[test]
    fn a_record_that_grows_passes() {
        let bench = Bench::new();
        let empty = bench.record(0);
        let mut voted = empty.clone();
        voted.vote = Some(bench.vote(Phase::Vote, 0, 3, block("a")));
        let mut gave_up = voted.clone();
        gave_up.timeout = Some(bench.timeout(0, 3, None));
        outcome(&bench, &[&empty, &voted, &voted, &gave_up, &gave_up]).expect("grows");
        outcome(&bench, &[&empty, &voted]).expect("a write that lasted though nobody was told");
    }

    #[test]
    fn every_field_that_goes_back_is_found() {
        type Change = fn(&Bench, &mut SafetyRecord, u64);
        let qc = |bench: &Bench, view| Some(bench.qc(Phase::Vote, view, block("q"), &[0, 1, 2]));
        let changes: [(&str, Change); 8] = [
            ("floor", |_, record, view| record.floor = View(view)),
            ("vote", |bench, record, view| {
                record.vote = Some(bench.vote(Phase::Vote, 0, view, block("a")));
            }),
            ("commit vote", |bench, record, view| {
                record.commit_vote = Some(bench.vote(Phase::Commit, 0, view, block("a")));
            }),
            ("timeout vote", |bench, record, view| record.timeout = Some(bench.timeout(0, view, None))),
            ("proposal", |bench, record, view| {
                let body = bench.body_in(None, view, &[], |_| {});
                record.proposal = Some(bench.proposal(0, &body, None, None));
            }),
            ("TC", |bench, record, view| {
                record.tc = Some(bench.tc(view, &[(0, None), (1, None), (2, None)]));
            }),
            ("commit certificate", |bench, record, view| {
                record.commit = Some(bench.qc(Phase::Commit, view, block("q"), &[0, 1, 2]));
            }),
            ("epoch", |_, record, view| record.epoch = Epoch(view)),
        ];
        let bench = Bench::new();
        for (field, change) in changes {
            let [mut high, mut low] = [bench.record(0), bench.record(0)];
            change(&bench, &mut high, 5);
            change(&bench, &mut low, 4);
            found(outcome(&bench, &[&high, &low]), &["node 0 starts from", field, "4", "5"]);
            outcome(&bench, &[&low, &high]).expect("the other way");
        }
        let [mut high, mut low] = [bench.record(0), bench.record(0)];
        (high.high_qc, low.high_qc) = (qc(&bench, 5), qc(&bench, 4));
        found(outcome(&bench, &[&high, &low, &high]), &["makes durable", "high QC", "view 4", "view 5"]);
        (high.timeout, low.timeout) =
            (Some(bench.timeout(0, 7, qc(&bench, 3))), Some(bench.timeout(0, 7, qc(&bench, 2))));
        low.high_qc = high.high_qc.clone();
        found(outcome(&bench, &[&high, &low]), &["view named", "view 2", "view 3"]);
    }

    #[test]
    fn another_vote_of_the_same_view_is_found() {
        let bench = Bench::new();
        let [mut one, mut other] = [bench.record(0), bench.record(0)];
        one.vote = Some(bench.vote(Phase::Vote, 0, 3, block("a")));
        other.vote = Some(bench.vote(Phase::Vote, 0, 3, block("b")));
        found(outcome(&bench, &[&one, &other]), &["other contents"]);
    }

    #[test]
    fn a_disk_set_back_begins_anew() {
        let (bench, mut checker) = (Bench::new(), DurableGrows::default());
        let empty = bench.record(0);
        let mut voted = empty.clone();
        voted.vote = Some(bench.vote(Phase::Vote, 0, 3, block("a")));
        bench.see(&mut checker, 0, &Seen::RecordDurable { record: &voted }).expect("the first");
        bench.see(&mut checker, 0, &Seen::Forgot).expect("not its fault");
        bench.see(&mut checker, 0, &Seen::Started { record: &empty }).expect("anew");
        bench.see(&mut checker, 0, &Seen::RecordDurable { record: &voted }).expect("grows again");
        found(bench.see(&mut checker, 0, &Seen::Started { record: &empty }), &["vote of view 0"]);
    }
}
