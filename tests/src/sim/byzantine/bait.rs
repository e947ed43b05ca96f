//! Bait: others' messages passed on with what no signature covers exchanged, or mixed with one another, so that the innocent look
//! guilty.

use althing_consensus::{Certificate, Message, Phase, Position, Proposal, TimeoutVote, Vote};
use althing_node::wire::Wire;

use super::notes::Notes;
use super::{Behaviour, Traitor};
use crate::sim::random::Random;

/// Passes on what it hears, changed or not.
pub(super) struct Bait {
    percent: u64,
    notes: Notes,
}

impl Bait {
    pub(super) fn draw(random: &mut Random) -> Box<dyn Behaviour> {
        Box::new(Self { percent: random.between(20, 100), notes: Notes::default() })
    }

    /// Its signature for another block, phase or signer; or the vote as it is.
    fn vote(&self, me: &mut Traitor<'_>, mut vote: Vote) -> Vote {
        let others: Vec<&Vote> = self
            .notes
            .votes
            .values()
            .filter(|other| other.signer == vote.signer && **other != vote)
            .collect();
        match me.random.below(5) {
            0 => vote.phase = if vote.phase == Phase::Vote { Phase::Commit } else { Phase::Vote },
            1 => vote.signer = Position(me.random.index(me.set.len()) as u16),
            2 if !others.is_empty() => vote.block = others[me.random.index(others.len())].block,
            3 if !others.is_empty() => vote.signature = others[me.random.index(others.len())].signature,
            _ => {}
        }
        vote
    }

    /// With another QC of the view that it names, or another entry of the view before: the signature covers neither.
    fn timeout(&self, me: &mut Traitor<'_>, mut timeout: TimeoutVote) -> TimeoutVote {
        match me.random.below(4) {
            0 => timeout.high_qc = self.notes.qcs.get(&timeout.high_view()).cloned(),
            1 => {
                let entries = self.notes.entries(timeout.view);
                let index = me.random.index(entries.len().max(1));
                timeout.entry = entries.get(index).cloned().or(timeout.entry);
            }
            2 => timeout.high_qc = self.notes.qcs.values().next().cloned(),
            _ => {}
        }
        timeout
    }

    /// With another commit certificate: the signature does not cover it.
    fn proposal(&self, me: &mut Traitor<'_>, mut proposal: Proposal) -> Proposal {
        let commits: Vec<_> = self.notes.qcs.values().filter(|qc| qc.is_commit()).collect();
        proposal.commit = match me.random.below(3) {
            0 => None,
            1 if !commits.is_empty() => Some(commits[me.random.index(commits.len())].clone()),
            _ => proposal.commit,
        };
        proposal
    }
}

impl Behaviour for Bait {
    fn name(&self) -> &'static str {
        "bait"
    }

    fn hear(&mut self, me: &mut Traitor<'_>, from: usize, wire: &Wire) -> Vec<(usize, Wire)> {
        self.notes.take(me, wire);
        let Wire::Consensus(message) = wire else { return Vec::new() };
        if !me.random.percent(self.percent) {
            return Vec::new();
        }
        let bait = match message.clone() {
            Message::Vote(vote) => Message::Vote(self.vote(me, vote)),
            Message::Timeout(timeout) => Message::Timeout(Box::new(self.timeout(me, *timeout))),
            Message::Proposal(proposal) => Message::Proposal(Box::new(self.proposal(me, *proposal))),
            // A certificate as the high QC of a timeout vote of its own, where it proves too little or too much.
            Message::Certificate(certificate) => {
                let high_qc = match &*certificate {
                    Certificate::Quorum(qc) => Some(qc.clone()),
                    Certificate::Timeout(tc) => tc.high_qc.clone(),
                };
                let entry = self.notes.entries(me.view()).pop();
                Message::Timeout(Box::new(me.timeout(me.view(), high_qc, entry)))
            }
            Message::Status(_) | Message::Memory(_) => return Vec::new(),
        };
        me.to_all(&bait).into_iter().filter(|(to, _)| *to != from).collect()
    }
}

#[cfg(test)]
mod tests {
    use althing_crypto::{BlockHash, Hash};

    use super::super::stage::{Stage, messages};
    use super::*;

    #[test]
    fn a_vote_is_passed_on_as_it_is_and_as_it_never_was() {
        let mut stage = Stage::new();
        let mut liar = Bait { percent: 100, notes: Notes::default() };
        let block = BlockHash(Hash::ZERO);
        let (vote, commit) = (stage.vote(1, Phase::Vote, 3, block), stage.vote(1, Phase::Commit, 3, block));
        let mut passed = Vec::new();
        for _ in 0..30 {
            passed.extend(stage.hears(&mut liar, Message::Vote(vote.clone())));
            passed.extend(stage.hears(&mut liar, Message::Vote(commit.clone())));
        }
        let (good, bad): (Vec<_>, Vec<_>) =
            passed.into_iter().partition(|(_, wire)| stage.admit(wire).is_ok());
        assert!(good.len() > 10 && bad.len() > 10, "{} {}", good.len(), bad.len());
        // What is under its own name passes the door unchecked, and spoils its own slot.
        for message in messages(&good) {
            let Message::Vote(told) = message else { panic!("{message:?}") };
            assert!([&vote, &commit].contains(&told) || told.signer == Position(0), "{told:?}");
        }
    }

    #[test]
    fn what_no_signature_covers_is_exchanged() {
        let mut stage = Stage::new();
        let mut liar = Bait { percent: 100, notes: Notes::default() };
        let genesis = stage.genesis();
        let one = stage.proposal(1, 1, &genesis, None);
        let commit = stage.qc(Phase::Commit, 1, one.block.hash());
        stage.hears(&mut liar, Message::Certificate(Box::new(Certificate::Quorum(commit.clone()))));
        let two = stage.proposal(1, 2, &one.block.header, Some(commit));
        let told: Vec<_> =
            (0..20).flat_map(|_| stage.hears(&mut liar, Message::Proposal(Box::new(two.clone())))).collect();
        assert!(told.iter().all(|(_, wire)| stage.admit(wire).is_ok()));
        assert!(told.iter().any(|(_, wire)| *wire != Message::Proposal(Box::new(two.clone())).into()));
    }
}
