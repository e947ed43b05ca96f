//! Rules E1–E4: two messages that no correct validator signs both of. Whatever looks so goes to be verified, each message
//! alone, once per view, validator and kind.

use std::collections::BTreeSet;

use althing_crypto::{BlockHash, mutant};

use crate::engine::{Action, Engine, Event, Misdeed, Step};
use crate::{Evidence, Phase, Position, Proposal, TimeoutVote, View, Vote};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Kind {
    Votes(Phase),
    Proposals,
    CommitAndTimeout,
    VoteAndTimeout,
}

/// What is being verified, and what was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Accusations(BTreeSet<(View, Position, Kind)>);

impl Accusations {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn prune(&mut self, low: View) {
        self.0.retain(|(view, ..)| *view >= low);
    }
}

/// What evidence is for once: the view, the member, and how it contradicts itself.
fn charge(evidence: &Evidence) -> (View, Position, Kind) {
    match evidence {
        Evidence::Votes(_, vote) => (vote.view, vote.signer, Kind::Votes(vote.phase)),
        Evidence::Proposals { signer, second: (statement, _), .. } => {
            (statement.view, *signer, Kind::Proposals)
        }
        Evidence::CommitAndTimeout(vote, _) => (vote.view, vote.signer, Kind::CommitAndTimeout),
        Evidence::VoteAndTimeout(vote, ..) => (vote.view, vote.signer, Kind::VoteAndTimeout),
    }
}

impl Engine {
    fn accuse(&mut self, step: &mut Step, evidence: Evidence) {
        let charge = charge(&evidence);
        if Some(charge.1) != self.config.me && self.accusations.0.insert(charge) {
            step.act(Action::CheckEvidence(Box::new(evidence)));
        }
    }

    /// One of the two messages is not signed as it should be. It came from its signer itself, as the door checks what others pass on:
    /// who spoils its own words is not shielded by that from what it signs well.
    pub(super) fn evidence_checked(&mut self, step: &mut Step, evidence: Box<Evidence>, holds: bool) {
        if holds {
            return step.emit(Event::Misbehaviour(evidence));
        }
        if evidence.epoch() != self.config.epoch {
            return;
        }
        let charge = charge(&evidence);
        self.accusations.0.remove(&charge);
        step.act(Action::Penalise(charge.1, Misdeed::BadSignature));
    }

    /// E1: two votes, or two commit votes, of one view for different blocks.
    pub(super) fn accuse_votes(&mut self, step: &mut Step, first: Vote, second: Vote) {
        self.accuse(step, Evidence::Votes(first, second));
    }

    /// E2: two proposals of one view for different blocks. Remembers the newer one.
    pub(super) fn remember_proposal(&mut self, step: &mut Step, proposal: &Proposal, hash: BlockHash) {
        let signer = proposal.signer;
        let newest = self.memories.entry(signer).or_default();
        let held = newest.proposal.clone();
        let held_view = held.as_ref().map_or(View(0), |(statement, _)| statement.view);
        if proposal.view > held_view {
            newest.proposal = Some((proposal.statement(), proposal.signature));
        } else if let Some(first) = held
            .filter(|(statement, _)| statement.view == proposal.view && statement.block != hash)
            .filter(|_| !mutant!("double_proposal_missed"))
        {
            let second = (proposal.statement(), proposal.signature);
            self.accuse(step, Evidence::Proposals { signer, first, second });
        }
    }

    /// E3 and E4, when the vote comes second.
    pub(super) fn accuse_vote_after_timeout(&mut self, step: &mut Step, vote: &Vote) {
        let timeout = self.memories.get(&vote.signer).and_then(|memory| memory.timeout.clone());
        if let Some(timeout) = timeout {
            self.accuse_pair(step, vote, &timeout);
        }
    }

    /// E3 and E4, when the timeout vote comes second.
    pub(super) fn accuse_timeout(&mut self, step: &mut Step, timeout: &TimeoutVote) {
        let votes: Vec<Vote> = self
            .votes
            .by(timeout.signer, Phase::Commit)
            .chain(self.votes.by(timeout.signer, Phase::Vote))
            .cloned()
            .collect();
        for vote in votes {
            self.accuse_pair(step, &vote, timeout);
        }
    }

    /// E3: a commit vote of view v beside a timeout vote of a view ≥ v that names a QC view below v.
    /// E4: a vote in view u for a header that justifies view v, beside one of a view ≥ u that names a QC view below v.
    fn accuse_pair(&mut self, step: &mut Step, vote: &Vote, timeout: &TimeoutVote) {
        if timeout.view < vote.view {
            return;
        }
        match vote.phase {
            Phase::Commit if timeout.high_view() < vote.view || mutant!("honest_timeout_convicted") => {
                self.accuse(step, Evidence::CommitAndTimeout(vote.clone(), timeout.into()));
            }
            Phase::Vote => {
                let header = self.tree.header(&vote.block).filter(|h| timeout.high_view() < h.justify_view);
                if let Some(header) = header.cloned() {
                    let header = Box::new(header);
                    self.accuse(step, Evidence::VoteAndTimeout(vote.clone(), header, timeout.into()));
                }
            }
            Phase::Commit => {}
        }
    }

    /// Keeps a member's newest vote of each phase, for when it asks.
    pub(super) fn remember_vote(&mut self, vote: &Vote) {
        let memory = self.memories.entry(vote.signer).or_default();
        let slot = match vote.phase {
            Phase::Vote => &mut memory.vote,
            Phase::Commit => &mut memory.commit_vote,
        };
        if slot.as_ref().is_none_or(|held| held.view < vote.view) {
            *slot = Some(vote.clone());
        }
    }

    /// Keeps a member's newest timeout vote, for when it asks.
    pub(super) fn remember_timeout(&mut self, timeout: &TimeoutVote) {
        let slot = &mut self.memories.entry(timeout.signer).or_default().timeout;
        let newer = |held: &TimeoutVote| (held.view, held.high_view()) < (timeout.view, timeout.high_view());
        if slot.as_ref().is_none_or(newer) {
            *slot = Some(timeout.clone());
        }
    }
}
