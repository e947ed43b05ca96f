//! Own proposals with one field wrong, signed as they are: only validity can refuse them.

use althing_consensus::{
    Absence, AppHash, Epoch, Height, Message, Position, Proposal, View, no_evidence, payload_root,
};
use althing_crypto::{BlockHash, TxHash};
use althing_node::wire::Wire;

use super::forge::{another, any_hash};
use super::retold::Retold;
use super::{Behaviour, Traitor};
use crate::sim::random::Random;

/// Proposes with one field altered, the same towards all, and votes for it.
pub(super) struct MutateBlock {
    salt: u64,
    percent: u64,
    /// Only this field, or any.
    twist: Option<usize>,
    retold: Retold,
}

type Twist = fn(&mut Proposal, &mut Random);

/// One for every field of a proposal, and of its header.
const TWISTS: [Twist; 24] = [
    |p, r| p.view = View(another(r, p.view.0)),
    |p, r| p.block.header.view = View(another(r, p.block.header.view.0)),
    |p, _| {
        p.view = View(p.view.0.saturating_add(1));
        p.block.header.view = p.view;
    },
    |p, r| p.block.header.height = Height(another(r, p.block.header.height.0)),
    |p, r| p.block.header.parent = BlockHash(any_hash(r)),
    |p, r| p.block.header.justify_view = View(another(r, p.block.header.justify_view.0)),
    |p, r| p.block.header.time_ms = another(r, p.block.header.time_ms),
    |p, r| p.block.header.time_ms += r.below(120_000),
    |p, r| p.block.header.time_ms -= r.below(120_000),
    |p, r| p.block.header.payload_root = any_hash(r),
    |p, r| p.block.header.evidence_root = if r.percent(50) { any_hash(r) } else { no_evidence() },
    |p, r| with_txs(p, |txs| txs.push(TxHash::of(&r.word().to_be_bytes()))),
    |p, _| with_txs(p, |txs| txs.extend(txs.first().copied())),
    |p, r| absent(p, r),
    |p, _| p.block.header.absent.clear(),
    |p, r| p.block.header.vouched.height = Height(another(r, p.block.header.vouched.height.0)),
    |p, r| {
        p.block.header.vouched.app_hash =
            AppHash::new(any_hash(r).as_bytes().to_vec()).expect("32 bytes are few enough");
    },
    |p, r| p.block.header.vouched.executed_root = any_hash(r),
    |p, r| p.block.header.vouched.next_epoch = any_hash(r),
    |p, r| p.block.header.epoch = Epoch(another(r, p.block.header.epoch.0)),
    |p, _| p.block.header.chain_id.push('x'),
    |p, r| p.signer = Position(another(r, p.signer.0.into()) as u16),
    |p, _| p.justify = None,
    |p, _| p.commit.clone_from(&p.justify),
];

fn with_txs(proposal: &mut Proposal, change: impl FnOnce(&mut Vec<TxHash>)) {
    change(&mut proposal.block.txs);
    proposal.block.header.payload_root = payload_root(&proposal.block.txs);
}

/// One more, one less, or another number in the absent list.
fn absent(proposal: &mut Proposal, random: &mut Random) {
    let view = proposal.view;
    let list = &mut proposal.block.header.absent;
    if list.is_empty() || random.percent(50) {
        let member = Position(random.below(5) as u16);
        list.push(Absence { member, last: View(random.below(view.0.saturating_add(1))), failures: 1 });
        if random.percent(70) {
            list.sort_by_key(|one| one.member);
            list.dedup_by_key(|one| one.member);
        }
        return;
    }
    let at = random.index(list.len());
    match random.below(3) {
        0 => drop(list.remove(at)),
        1 => list[at].failures = another(random, list[at].failures.into()) as u32,
        _ => list[at].last = View(another(random, list[at].last.0)),
    }
}

impl MutateBlock {
    pub(super) fn draw(random: &mut Random) -> Box<dyn Behaviour> {
        let twist = random.percent(30).then(|| random.index(TWISTS.len()));
        let (salt, percent) = (random.word(), random.between(30, 100));
        Box::new(Self { salt, percent, twist, retold: Retold::default() })
    }

    /// The altered proposal, if it alters that of this view.
    fn alter(&self, me: &Traitor<'_>, proposal: &Proposal) -> Option<Proposal> {
        let mut random = Random::new(self.salt ^ proposal.view.0);
        if !random.percent(self.percent) {
            return None;
        }
        let twist = self.twist.unwrap_or_else(|| random.index(TWISTS.len()));
        let mut altered = proposal.clone();
        TWISTS[twist](&mut altered, &mut random);
        Some(me.signed_proposal(altered))
    }
}

impl Behaviour for MutateBlock {
    fn name(&self) -> &'static str {
        "mutate-block"
    }

    fn send(&mut self, me: &mut Traitor<'_>, to: usize, wire: Wire) -> Vec<(usize, Wire)> {
        if let Some(proposal) = me.own_proposal(&wire)
            && let Some(altered) = self.alter(me, proposal)
        {
            self.retold.note(proposal.view, proposal.block.hash(), altered.block.hash());
            return vec![(to, Message::Proposal(Box::new(altered)).into())];
        }
        let retold = self.retold.vote(me, &wire);
        vec![(to, retold.unwrap_or(wire))]
    }
}

#[cfg(test)]
mod tests {
    use althing_crypto::Encoding;

    use super::super::stage::Stage;
    use super::*;

    #[test]
    fn every_twist_alters_and_what_it_makes_can_be_sent() {
        let mut stage = Stage::new();
        let genesis = stage.genesis();
        let parent = stage.proposal(1, 1, &genesis, None).block.header;
        let qc = stage.qc(althing_consensus::Phase::Vote, 1, parent.hash());
        let mut proposal = stage.proposal(0, 2, &parent, Some(qc));
        with_txs(&mut proposal, |txs| txs.push(TxHash::of(b"one")));
        // The list of absent members is empty here: there is nothing to leave out.
        const NO_LIST: usize = 14;
        for twist in 0..TWISTS.len() {
            let altered = (0..50).any(|salt| {
                let mut liar =
                    MutateBlock { salt, percent: 100, twist: Some(twist), retold: Retold::default() };
                let sent = stage.sent(&mut liar, Message::Proposal(Box::new(proposal.clone())));
                assert!(sent.iter().all(|(_, wire)| Wire::decode(&wire.encode()).as_ref() == Ok(wire)));
                assert!(sent.iter().all(|(_, wire)| *wire == sent[0].1), "the same towards all");
                let Wire::Consensus(Message::Proposal(told)) = &sent[0].1 else { panic!("{sent:?}") };
                **told != proposal
            });
            assert!(altered || twist == NO_LIST, "twist {twist}");
        }
    }

    #[test]
    fn some_alterations_pass_the_door_so_that_validity_has_to_refuse_them() {
        let mut stage = Stage::new();
        let genesis = stage.genesis();
        let mut passed = 0;
        for view in 1..200 {
            let proposal = stage.proposal(0, 1, &genesis, None);
            let mut liar = MutateBlock { salt: view, percent: 100, twist: None, retold: Retold::default() };
            let sent = stage.sent(&mut liar, Message::Proposal(Box::new(proposal)));
            passed += usize::from(stage.admit(&sent[0].1).is_ok());
        }
        assert!((40..160).contains(&passed), "{passed}");
    }
}
