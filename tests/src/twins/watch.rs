//! What must hold at all times, judged from what correct members say and store. The rules are read anew from `PROTOCOL.md`: no
//! predicate of the code that is judged is called.

use std::collections::BTreeMap;

use althing_consensus::{
    Certificate, Message, Phase, Position, Proposal, QuorumCertificate, TimeoutCertificate, TimeoutVote,
    View, Vote,
};
use althing_crypto::BlockHash;

use super::Cast;
use crate::bare::{Member, Noted, Output, Wire};

/// What one correct key has signed.
#[derive(Clone, Debug, Default)]
struct Signed {
    proposals: BTreeMap<View, BlockHash>,
    votes: BTreeMap<View, BlockHash>,
    commit_votes: BTreeMap<View, BlockHash>,
    /// Given-up views with the QC views named.
    timeouts: Vec<(View, View)>,
}

/// What was seen of a run.
#[derive(Clone, Debug)]
pub struct Watch<'a> {
    cast: &'a Cast,
    /// The longest committed chain, from height 1.
    chain: Vec<BlockHash>,
    /// How much of it each correct member has committed.
    heights: Vec<usize>,
    /// The one block that each view certified.
    certified: BTreeMap<View, BlockHash>,
    /// The highest view with a commit certificate that is below each one given up is found here.
    committed: BTreeMap<View, BlockHash>,
    /// The lowest QC view that a TC of each view names at best.
    named: BTreeMap<View, View>,
    /// The view of the QC that each proposed block is built on.
    justified: BTreeMap<BlockHash, View>,
    signed: Vec<Signed>,
}

impl<'a> Watch<'a> {
    /// Nothing seen.
    pub fn new(cast: &'a Cast) -> Self {
        let correct = cast.correct().len();
        Self {
            cast,
            chain: Vec::new(),
            heights: vec![0; correct],
            certified: BTreeMap::new(),
            committed: BTreeMap::new(),
            named: BTreeMap::new(),
            justified: BTreeMap::new(),
            signed: vec![Signed::default(); correct],
        }
    }

    /// The committed height.
    pub fn commits(&self) -> u64 {
        self.chain.len() as u64
    }

    /// An instance has made a step.
    pub fn stepped(&mut self, instance: usize, member: &Member, outputs: &[Output]) -> Result<(), String> {
        for output in outputs {
            if let Output::Send(_, wire) = output
                && let Wire::Consensus(Message::Proposal(proposal)) = &**wire
            {
                self.justified.insert(proposal.block.hash(), proposal.justify_view());
            }
        }
        if !self.cast.correct().contains(&instance) {
            return Ok(());
        }
        let at_fault = |what: String| format!("member {instance}: {what}");
        for output in outputs {
            match output {
                Output::Send(_, wire) => self.sent(instance, wire).map_err(at_fault)?,
                Output::Note(noted) => self.noted(noted).map_err(at_fault)?,
            }
        }
        if member.durable().chain.len() > self.heights[instance] {
            self.commit(instance, member).map_err(at_fault)?;
        }
        Ok(())
    }

    /// Committed prefixes are equal.
    fn commit(&mut self, instance: usize, member: &Member) -> Result<(), String> {
        let durable = member.durable();
        for (index, stored) in durable.chain.iter().enumerate().skip(self.heights[instance]) {
            match self.chain.get(index) {
                Some(held) if *held != stored.hash => {
                    let (height, ours) = (index + 1, stored.hash);
                    return Err(format!("fork: commits {ours} at height {height}, another {held}"));
                }
                Some(_) => {}
                None => self.chain.push(stored.hash),
            }
        }
        self.heights[instance] = durable.chain.len();
        let certificate = durable.certificate.as_ref().ok_or("a chain without a certificate")?;
        self.quorum_certificate(certificate)
    }

    /// What a correct member notes can only be about twins.
    fn noted(&self, noted: &Noted) -> Result<(), String> {
        let correct = |position: &Position| self.cast.is_correct(*position);
        match noted {
            Noted::Rejected(peer, _) | Noted::Penalised(peer, _) if !correct(peer) => Ok(()),
            Noted::Convicted(evidence) if !correct(&evidence.signer()) => Ok(()),
            _ => Err(format!("notes {noted:?}")),
        }
    }

    fn sent(&mut self, instance: usize, wire: &Wire) -> Result<(), String> {
        let Wire::Consensus(message) = wire else { return Ok(()) };
        let own = |signer: Position| usize::from(signer.0) == instance;
        match message {
            Message::Proposal(proposal) => {
                self.proposal_certificates(proposal)?;
                if own(proposal.signer) {
                    let signed = &mut self.signed[instance].proposals;
                    once(signed, "proposals", proposal.view, proposal.block.hash())?;
                }
                Ok(())
            }
            Message::Vote(vote) if own(vote.signer) => self.vote(instance, vote),
            Message::Timeout(timeout) => {
                timeout.high_qc.iter().try_for_each(|qc| self.quorum_certificate(qc))?;
                timeout.entry.iter().try_for_each(|entry| self.certificate(entry))?;
                if own(timeout.signer) { self.timeout(instance, timeout) } else { Ok(()) }
            }
            Message::Certificate(certificate) => self.certificate(certificate),
            Message::Vote(_) | Message::Status(_) | Message::Memory(_) => Ok(()),
        }
    }

