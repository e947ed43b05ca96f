//! Rule R3: from a proposal to a vote.

use althing_crypto::{BlockHash, mutant};

use crate::block_tree::NoPath;
use crate::engine::validity::{self, Execute, Invalid};
use crate::engine::{Action, Engine, Event, Misdeed, Step};
use crate::{Certificate, Micros, Position, Proposal, SignRequest, Verified};

/// A proposal of the current view, on its way to a vote. One per sender.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Candidate {
    pub(super) proposal: Verified<Proposal>,
    pub(super) hash: BlockHash,
    /// When it arrived.
    pub(super) arrived: Micros,
    pub(super) stage: Stage,
    payload: PayloadCheck,
}

/// How far a candidate is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Stage {
    /// Its parent is awaited.
    New,
    /// By the view's leader, and valid but for payload, clock and execution, which are awaited.
    Valid,
    /// A vote was asked for.
    Voted,
    /// It gets no vote.
    Refused,
}

impl Stage {
    /// Whether it counts as a valid proposal of its view.
    pub(super) fn is_live(self) -> bool {
        matches!(self, Self::Valid | Self::Voted)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum PayloadCheck {
    Unasked,
    Asked,
    Good,
}

impl Engine {
    /// R3, first half: takes in the proposal's certificates, which may enter its view, and gives it its sender's slot.
    pub(super) fn proposal_arrived(&mut self, step: &mut Step, proposal: Verified<Proposal>) {
        if proposal.block.header.epoch != self.config.epoch {
            return;
        }
        for certificate in [
            proposal.justify().map(Verified::<Certificate>::from),
            proposal.tc().map(Verified::<Certificate>::from),
            proposal.commit().map(Verified::<Certificate>::from),
        ]
        .into_iter()
        .flatten()
        {
            self.take_certificate(step, certificate);
            if self.halted {
                return;
            }
        }
        let hash = proposal.block.hash();
        self.remember_proposal(step, &proposal, hash);
        if proposal.view < self.view {
            return self.late_proposal(step, &proposal, hash);
        }
        if proposal.view == self.view && !self.candidates.contains_key(&proposal.signer) {
            let candidate = Candidate {
                hash,
                arrived: step.now.mono,
                stage: Stage::New,
                payload: PayloadCheck::Unasked,
                proposal: proposal.clone(),
            };
            self.candidates.insert(proposal.signer, candidate);
        }
    }

    /// A proposal that came after its view: its block is of use if it has been certified.
    fn late_proposal(&mut self, step: &mut Step, proposal: &Proposal, hash: BlockHash) {
        let certified = self.certified.get(&proposal.view).is_some_and(|qc| qc.block == hash);
        if (certified || self.wanted.contains_key(&hash)) && self.tree.get(&hash).is_none() {
            let block = Box::new(proposal.block.clone());
            step.act(Action::CheckPayload { block, proposer: proposal.signer });
            self.block_at_hand(step, hash, proposal.block.clone());
        }
    }

    /// R3, second half: moves every candidate on as far as it goes.
    pub(super) fn advance_candidates(&mut self, step: &mut Step) {
        self.timers.clock = None;
        let signers: Vec<Position> = self.candidates.keys().copied().collect();
        for signer in signers {
            if self.candidates[&signer].stage == Stage::New {
                self.examine(step, signer);
            }
            if self.candidates.get(&signer).is_some_and(|one| one.stage == Stage::Valid) {
                self.try_vote(step, signer);
            }
        }
    }

    /// Once its parent is at hand: whether it is the leader's, and valid.
    fn examine(&mut self, step: &mut Step, signer: Position) {
        let candidate = &self.candidates[&signer];
        let proposal = &candidate.proposal;
        let parent_hash = proposal.justify.as_ref().map_or(self.config.opening, |qc| qc.block);
        let Some(parent) = self.tree.get(&parent_hash) else {
            // Its proposer has it, too: those who signed the certificate that is held may all be out of reach.
            let mut from = proposal.justify.as_ref().map_or_else(Vec::new, |qc| self.holders(qc));
            if !from.contains(&signer) {
                from.push(signer);
            }
            return self.want(step, parent_hash, from);
        };
        match self.tree.path(&parent_hash) {
            Ok(_) => {}
            Err(NoPath::Missing(ancestor)) => return self.want(step, ancestor, self.everyone()),
            Err(NoPath::Fork) => {
                return self.pass(step, signer, "does not extend the committed block".into());
            }
        }
        let leads = self.leader_on(proposal.view, &parent_hash) == Some(signer);
        if !leads && !mutant!("proposer_unchecked") {
            return self.refuse(step, signer, Misdeed::BadProposal("not by the view's leader".into()));
        }
        if self.ends_epoch(&parent.header) && !mutant!("child_of_an_epoch_ending_block") {
            // Its validity was judged when it came first: a quorum has voted for it.
            if candidate.hash != parent_hash && !mutant!("another_end_at_the_height") {
                let reason = "its justify block ends the epoch, in which it has no children".to_owned();
                return self.refuse(step, signer, Misdeed::BadProposal(reason));
            }
            return self.set_stage(signer, Stage::Valid);
        }
        let carried = self.tree.txs_above(&parent_hash, proposal.block.header.vouched.height);
        let absent = if parent_hash == self.config.opening { &[][..] } else { &parent.header.absent };
        let justify_view = proposal.justify_view();
        let expected_absent = self.election().absent_after(absent, justify_view, proposal.view);
        let context = validity::Context {
            config: &self.config,
            parent: &parent.header,
            parent_hash,
            carried: &carried,
            counted: &self.counted,
            noticed: self.tree.notices_above_head(&parent_hash),
            absent: &expected_absent,
        };
        if let Err(Invalid(reason)) = validity::check(proposal, &context) {
            return self.refuse(step, signer, Misdeed::BadProposal(reason));
        }
        let (hash, block) = (candidate.hash, proposal.block.clone());
        self.tree.insert(hash, block);
        self.wanted.remove(&hash);
        self.set_stage(signer, Stage::Valid);
    }

    /// Votes, once payload, clock and execution allow it.
    fn try_vote(&mut self, step: &mut Step, signer: Position) {
        let candidate = self.candidates.get_mut(&signer).expect("listed");
        if candidate.payload == PayloadCheck::Unasked {
            candidate.payload = PayloadCheck::Asked;
            let block = Box::new(candidate.proposal.block.clone());
            step.act(Action::CheckPayload { block, proposer: signer });
        }
        let header = &candidate.proposal.block.header;
        let ahead = header.time_ms.saturating_sub(step.now.unix_ms);
        if ahead > self.config.params.max_time_ahead_ms {
            let reason = format!("its time is {ahead} ms ahead of this clock");
            return self.pass(step, signer, reason);
        }
        if ahead > 0 {
            self.timers.await_clock(step.now.mono.after(Micros::from_millis(ahead)));
            return;
        }
        let payload = candidate.payload;
        match self.executes(signer) {
            Execute::Unknown => return,
            Execute::Differs(reason) => return self.pass(step, signer, reason),
            Execute::Same => {}
        }
        let allowed = payload == PayloadCheck::Good
            && self.may_sign()
            && self.view > self.asked.vote
            && (self.view > self.asked.timeout || mutant!("vote_in_a_view_given_up"));
        if allowed {
            self.asked.vote = self.view;
            self.set_stage(signer, Stage::Voted);
            let proposal = self.candidates[&signer].proposal.clone();
            self.sign(step, SignRequest::Vote(Box::new(proposal)));
        }
    }

    /// Whether this node's own execution is what the candidate vouches for.
    fn executes(&self, signer: Position) -> Execute {
        let candidate = &self.candidates[&signer];
        let header = &candidate.proposal.block.header;
        if candidate.proposal.justify.as_ref().is_some_and(|qc| qc.block == candidate.hash) {
            // An epoch-ending block again: others have judged it.
            return Execute::Same;
        }
        let Some(parent) = self.tree.header(&header.parent) else { return Execute::Unknown };
        validity::execution(header, parent, self.executed, &self.executions)
    }

    /// A block may be at hand in several proposals, as anyone can sign a copy of the leader's: the verdict is for those in whose turn
    /// it was asked.
    pub(super) fn payload_checked(&mut self, step: &mut Step, block: BlockHash, verdict: Result<(), String>) {
        let asked = |one: &Candidate| one.hash == block && one.payload == PayloadCheck::Asked;
        let signers: Vec<Position> =
            self.candidates.iter().filter(|(_, one)| asked(one)).map(|(signer, _)| *signer).collect();
        for signer in signers {
            match &verdict {
                Ok(()) => self.candidates.get_mut(&signer).expect("found").payload = PayloadCheck::Good,
                Err(reason) => self.refuse(step, signer, Misdeed::BadProposal(reason.clone())),
            }
        }
    }

    fn set_stage(&mut self, signer: Position, stage: Stage) {
        self.candidates.get_mut(&signer).expect("listed").stage = stage;
    }

    /// No vote, for a reason that lies with this node's own state.
    fn pass(&mut self, step: &mut Step, signer: Position, reason: String) {
        self.set_stage(signer, Stage::Refused);
        step.emit(Event::ProposalRefused { view: self.view, reason });
    }

    /// No vote, for what no correct leader does.
    fn refuse(&mut self, step: &mut Step, signer: Position, misdeed: Misdeed) {
        if let Misdeed::BadProposal(reason) = &misdeed {
            step.emit(Event::ProposalRefused { view: self.view, reason: reason.clone() });
        }
        self.set_stage(signer, Stage::Refused);
        if Some(signer) != self.config.me {
            step.act(Action::Penalise(signer, misdeed));
        }
    }
}
