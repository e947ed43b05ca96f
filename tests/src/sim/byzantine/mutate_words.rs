//! Own votes, timeout votes, certificates and statuses with one field wrong, signed as they are.

use althing_consensus::{
    Certificate, Epoch, Height, Message, Phase, Position, QuorumCertificate, Signers, Status, TimeoutVote,
    View, Vote,
};
use althing_crypto::BlockHash;
use althing_node::wire::Wire;

use super::forge::{another, any_hash};
use super::{Behaviour, Traitor};
use crate::sim::random::Random;

/// Alters what it says to each member anew; may say the truth as well.
pub(super) struct MutateWords {
    percent: u64,
    truth_percent: u64,
}

impl MutateWords {
    pub(super) fn draw(random: &mut Random) -> Box<dyn Behaviour> {
        let truth_percent = [0, 50, 100][random.index(3)];
        Box::new(Self { percent: random.between(20, 100), truth_percent })
    }
}

fn alter_vote(me: &mut Traitor<'_>, mut vote: Vote) -> Vote {
    let random = &mut *me.random;
    match random.below(5) {
        0 => vote.view = View(another(random, vote.view.0)),
        1 => vote.block = BlockHash(any_hash(random)),
        2 => vote.epoch = Epoch(another(random, vote.epoch.0)),
        3 => vote.signer = Position(another(random, vote.signer.0.into()) as u16),
        _ => vote.phase = if vote.phase == Phase::Vote { Phase::Commit } else { Phase::Vote },
    }
    me.signed_vote(vote)
}

fn alter_timeout(me: &mut Traitor<'_>, mut timeout: TimeoutVote) -> TimeoutVote {
    let random = &mut *me.random;
    match random.below(7) {
        0 => timeout.view = View(another(random, timeout.view.0)),
        1 => timeout.high_qc = None,
        2 => timeout.entry = None,
        3 => timeout.epoch = Epoch(another(random, timeout.epoch.0)),
        4 => timeout.signer = Position(another(random, timeout.signer.0.into()) as u16),
        5 => timeout.high_qc = timeout.high_qc.map(|qc| alter_qc(random, qc)),
        _ => timeout.entry = timeout.entry.map(|entry| alter_certificate(random, entry)),
    }
    me.signed_timeout(timeout)
}

fn alter_qc(random: &mut Random, mut qc: QuorumCertificate) -> QuorumCertificate {
    match random.below(6) {
        0 => qc.view = View(another(random, qc.view.0)),
        1 => qc.block = BlockHash(any_hash(random)),
        2 => qc.epoch = Epoch(another(random, qc.epoch.0)),
        3 => qc.phase = if qc.phase == Phase::Vote { Phase::Commit } else { Phase::Vote },
        4 => {
            let more = Position(random.below(64) as u16);
            qc.signers = qc.signers.iter().chain([more]).collect();
        }
        _ => {
            let without = random.index(qc.signers.len().max(1));
            let signers: Signers =
                qc.signers.iter().enumerate().filter(|(at, _)| *at != without).map(|(_, one)| one).collect();
            qc.signers = signers;
        }
    }
    qc
}

fn alter_certificate(random: &mut Random, certificate: Certificate) -> Certificate {
    match certificate {
        Certificate::Quorum(qc) => Certificate::Quorum(alter_qc(random, qc)),
        Certificate::Timeout(mut tc) => {
            match random.below(3) {
                0 => tc.view = View(another(random, tc.view.0)),
                1 => tc.epoch = Epoch(another(random, tc.epoch.0)),
                _ => tc.high_qc = tc.high_qc.map(|qc| alter_qc(random, qc)),
            }
            Certificate::Timeout(tc)
        }
    }
}

fn alter_status(random: &mut Random, mut status: Status) -> Status {
    match random.below(6) {
        0 => status.epoch = Epoch(another(random, status.epoch.0)),
        1 => status.view = View(another(random, status.view.0)),
        2 => status.committed = Height(another(random, status.committed.0)),
        3 => status.high_view = View(another(random, status.high_view.0)),
        4 => status.tc_view = View(another(random, status.tc_view.0)),
        _ => status.commit_view = View(another(random, status.commit_view.0)),
    }
    status
}

impl Behaviour for MutateWords {
    fn name(&self) -> &'static str {
        "mutate-words"
    }

    fn send(&mut self, me: &mut Traitor<'_>, to: usize, wire: Wire) -> Vec<(usize, Wire)> {
        if !me.random.percent(self.percent) {
            return vec![(to, wire)];
        }
        let Wire::Consensus(message) = &wire else { return vec![(to, wire)] };
        let altered = match message.clone() {
            Message::Vote(vote) => Message::Vote(alter_vote(me, vote)),
            Message::Timeout(timeout) => Message::Timeout(Box::new(alter_timeout(me, *timeout))),
            Message::Certificate(certificate) => {
                Message::Certificate(Box::new(alter_certificate(me.random, *certificate)))
            }
            Message::Status(status) => Message::Status(alter_status(me.random, status)),
            Message::Proposal(_) | Message::Memory(_) => return vec![(to, wire)],
        };
        let truth = me.random.percent(self.truth_percent);
        std::iter::once((to, altered.into())).chain(truth.then_some((to, wire))).collect()
    }
}

#[cfg(test)]
mod tests {
    use althing_consensus::Admitted;
    use althing_crypto::{Encoding, Hash};

    use super::super::stage::Stage;
    use super::*;

    #[test]
    fn what_it_alters_is_another_message_that_can_be_sent() {
        let mut stage = Stage::new();
        let mut liar = MutateWords { percent: 100, truth_percent: 0 };
        let qc = stage.qc(Phase::Vote, 2, BlockHash(Hash::ZERO));
        let tc = stage.tc(3, Some(qc.clone()));
        let entry = Certificate::Timeout(tc);
        let originals = [
            Message::Vote(stage.vote(0, Phase::Vote, 3, BlockHash(Hash::ZERO))),
            Message::Timeout(Box::new(stage.timeout(0, 4, Some(qc.clone()), Some(entry.clone())))),
            Message::Certificate(Box::new(entry)),
            Message::Certificate(Box::new(Certificate::Quorum(qc))),
            Message::Status(Status { view: View(3), ..Status::default() }),
        ];
        let mut admitted = 0;
        for message in originals {
            let (mut altered, truth) = (0, Wire::from(message.clone()));
            for _ in 0..40 {
                for (_, wire) in stage.sent(&mut liar, message.clone()) {
                    altered += usize::from(wire != truth);
                    assert_eq!(Wire::decode(&wire.encode()).as_ref(), Ok(&wire));
                    let good = stage.admit(&wire);
                    assert!(!matches!(good, Ok(Admitted::Certificate(_))) || wire == truth);
                    admitted += usize::from(good.is_ok());
                }
            }
            assert!(altered > 80, "{altered} of 120: {message:?}");
        }
        assert!(admitted > 100, "some of it is good in form and signature: {admitted}");
    }
}
