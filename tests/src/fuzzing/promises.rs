//! What three honest members promise, whatever happens to them.

use std::collections::BTreeMap;

use althing_consensus::{Height, Message, Phase, Position, SafetyRecord, TimeoutVote, View, Vote, view_of};
use althing_crypto::BlockHash;

use super::engine::ADVERSARY;
use crate::bare::{Member, Noted, Output, Wire};

/// Everything that was signed and committed so far.
#[derive(Default)]
pub(super) struct Promises {
    votes: BTreeMap<(Position, Phase, View), BlockHash>,
    proposals: BTreeMap<(Position, View), BlockHash>,
    /// The highest view that each has given up.
    given_up: BTreeMap<Position, View>,
    /// The highest QC view that each named in giving up a view.
    named: BTreeMap<(Position, View), View>,
    chain: Vec<BlockHash>,
    records: BTreeMap<Position, [View; 8]>,
    heights: BTreeMap<Position, Height>,
}

impl Promises {
    /// Looks at a member after a step, and at what came out of it.
    pub(super) fn stepped(&mut self, member: &Member, outputs: &[Output]) {
        self.record(member);
        self.commits(member);
        for output in outputs {
            match output {
                Output::Send(_, wire) => self.said(member.position(), wire),
                Output::Note(noted) => blameless(member.position(), noted),
            }
        }
    }

    /// A crash takes back nothing.
    pub(super) fn restarted(&mut self, member: &Member) {
        self.record(member);
        self.commits(member);
    }

    /// S1: no view of the durable record goes back.
    fn record(&mut self, member: &Member) {
        let now = views(&member.durable().record);
        let before = self.records.insert(member.position(), now).unwrap_or_default();
        let grown = before.iter().zip(&now).all(|(before, now)| before <= now);
        assert!(grown, "the record of member {} went from {before:?} to {now:?}", member.position());
    }

    /// R6: one chain for all, which only grows.
    fn commits(&mut self, member: &Member) {
        let durable = member.durable();
        let before = self.heights.insert(member.position(), durable.height()).unwrap_or_default();
        assert!(before <= durable.height(), "member {} lost committed blocks", member.position());
        for stored in &durable.chain[before.0 as usize..] {
            let index = stored.block.header.height.0 as usize - 1;
            match self.chain.get(index) {
                Some(committed) => assert_eq!(*committed, stored.hash, "two blocks at height {}", index + 1),
                None => self.chain.push(stored.hash),
            }
            let parent = index.checked_sub(1).map(|below| self.chain[below]);
            assert!(parent.is_none_or(|parent| stored.block.header.parent == parent));
        }
    }

    fn said(&mut self, from: Position, wire: &Wire) {
        let Wire::Consensus(message) = wire else { return };
        match message {
            Message::Vote(vote) if vote.signer == from => self.voted(vote),
            Message::Timeout(timeout) if timeout.signer == from => self.gave_up(timeout),
            Message::Proposal(proposal) if proposal.signer == from => {
                let hash = proposal.block.hash();
                let first = *self.proposals.entry((from, proposal.view)).or_insert(hash);
                assert_eq!(first, hash, "member {from} proposes twice in view {}", proposal.view);
            }
            _ => {}
        }
    }

    /// S4, S5: one block per view and phase, and nothing new in a view that was given up.
    fn voted(&mut self, vote: &Vote) {
        let Vote { signer, phase, view, block, .. } = vote;
        if let Some(first) = self.votes.get(&(*signer, *phase, *view)) {
            assert_eq!(first, block, "member {signer} votes twice in view {view} ({phase:?})");
            return;
        }
        let given_up = self.given_up.get(signer).copied().unwrap_or_default();
        assert!(*view > given_up, "member {signer} votes in view {view}, having given up {given_up}");
        let newest = self.votes.range((*signer, *phase, View(0))..=(*signer, *phase, View(u64::MAX)));
        assert!(newest.last().is_none_or(|((_, _, last), _)| last < view), "member {signer} votes backwards");
        self.votes.insert((*signer, *phase, *view), *block);
    }