    /// One vote of a phase a view; no new one for a view that was given up; none that an earlier timeout vote contradicts.
    fn vote(&mut self, instance: usize, vote: &Vote) -> Result<(), String> {
        let signed = &mut self.signed[instance];
        let (kind, votes) = match vote.phase {
            Phase::Vote => ("votes", &mut signed.votes),
            Phase::Commit => ("commit votes", &mut signed.commit_votes),
        };
        let first = once(votes, kind, vote.view, vote.block)?;
        let given_up = signed.timeouts.iter().find(|(view, _)| *view >= vote.view);
        match given_up.filter(|_| first) {
            Some((view, _)) => {
                Err(format!("signs one of its {kind}, of view {}, after it gave up view {view}", vote.view))
            }
            None => Ok(()),
        }
    }

    /// A timeout vote names a QC at least as high as those that the key has shown by its votes to hold.
    fn timeout(&mut self, instance: usize, timeout: &TimeoutVote) -> Result<(), String> {
        let signed = &mut self.signed[instance];
        let (view, named) = (timeout.view, timeout.high_qc.as_ref().map_or(View(0), |qc| qc.view));
        if signed.timeouts.contains(&(view, named)) {
            return Ok(());
        }
        let commit_voted = signed.commit_votes.range(..=view).next_back().map(|(of, _)| *of);
        let justified = signed.votes.range(..=view).filter_map(|(_, block)| self.justified.get(block)).max();
        let shown = commit_voted.into_iter().chain(justified.copied()).max().unwrap_or_default();
        signed.timeouts.push((view, named));
        if named < shown {
            return Err(format!(
                "gives up view {view} naming QC {named}, and has shown that it holds {shown}"
            ));
        }
        Ok(())
    }

    fn proposal_certificates(&mut self, proposal: &Proposal) -> Result<(), String> {
        let Proposal { justify, tc, commit, .. } = proposal;
        justify.iter().chain(commit).try_for_each(|qc| self.quorum_certificate(qc))?;
        tc.iter().try_for_each(|tc| self.timeout_certificate(tc))
    }

    fn certificate(&mut self, certificate: &Certificate) -> Result<(), String> {
        match certificate {
            Certificate::Quorum(qc) => self.quorum_certificate(qc),
            Certificate::Timeout(tc) => self.timeout_certificate(tc),
        }
    }

    /// A view certifies one block; three of four sign; no TC at or above a committed view misses it.
    fn quorum_certificate(&mut self, qc: &QuorumCertificate) -> Result<(), String> {
        let (view, block) = (qc.view, qc.block);
        three_of_four(qc.signers.iter().count(), "certificate", view)?;
        once(&mut self.certified, "certificates", view, block)?;
        if qc.phase == Phase::Commit && self.committed.insert(view, block).is_none() {
            let missing = self.named.range(view..).find(|(_, named)| **named < view);
            if let Some((of, named)) = missing {
                return Err(format!("view {view} is committed, and the TC of {of} names only {named}"));
            }
        }
        Ok(())
    }

    fn timeout_certificate(&mut self, tc: &TimeoutCertificate) -> Result<(), String> {
        three_of_four(tc.signers.iter().count(), "TC", tc.view)?;
        tc.high_qc.iter().try_for_each(|qc| self.quorum_certificate(qc))?;
        let best = tc.high_views.iter().copied().max().unwrap_or_default();
        let lowest = self.named.entry(tc.view).or_insert(best);
        *lowest = best.min(*lowest);
        match self.committed.range(..=tc.view).next_back().filter(|(view, _)| **view > best) {
            Some((view, _)) => {
                Err(format!("the TC of {} names only {best}, and view {view} is committed", tc.view))
            }
            None => Ok(()),
        }
    }
}

/// Whether it is the first of its view; an error if it is another than the first.
fn once(
    seen: &mut BTreeMap<View, BlockHash>,
    what: &str,
    view: View,
    block: BlockHash,
) -> Result<bool, String> {
    match seen.insert(view, block) {
        Some(held) if held != block => Err(format!("two {what} of view {view}: for {held} and for {block}")),
        held => Ok(held.is_none()),
    }
}

fn three_of_four(signers: usize, what: &str, view: View) -> Result<(), String> {
    if (3..=4).contains(&signers) {
        return Ok(());
    }
    Err(format!("a {what} of view {view} with {signers} signers of four"))
}
