//! Pairs of certificates that convict whoever signed both.

use std::collections::{BTreeMap, BTreeSet};

use althing_crypto::{BlockHash, Encoding};

use crate::{Certificate, Door, Header, Phase, Position, QuorumCertificate, TimeoutCertificate, View};

/// What two certificates have in contradiction; the rules are those of single messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// E1: votes of one view for different blocks.
    DoubleVote,
    /// E1: commit votes of one view for different blocks.
    DoubleCommitVote,
    /// E3: a commit vote of view v beside a timeout vote of a view ≥ v that names a QC view below v.
    ForgottenCommitVote,
    /// E4: a vote in view u for a header that justifies view v, beside a timeout vote of a view ≥ u that names a QC view below v.
    ForgottenVote,
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::DoubleVote => "E1, two votes of one view",
            Self::DoubleCommitVote => "E1, two commit votes of one view",
            Self::ForgottenCommitVote => "E3, a commit vote and a timeout vote that forgets it",
            Self::ForgottenVote => "E4, a vote and a timeout vote that forgets what it was for",
        })
    }
}

/// Two certificates, both checked, and who signed both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contradiction {
    /// What is contradictory.
    pub kind: Kind,
    /// Those whom it convicts, ascending.
    pub members: Vec<Position>,
    /// The votes,
    pub first: QuorumCertificate,
    /// and what contradicts them.
    pub second: Certificate,
    /// For E4, the header that was voted for.
    pub header: Option<Header>,
}

/// Certificates of one phase, view and block by their encodings: aggregates of the same votes may have other signers.
type Same = BTreeMap<Vec<u8>, QuorumCertificate>;

/// Everything signed in one epoch that was found.
#[derive(Debug, Default)]
pub(super) struct Pool {
    quorums: BTreeMap<(Phase, View, BlockHash), Same>,
    timeouts: BTreeMap<View, BTreeMap<Vec<u8>, TimeoutCertificate>>,
    headers: BTreeMap<BlockHash, Header>,
}

impl Pool {
    pub(super) fn header(&mut self, header: &Header) {
        self.headers.insert(header.hash(), header.clone());
    }

    pub(super) fn quorum(&mut self, qc: &QuorumCertificate) {
        let same = self.quorums.entry((qc.phase, qc.view, qc.block)).or_default();
        same.insert(qc.encode(), qc.clone());
    }

    pub(super) fn timeout(&mut self, tc: &TimeoutCertificate) {
        self.timeouts.entry(tc.view).or_default().insert(tc.encode(), tc.clone());
        tc.high_qc.iter().for_each(|qc| self.quorum(qc));
    }

    /// Whether there is a certificate of this phase and view for this block.
    pub(super) fn has(&self, phase: Phase, view: View, block: BlockHash) -> bool {
        self.quorums.contains_key(&(phase, view, block))
    }

    /// Who signed a certificate of this phase and view for this block, by those at hand.
    pub(super) fn signers(&self, phase: Phase, view: View, block: BlockHash) -> BTreeSet<Position> {
        let same = self.quorums.get(&(phase, view, block)).into_iter().flat_map(BTreeMap::values);
        same.flat_map(|qc| qc.signers.iter()).collect()
    }

    /// Contradictions among what was signed in views from this one on, as few as name all whom they convict. What does not verify
    /// convicts nobody, and is left out before it is paired: forged certificates may be many.
    pub(super) fn contradictions(&self, door: &Door, from: View) -> Vec<Contradiction> {
        let mut suspected = self.double(door, from);
        suspected.extend(self.forgotten(door, from));
        // Those that convict most come first; the sort is stable, and all before it in order.
        suspected.sort_by_key(|one| std::cmp::Reverse(one.members.len()));
        let (mut named, mut found) = (BTreeSet::new(), Vec::new());
        for one in suspected {
            let adds = one.members.iter().any(|member| !named.contains(member));
            if adds && door.verify_quorum(&one.first).is_ok() {
                named.extend(one.members.iter().copied());
                found.push(one);
            }
        }
        found
    }

    fn double(&self, door: &Door, from: View) -> Vec<Contradiction> {
        let mut views: BTreeMap<(Phase, View), Vec<&Same>> = BTreeMap::new();
        for ((phase, view, _), same) in self.quorums.iter().filter(|((_, view, _), _)| *view >= from) {
            views.entry((*phase, *view)).or_default().push(same);
        }
        let mut found = Vec::new();
        for ((phase, _), blocks) in views.into_iter().filter(|(_, blocks)| blocks.len() > 1) {
            let kind = match phase {
                Phase::Vote => Kind::DoubleVote,
                Phase::Commit => Kind::DoubleCommitVote,
            };
            let good =
                blocks.into_iter().flat_map(BTreeMap::values).filter(|qc| door.verify_quorum(qc).is_ok());
            let good: Vec<&QuorumCertificate> = good.collect();
            for (index, first) in good.iter().enumerate() {
                let signed: BTreeSet<Position> = first.signers.iter().collect();
                for second in good[index + 1..].iter().filter(|second| second.block != first.block) {
                    let members = second.signers.iter().filter(|one| signed.contains(one)).collect();
                    let second = Certificate::Quorum((*second).clone());
                    found.extend(suspicion(kind, members, first, second, None));
                }
            }
        }
        found
    }

    fn forgotten(&self, door: &Door, from: View) -> Vec<Contradiction> {
        let given_up = self.timeouts.range(from..).flat_map(|(_, same)| same.values());
        let given_up: Vec<&TimeoutCertificate> =
            given_up.filter(|tc| door.verify_timeout_certificate(tc).is_ok()).collect();
        let mut found = Vec::new();
        for ((phase, view, block), same) in self.quorums.iter().filter(|((_, view, _), _)| *view >= from) {
            let (kind, held, header) = match (phase, self.headers.get(block)) {
                (Phase::Commit, _) => (Kind::ForgottenCommitVote, *view, None),
                (Phase::Vote, Some(header)) => (Kind::ForgottenVote, header.justify_view, Some(header)),
                (Phase::Vote, None) => continue,
            };
            let later: Vec<(&TimeoutCertificate, BTreeSet<Position>)> = given_up
                .iter()
                .filter(|tc| tc.view >= *view)
                .map(|tc| {
                    let named = tc.signers.iter().zip(&tc.high_views);
                    (*tc, named.filter(|(_, named)| **named < held).map(|(signer, _)| signer).collect())
                })
                .filter(|(_, forgot): &(_, BTreeSet<Position>)| !forgot.is_empty())
                .collect();
            // Of what a file's author has forged, each is checked once, before it is paired with anything.
            let convicts = |qc: &&QuorumCertificate| {
                let signed = |forgot: &BTreeSet<Position>| qc.signers.iter().any(|one| forgot.contains(&one));
                later.iter().any(|(_, forgot)| signed(forgot)) && door.verify_quorum(qc).is_ok()
            };
            for qc in same.values().filter(convicts) {
                for (tc, forgot) in &later {
                    let members = qc.signers.iter().filter(|one| forgot.contains(one)).collect();
                    let second = Certificate::Timeout((*tc).clone());
                    found.extend(suspicion(kind, members, qc, second, header));
                }
            }
        }
        found
    }
}

fn suspicion(
    kind: Kind,
    members: Vec<Position>,
    first: &QuorumCertificate,
    second: Certificate,
    header: Option<&Header>,
) -> Option<Contradiction> {
    let (first, header) = (first.clone(), header.cloned());
    (!members.is_empty()).then_some(Contradiction { kind, members, first, second, header })
}
