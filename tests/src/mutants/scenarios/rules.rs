//! The safety rules alone, asked for anything in any order, with crashes between: what one key signs is held to the rules S1 to S7,
//! read anew, across all its runs.

use std::collections::BTreeMap;

use althing_consensus::{
    Block, Certificate, Phase, Position, Proposal, ProposalDraft, QuorumCertificate, SafetyRecord,
    SafetyRules, SignRequest, Signed, TimeoutVote, Verified, View, Vote,
};
use althing_crypto::{BlockHash, Encoding};

use super::Verdict;
use super::forge::Forge;
use crate::sim::Random;

const WALKS: u64 = 250;
const STEPS: usize = 80;
const VIEWS: u64 = 5;
const ME: Position = Position(1);

/// Random walks over requests and crashes.
pub(super) fn rules() -> Verdict {
    let forge = Forge::four();
    (0..WALKS)
        .try_for_each(|seed| Walk::new(&forge, seed).run().map_err(|what| format!("walk {seed}: {what}")))
}

/// Everything that the key has ever signed.
#[derive(Default)]
struct Ledger {
    proposals: BTreeMap<View, Proposal>,
    /// With the view of the justify QC.
    votes: BTreeMap<View, (Vote, View)>,
    commit_votes: BTreeMap<View, Vote>,
    timeouts: Vec<TimeoutVote>,
    floor: View,
}

struct Walk<'a> {
    forge: &'a Forge,
    random: Random,
    rules: SafetyRules,
    durable: SafetyRecord,
    resumed: bool,
    ledger: Ledger,
}

impl<'a> Walk<'a> {
    fn new(forge: &'a Forge, seed: u64) -> Self {
        let (setup, genesis) = (&forge.setup, forge.setup.genesis());
        let rules = SafetyRules::new_chain(
            setup.identity(ME).clone(),
            setup.key(ME).clone(),
            setup.chain_id().to_owned(),
            genesis.hash(),
            setup.set().clone(),
            genesis.header.vouched.next_epoch,
        );
        let durable = rules.record().clone();
        Self { forge, random: Random::new(seed), rules, durable, resumed: false, ledger: Ledger::default() }
    }

    fn run(&mut self) -> Verdict {
        for _ in 0..STEPS {
            match self.random.below(12) {
                0 => self.crash()?,
                1 => self.resume(),
                _ => self.ask()?,
            }
        }
        Ok(())
    }

    fn crash(&mut self) -> Verdict {
        let setup = &self.forge.setup;
        let bytes = self.durable.encode();
        let record = SafetyRecord::decode(&bytes).map_err(|error| error.to_string())?;
        let epoch_hash = setup.genesis().header.vouched.next_epoch;
        let again = SafetyRules::recover(
            setup.identity(ME).clone(),
            setup.key(ME).clone(),
            setup.chain_id(),
            setup.set().clone(),
            epoch_hash,
            record,
        );
        self.rules = again.map_err(|error| format!("the record that was written is refused: {error}"))?;
        self.resumed = false;
        Ok(())
    }

    fn resume(&mut self) {
        let floor = self.random.percent(10).then(|| View(self.random.between(1, VIEWS)));
        if let Some(record) = self.rules.resume(floor) {
            self.durable = record;
        }
        self.resumed = true;
        self.ledger.floor = self.ledger.floor.max(floor.unwrap_or_default());
    }

    fn ask(&mut self) -> Verdict {
        let Some(request) = self.request() else { return Ok(()) };
        let Ok((record, signed)) = self.rules.request(&request) else { return Ok(()) };
        if !self.resumed {
            return Err(format!("a {} was signed before signing was resumed", request.kind()));
        }
        if let Some(record) = record {
            self.durable = record;
        }
        self.judge(&request, signed)
    }

    fn view(&mut self, highest: u64) -> u64 {
        self.random.between(0, highest)
    }

