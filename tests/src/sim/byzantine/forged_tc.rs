//! Timeout certificates that nobody could have made: false lists, false quorums, false views. One of them believed would let a
//! leader propose on an old block, or send everyone into the future.

use althing_consensus::{
    Certificate, Message, Position, QuorumCertificate, Signers, TimeoutCertificate, View, view_of,
};
use althing_crypto::bls;
use althing_node::wire::Wire;

use super::notes::Notes;
use super::{Behaviour, Traitor};
use crate::sim::random::Random;

/// Sends forged TCs by themselves, in its timeout votes and in its proposals.
pub(super) struct ForgedTc {
    percent: u64,
    notes: Notes,
}

impl ForgedTc {
    pub(super) fn draw(random: &mut Random) -> Box<dyn Behaviour> {
        Box::new(Self { percent: random.between(5, 60), notes: Notes::default() })
    }

    /// A TC to forge: the newest, or one of this view made of its own word only.
    fn model(&self, me: &Traitor<'_>, view: View) -> TimeoutCertificate {
        self.notes.tcs.values().next_back().cloned().unwrap_or_else(|| {
            let own = me.timeout(view, None, None);
            TimeoutCertificate {
                epoch: own.epoch,
                view,
                signers: me.set.positions().collect(),
                high_views: me.set.positions().map(|_| View(0)).collect(),
                high_qc: None,
                signature: own.signature,
            }
        })
    }

    fn forge(&self, me: &mut Traitor<'_>, mut tc: TimeoutCertificate) -> TimeoutCertificate {
        let kind = me.random.below(10);
        match kind {
            // As if nobody had named a QC.
            0 => name_all(&mut tc, View(0), None),
            // As if everyone had named an old one, which goes along.
            1 => {
                let old = self.notes.qcs.values().next().filter(|qc| qc.view < tc.view).cloned();
                name_all(&mut tc, view_of(old.as_ref()), old);
            }
            // One signer names another view.
            2 => {
                let at = me.random.index(tc.high_views.len().max(1));
                if let Some(view) = tc.high_views.get_mut(at) {
                    view.0 = view.0.saturating_sub(1);
                }
            }
            // The maximum is not that of the QC carried.
            3 => tc.high_qc = self.notes.qcs.values().next().cloned(),
            4 => tc.high_views.iter_mut().for_each(|view| view.0 = tc.view.0.saturating_sub(1)),
            // A signer named twice, or not at all.
            5 => tc.high_views.extend(tc.high_views.first().copied()),
            6 => drop(tc.high_views.pop()),
            // Too few signers, with a good aggregate: its own word alone.
            7 => alone(me, &mut tc),
            // All signers, with the aggregate of fewer.
            8 => {
                tc.signers = me.set.positions().collect();
                tc.high_views.resize(me.set.len(), View(0));
            }
            // Of a view that nobody has given up.
            _ => tc.view = View(tc.view.0.saturating_add(1 + me.random.below(20))),
        }
        // Its own share a second time: the sum of a quorum with one repeated is another sum.
        if me.random.percent(20) {
            let own = me.timeout(tc.view, tc.high_qc.clone(), None).signature;
            let sum: Result<bls::Signature, _> = me.set.scheme().aggregate(&[tc.signature, own]);
            tc.signature = sum.unwrap_or(tc.signature);
        }
        tc
    }
}

fn name_all(tc: &mut TimeoutCertificate, view: View, qc: Option<QuorumCertificate>) {
    tc.high_views.iter_mut().for_each(|named| *named = view);
    tc.high_qc = qc;
}

fn alone(me: &Traitor<'_>, tc: &mut TimeoutCertificate) {
    let own = me.timeout(tc.view, tc.high_qc.clone(), None);
    tc.signers = std::iter::once::<Position>(me.position).collect::<Signers>();
    tc.high_views = vec![own.high_view()];
    tc.signature = own.signature;
}

impl Behaviour for ForgedTc {
    fn name(&self) -> &'static str {
        "forged-tc"
    }

    fn hear(&mut self, me: &mut Traitor<'_>, _from: usize, wire: &Wire) -> Vec<(usize, Wire)> {
        self.notes.take(me, wire);
        Vec::new()
    }

    fn send(&mut self, me: &mut Traitor<'_>, to: usize, wire: Wire) -> Vec<(usize, Wire)> {
        if !me.random.percent(self.percent) {
            return vec![(to, wire)];
        }
        if let Some(mut timeout) = me.own_timeout(&wire).cloned() {
            let before = View(timeout.view.0.saturating_sub(1));
            let model = self.model(me, before);
            timeout.entry = Some(Certificate::Timeout(self.forge(me, model)));
            return vec![(to, Message::Timeout(Box::new(me.signed_timeout(timeout))).into())];
        }
        if let Some(mut proposal) = me.own_proposal(&wire).filter(|proposal| proposal.tc.is_some()).cloned() {
            proposal.tc = proposal.tc.map(|tc| self.forge(me, tc));
            return vec![(to, Message::Proposal(Box::new(me.signed_proposal(proposal))).into())];
        }
        vec![(to, wire)]
    }

    fn tick(&mut self, me: &mut Traitor<'_>) -> Vec<(usize, Wire)> {
        if !me.random.percent(self.percent) {
            return Vec::new();
        }
        let mut model = self.model(me, me.view());
        if me.random.percent(50) {
            model.view = me.view();
        }
        let forged = self.forge(me, model);
        me.to_all(&Message::Certificate(Box::new(Certificate::Timeout(forged))))
    }
}

#[cfg(test)]
mod tests {
    use althing_consensus::Phase;
    use althing_crypto::{BlockHash, Encoding, Hash};

    use super::super::stage::{Stage, messages};
    use super::*;

    #[test]
    fn none_of_its_lists_is_that_of_a_real_tc_and_none_is_believed() {
        let mut stage = Stage::new();
        let mut liar = ForgedTc { percent: 100, notes: Notes::default() };
        let qc = stage.qc(Phase::Vote, 3, BlockHash(Hash::ZERO));
        let real = stage.tc(4, Some(qc));
        stage.hears(&mut liar, Message::Certificate(Box::new(Certificate::Timeout(real.clone()))));
        let sent = stage.ticked(&mut liar, 200);
        assert!(sent.len() == 600 && messages(&sent).len() == 600);
        for (_, wire) in &sent {
            assert_eq!(Wire::decode(&wire.encode()).as_ref(), Ok(wire));
            let Wire::Consensus(Message::Certificate(forged)) = wire else { panic!("{wire:?}") };
            let Certificate::Timeout(forged) = &**forged else { panic!("{forged:?}") };
            assert!(stage.admit(wire).is_err() || *forged == real, "{forged:?}");
        }
        let lists = sent.iter().filter(|(_, wire)| stage.admit(wire).is_err()).count();
        assert!(lists > 500, "{lists}");
    }

    #[test]
    fn its_timeout_votes_and_proposals_carry_them() {
        let mut stage = Stage::new();
        let mut liar = ForgedTc { percent: 100, notes: Notes::default() };
        let genesis = stage.genesis();
        let mut proposal = stage.proposal(0, 5, &genesis, None);
        proposal.tc = Some(stage.tc(4, None));
        let timeout = stage.timeout(0, 5, None, None);
        for message in [Message::Proposal(Box::new(proposal)), Message::Timeout(Box::new(timeout))] {
            let changed = (0..10).flat_map(|_| stage.sent(&mut liar, message.clone()));
            assert!(changed.filter(|(_, wire)| *wire != message.clone().into()).count() > 20);
        }
    }
}
