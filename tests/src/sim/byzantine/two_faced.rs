//! Two timeout votes of one view that name different high QCs, to different members: TCs of one view whose lists differ.

use althing_consensus::{Certificate, Message, QuorumCertificate, TimeoutVote};
use althing_node::wire::Wire;

use super::circle::Circle;
use super::notes::Notes;
use super::{Behaviour, Traitor};
use crate::sim::random::Random;

/// Names an older QC, or none, towards some; towards others its newest; may do both, in either order.
pub(super) struct TwoFaced {
    half: Circle,
    both_percent: u64,
    /// Below what its entry shows, too.
    brazen: bool,
    /// How often it lets its own turn pass, so that there is a view to give up.
    idle_percent: u64,
    notes: Notes,
}

impl TwoFaced {
    pub(super) fn draw(random: &mut Random) -> Box<dyn Behaviour> {
        Box::new(Self {
            half: Circle::draw_or_all(random, 4),
            both_percent: [0, 50, 100][random.index(3)],
            brazen: random.percent(30),
            idle_percent: random.below(80),
            notes: Notes::default(),
        })
    }

    /// With another entry, which may permit a lower QC, or the same one.
    fn other(&self, me: &mut Traitor<'_>, timeout: &TimeoutVote) -> Option<TimeoutVote> {
        let mut entries = self.notes.entries(timeout.view);
        entries.extend(timeout.entry.clone());
        let index = me.random.index(entries.len().max(1));
        let entry = entries.get(index).cloned();
        let least = match &entry {
            None => 0,
            Some(Certificate::Quorum(qc)) => qc.view.0,
            Some(Certificate::Timeout(tc)) => tc.max_high_view().0,
        };
        let fits = |qc: &&QuorumCertificate| {
            qc.view < timeout.view && qc.view != timeout.high_view() && (self.brazen || qc.view.0 >= least)
        };
        let lower = self.notes.qcs.values().find(fits).cloned();
        let names_none = lower.is_none() && timeout.high_qc.is_some() && (self.brazen || least == 0);
        (lower.is_some() || names_none).then(|| me.timeout(timeout.view, lower, entry))
    }
}

impl Behaviour for TwoFaced {
    fn name(&self) -> &'static str {
        "two-faced"
    }

    fn hear(&mut self, me: &mut Traitor<'_>, _from: usize, wire: &Wire) -> Vec<(usize, Wire)> {
        self.notes.take(me, wire);
        Vec::new()
    }

    fn send(&mut self, me: &mut Traitor<'_>, to: usize, wire: Wire) -> Vec<(usize, Wire)> {
        self.notes.take(me, &wire);
        if me.own_proposal(&wire).is_some() && me.random.percent(self.idle_percent) {
            return Vec::new();
        }
        let other = me.own_timeout(&wire).filter(|_| self.half.has(to)).cloned();
        let Some(other) = other.and_then(|timeout| self.other(me, &timeout)) else {
            return vec![(to, wire)];
        };
        let other = (to, Message::Timeout(Box::new(other)).into());
        match (me.random.percent(self.both_percent), me.random.percent(50)) {
            (false, _) => vec![other],
            (true, true) => vec![other, (to, wire)],
            (true, false) => vec![(to, wire), other],
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use althing_consensus::Phase;
    use althing_crypto::{BlockHash, Hash};

    use super::super::stage::Stage;
    use super::*;

    #[test]
    fn one_view_is_given_up_twice_with_different_high_qcs() {
        let mut stage = Stage::new();
        let half = Circle::ALL;
        let notes = Notes::default();
        let mut liar = TwoFaced { half, both_percent: 100, brazen: false, idle_percent: 0, notes };
        let block = BlockHash(Hash::ZERO);
        let (old, new) = (stage.qc(Phase::Vote, 1, block), stage.qc(Phase::Vote, 3, block));
        let entry = Certificate::Timeout(stage.tc(4, Some(old)));
        stage.hears(&mut liar, Message::Certificate(Box::new(entry.clone())));
        let own = stage.timeout(0, 5, Some(new), Some(entry));
        let sent = stage.sent(&mut liar, Message::Timeout(Box::new(own)));
        assert!(sent.iter().all(|(_, wire)| stage.admit(wire).is_ok()), "each is good in itself");
        let named: BTreeSet<u64> = sent
            .iter()
            .map(|(_, wire)| match wire {
                Wire::Consensus(Message::Timeout(timeout)) => timeout.high_view().0,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(named, BTreeSet::from([1, 3]));
    }
}