    /// One of two blocks of a view; they differ in what they are made on.
    fn certificate(&mut self, view: u64, phase: Phase) -> QuorumCertificate {
        let block = BlockHash(althing_crypto::sha256(&[view as u8, self.random.below(2) as u8]));
        self.forge.qc(phase, view, block, &[0, 1, 2])
    }

    fn high_qc(&mut self, below: u64) -> Option<QuorumCertificate> {
        let view = self.view(below.saturating_sub(1));
        (view > 0).then(|| self.certificate(view, Phase::Vote))
    }

    fn tc(&mut self, view: u64) -> althing_consensus::TimeoutCertificate {
        let high_qc = self.high_qc(view);
        self.forge.unanimous_tc(view, high_qc)
    }

    fn request(&mut self) -> Option<SignRequest> {
        let view = self.random.between(1, VIEWS);
        Some(match self.random.below(4) {
            0 => {
                let proposal = self.proposal(view);
                SignRequest::Vote(Box::new(self.forge.verified_proposal(proposal)?))
            }
            1 => {
                let qc = self.certificate(view, Phase::Vote);
                SignRequest::CommitVote { qc: self.forge.verified_qc(&qc) }
            }
            2 => self.timeout(view),
            _ => {
                let Proposal { view, block, justify, tc, .. } = self.proposal(view);
                let justify = justify.map(|qc| self.forge.verified_qc(&qc));
                let tc = tc.map(|tc| self.forge.verified_tc(&tc));
                SignRequest::Propose(Box::new(ProposalDraft { view, block, justify, tc, commit: None }))
            }
        })
    }

    fn proposal(&mut self, view: u64) -> Proposal {
        let justify = self.high_qc(view);
        let tc = match self.random.below(4) {
            0 | 1 => None,
            2 => Some(self.tc(view.max(2) - 1)),
            _ => {
                let other = self.random.between(1, VIEWS);
                Some(self.tc(other))
            }
        };
        let genesis = self.forge.setup.genesis();
        let mut block: Block =
            self.forge.block(view, genesis, View(justify.as_ref().map_or(0, |qc| qc.view.0)), &[]);
        block.header.parent = justify.as_ref().map_or(genesis.hash(), |qc| qc.block);
        block.header.height.0 = view;
        block.header.time_ms = self.random.between(1, 2);
        self.forge.proposal(0, block, justify, tc)
    }

    fn timeout(&mut self, view: u64) -> SignRequest {
        let entry = match self.random.below(5) {
            0 => None,
            _ if view == 1 => None,
            1 | 2 => Some(Certificate::Timeout(self.tc(view - 1))),
            _ => {
                let phase = if self.random.percent(50) { Phase::Vote } else { Phase::Commit };
                Some(Certificate::Quorum(self.certificate(view - 1, phase)))
            }
        };
        let high_qc = self.high_qc(view + 1).map(|qc| self.forge.verified_qc(&qc));
        let entry = entry.map(|entry| match entry {
            Certificate::Quorum(qc) => Verified::<Certificate>::from(self.forge.verified_qc(&qc)),
            Certificate::Timeout(tc) => Verified::<Certificate>::from(self.forge.verified_tc(&tc)),
        });
        SignRequest::Timeout { view: View(view), high_qc, entry }
    }

    fn judge(&mut self, request: &SignRequest, signed: Signed) -> Verdict {
        let known = self.ledger.knows(&signed);
        if !known && request.view() <= self.ledger.floor {
            return Err(format!("a {} at or below the floor {}", request.kind(), self.ledger.floor));
        }
        match signed {
            _ if known => Ok(()),
            Signed::Proposal(proposal) => self.ledger.propose(proposal.into_inner()),
            Signed::Vote(vote) => match request {
                SignRequest::Vote(proposal) => self.ledger.vote(vote, proposal),
                _ => Err("a vote that nobody asked for".into()),
            },
            Signed::CommitVote(vote) => self.ledger.commit_vote(vote),
            Signed::Timeout(timeout) => self.ledger.time_out(timeout),
        }
    }
}