    /// S6: the QC named never goes back, and is at least as high as what was commit-voted.
    fn gave_up(&mut self, timeout: &TimeoutVote) {
        let TimeoutVote { signer, view, .. } = timeout;
        let newest = self.given_up.entry(*signer).or_default();
        *newest = (*newest).max(*view);
        let named = timeout.high_view();
        let first = self.named.entry((*signer, *view)).or_insert(named);
        assert!(*first <= named, "member {signer} gives up view {view} again with an older QC");
        let commit_votes = (*signer, Phase::Commit, View(0))..=(*signer, Phase::Commit, *view);
        if let Some(((_, _, voted), _)) = self.votes.range(commit_votes).last()
            && *first == named
            && *newest == *view
        {
            assert!(*voted <= named, "member {signer} forgets the QC of view {voted}, which it commit-voted");
        }
    }
}

/// The numbers of a record that only grow.
fn views(record: &SafetyRecord) -> [View; 8] {
    [
        record.floor,
        record.proposed(),
        record.voted(),
        record.commit_voted(),
        record.timed_out(),
        record.high_view(),
        record.tc.as_ref().map_or(View(0), |tc| tc.view),
        view_of(record.commit.as_ref()),
    ]
}

/// Nobody finds fault with an honest member, and nobody stops: a third is not enough for that.
fn blameless(by: Position, noted: &Noted) {
    let innocent = match noted {
        Noted::Rejected(peer, _) | Noted::Penalised(peer, _) => *peer != ADVERSARY,
        Noted::Convicted(evidence) => evidence.signer() != ADVERSARY,
        Noted::Halted(_) | Noted::Stale => true,
        Noted::Refused(_) => false,
    };
    assert!(!innocent, "member {by}: {noted:?}");
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use althing_consensus::Epoch;
    use althing_crypto::{Hash, bls};

    use super::*;

    const HONEST: Position = Position(0);

    fn vote(phase: Phase, view: u64, block: u8) -> Message {
        let (epoch, view, block) = (Epoch(1), View(view), BlockHash(Hash::from_bytes([block; 32])));
        let signature = bls::Signature::from_bytes([0; 96]);
        Message::Vote(Vote { phase, epoch, view, block, signer: HONEST, signature })
    }

    fn gives_up(view: u64) -> Message {
        let signature = bls::Signature::from_bytes([0; 96]);
        let (epoch, view, signer) = (Epoch(1), View(view), HONEST);
        Message::Timeout(Box::new(TimeoutVote { epoch, view, signer, signature, high_qc: None, entry: None }))
    }

    /// Whether the promises stand after these messages of one member.
    fn kept(messages: &[Message]) -> bool {
        let mut promises = Promises::default();
        let mut said = |message: &Message| promises.said(HONEST, &Wire::Consensus(message.clone()));
        catch_unwind(AssertUnwindSafe(|| messages.iter().for_each(&mut said))).is_ok()
    }

    #[test]
    fn a_broken_promise_is_noticed() {
        let (first, again) = (vote(Phase::Vote, 3, 1), vote(Phase::Vote, 3, 1));
        assert!(kept(&[first.clone(), again, vote(Phase::Commit, 3, 1), vote(Phase::Vote, 4, 2)]));
        assert!(!kept(&[first.clone(), vote(Phase::Vote, 3, 2)]), "two votes in a view");
        assert!(!kept(&[first.clone(), vote(Phase::Vote, 2, 1)]), "a vote backwards");
        assert!(kept(&[first.clone(), gives_up(3), first]), "said again");
        assert!(!kept(&[gives_up(3), vote(Phase::Commit, 3, 1)]), "a vote in a view given up");
        assert!(!kept(&[vote(Phase::Commit, 3, 1), gives_up(4)]), "a commit-voted QC forgotten");
    }
}