fn must(holds: bool, what: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(what()) }
}

impl Ledger {
    /// S2: the same again is the same bytes.
    fn knows(&self, signed: &Signed) -> bool {
        match signed {
            Signed::Proposal(one) => self.proposals.get(&one.view) == Some(one),
            Signed::Vote(one) => self.votes.get(&one.view).is_some_and(|(held, _)| held == one),
            Signed::CommitVote(one) => self.commit_votes.get(&one.view) == Some(one),
            Signed::Timeout(one) => self.timeouts.contains(one),
        }
    }

    fn timed_out(&self) -> View {
        self.timeouts.iter().map(|one| one.view).max().unwrap_or_default()
    }

    /// S3.
    fn propose(&mut self, proposal: Proposal) -> Verdict {
        let (view, last) = (proposal.view, self.proposals.keys().max().copied().unwrap_or_default());
        must(view > last, || format!("proposes in view {view} after view {last}"))?;
        justified(&proposal)?;
        self.proposals.insert(view, proposal);
        Ok(())
    }

    /// S4.
    fn vote(&mut self, vote: Vote, proposal: &Proposal) -> Verdict {
        let view = vote.view;
        let last = self.votes.keys().max().copied().unwrap_or_default();
        must(view > last, || format!("votes in view {view} after view {last}"))?;
        must(view > self.timed_out(), || {
            format!("votes in view {view}, having given up view {}", self.timed_out())
        })?;
        justified(proposal)?;
        self.votes.insert(view, (vote, proposal.justify_view()));
        Ok(())
    }

    /// S5.
    fn commit_vote(&mut self, vote: Vote) -> Verdict {
        let view = vote.view;
        let last = self.commit_votes.keys().max().copied().unwrap_or_default();
        must(view > last, || format!("commit-votes in view {view} after view {last}"))?;
        must(view > self.timed_out(), || {
            format!("commit-votes in view {view}, having given up view {}", self.timed_out())
        })?;
        self.commit_votes.insert(view, vote);
        Ok(())
    }

    /// S6: it names no QC below any that it was seen to hold.
    fn time_out(&mut self, timeout: TimeoutVote) -> Verdict {
        let (view, named) = (timeout.view, timeout.high_view());
        must(view >= self.timed_out(), || format!("gives up view {view} after view {}", self.timed_out()))?;
        let voted = self.votes.keys().max().copied().unwrap_or_default();
        must(view >= voted, || format!("gives up view {view}, having voted in view {voted}"))?;
        let entry = timeout.entry.as_ref().map_or(View(0), Certificate::view);
        must(entry.0 + 1 == view.0, || format!("gives up view {view}, entered by view {entry}"))?;
        must(named < view, || format!("gives up view {view} naming view {named}"))?;
        let shown = match &timeout.entry {
            Some(Certificate::Timeout(tc)) => tc.max_high_view(),
            Some(Certificate::Quorum(qc)) => qc.view,
            None => View(0),
        };
        let held = self
            .commit_votes
            .keys()
            .copied()
            .chain(self.votes.values().map(|(_, justify)| *justify))
            .chain(self.timeouts.iter().map(TimeoutVote::high_view))
            .chain([shown])
            .max()
            .unwrap_or_default();
        must(named >= held, || format!("gives up view {view} naming view {named}, but held {held}"))?;
        self.timeouts.push(timeout);
        Ok(())
    }
}

/// The justify QC is of the view before, or as high as all that the TC of the view before names.
fn justified(proposal: &Proposal) -> Verdict {
    let (view, justify) = (proposal.view.0, proposal.justify_view());
    let fits = match &proposal.tc {
        None => justify.0 + 1 == view,
        Some(tc) => tc.view.0 + 1 == view && tc.high_views.iter().all(|named| justify >= *named),
    };
    must(fits, || format!("signs for view {view} on a QC of view {justify} without a TC that allows it"))
}
