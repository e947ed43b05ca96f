use std::collections::BTreeSet;

use althing_crypto::bls::BLS;

use super::*;
use crate::light::{EpochEnd, Seal, SetChange, Trail};
use crate::testing::{CHAIN, Chain};
use crate::{
    ConsensusParams, Header, Phase, Position, QuorumCertificate, TimeoutCertificate, View, epoch_hash,
};

/// Two blocks of height 1: one in the midst of the epoch, committed in view 2, and one that ends it.
struct Fork {
    chain: Chain,
    params: ConsensusParams,
    middle: Header,
    end: Header,
    change: SetChange,
}

impl Fork {
    fn new() -> Self {
        let (chain, params) = (Chain::new(&BLS, &[1; 4]), ConsensusParams::default());
        let next = ConsensusParams { heartbeat_ms: 99, ..params.clone() };
        let change = SetChange::between((&chain.set, &params), (&chain.set, &next));
        let mut middle = crate::testing::block(2, None, 0).header;
        middle.height = crate::Height(1);
        middle.vouched.next_epoch = epoch_hash(&chain.set, &params);
        let mut end = crate::testing::block(1, None, 1).header;
        end.vouched.next_epoch = epoch_hash(&chain.set, &next);
        Self { chain, params, middle, end, change }
    }

    fn genesis(&self) -> Trail {
        Trail::genesis(CHAIN, self.chain.set.clone(), self.params.clone())
    }

    fn votes(&self, header: &Header, view: u64, signers: &[u16]) -> QuorumCertificate {
        self.chain.qc(Phase::Vote, view, header.hash(), signers)
    }

    fn commit(&self, header: &Header, view: u64, signers: &[u16]) -> QuorumCertificate {
        self.chain.qc(Phase::Commit, view, header.hash(), signers)
    }

    fn tc(&self, view: u64, signers: &[u16], named: &QuorumCertificate) -> TimeoutCertificate {
        let named_by: Vec<(u16, u64)> = signers.iter().map(|signer| (*signer, named.view.0)).collect();
        self.chain.tc(view, &named_by, Some(named.clone()))
    }

    /// The chain that has the block in the midst.
    fn first(&self, commit: QuorumCertificate, votes: Option<QuorumCertificate>) -> Dossier {
        let (header, proposals) = (self.middle.clone(), Vec::new());
        Dossier { ends: Vec::new(), links: vec![Link { header, commit: Some(commit), votes, proposals }] }
    }

    /// The chain that ends its epoch.
    fn second(&self, commit: &QuorumCertificate, proposals: Vec<Justification>) -> Dossier {
        let end =
            EpochEnd { header: self.end.clone(), seal: Seal::from(commit), change: self.change.clone() };
        let (header, commit) = (self.end.clone(), Some(commit.clone()));
        Dossier { ends: vec![end], links: vec![Link { header, commit, votes: None, proposals }] }
    }

    fn audit(&self, first: &Dossier, second: &Dossier) -> Report {
        let report = audit(&self.genesis(), first, second, &[]).unwrap();
        let turned = audit(&self.genesis(), second, first, &[]).unwrap();
        assert_eq!((&report.culprits, &report.missing), (&turned.culprits, &turned.missing));
        assert!(report.conflict.as_ref().is_some_and(|conflict| conflict.from_here));
        report
    }
}

fn named(positions: &[u16]) -> BTreeSet<Position> {
    positions.iter().copied().map(Position).collect()
}

fn again(view: u64, justify: &QuorumCertificate, tc: TimeoutCertificate) -> Justification {
    Justification { view: View(view), justify: Some(justify.clone()), tc: Some(tc) }
}

#[test]
fn of_a_block_that_came_again_the_first_view_counts_in_which_the_other_was_forgotten() {
    let fork = Fork::new();
    let first = fork.first(fork.commit(&fork.middle, 2, &[0, 1, 2]), None);
    // Certified in view 1, again in view 3, and committed in view 5: who lets it come in view 3 forgets the commit of view 2.
    let (early, late) = (fork.votes(&fork.end, 1, &[1, 2, 3]), fork.votes(&fork.end, 3, &[0, 1, 3]));
    let third = again(3, &early, fork.tc(2, &[0, 1, 3], &early));
    let fifth = again(5, &late, fork.tc(4, &[1, 2, 3], &late));
    let commit = fork.commit(&fork.end, 5, &[1, 2, 3]);
    let report = fork.audit(&first, &fork.second(&commit, vec![third.clone(), fifth.clone()]));
    assert_eq!(report.culprits, named(&[0, 1]));
    assert!(report.is_complete() && report.missing.is_empty());
    assert_eq!(report.proofs.iter().map(|proof| proof.kind).collect::<Vec<_>>(), [Kind::ForgottenCommitVote]);

    for (kept, view) in [(vec![third], 5), (vec![fifth], 3), (Vec::new(), 5)] {
        let report = fork.audit(&first, &fork.second(&commit, kept));
        if view == 5 && report.is_complete() {
            // The pair is there all the same.
            assert_eq!(report.culprits, named(&[0, 1]));
            continue;
        }
        assert!(report.culprits.is_empty());
        let [missing] = &report.missing[..] else { panic!("{:?}", report.missing) };
        assert!(missing.contains(&format!("could be proposed in view {view}")), "{missing}");
    }
}

#[test]
fn votes_stand_against_votes_and_commit_votes_against_commit_votes() {
    let fork = Fork::new();
    let commit = fork.commit(&fork.middle, 2, &[0, 1, 2]);
    let report = fork.audit(
        &fork.first(commit.clone(), None),
        &fork.second(&fork.commit(&fork.end, 2, &[1, 2, 3]), Vec::new()),
    );
    assert_eq!((report.culprits, report.proofs[0].kind), (named(&[1, 2]), Kind::DoubleCommitVote));

    // Of the end, only votes of view 2 are known; those who commit-voted for the other block may be innocent.
    let votes = fork.votes(&fork.end, 2, &[1, 2, 3]);
    let later = fork.commit(&fork.end, 3, &[1, 2, 3]);
    let came = Justification { view: View(3), justify: Some(votes), tc: None };
    let second = fork.second(&later, vec![came]);
    let report = fork.audit(&fork.first(commit.clone(), None), &second);
    assert!(report.culprits.is_empty());
    let missing = format!("the certificate of votes of view 2 for block {}", fork.middle.hash());
    assert!(report.missing.len() == 1 && report.missing[0].starts_with(&missing), "{:?}", report.missing);
    let votes = fork.votes(&fork.middle, 2, &[0, 2, 3]);
    let report = fork.audit(&fork.first(commit, Some(votes)), &second);
    assert_eq!((report.culprits, report.proofs[0].kind), (named(&[2, 3]), Kind::DoubleVote));
}

#[test]
fn what_does_not_verify_convicts_nobody() {
    let fork = Fork::new();
    let first = fork.first(fork.commit(&fork.middle, 2, &[0, 1, 2]), None);
    let early = fork.votes(&fork.end, 1, &[1, 2, 3]);
    let mut tc = fork.tc(2, &[0, 1, 3], &early);
    tc.signers = [0, 1, 2, 3].into_iter().map(Position).collect();
    tc.high_views.push(View(1));
    let commit = fork.commit(&fork.end, 3, &[1, 2, 3]);
    let report = fork.audit(&first, &fork.second(&commit, vec![again(3, &early, tc)]));
    assert!(report.culprits.is_empty());
    assert!(report.missing[0].contains("the timeout certificate of view 2"), "{:?}", report.missing);

    // Nor does a block that nobody committed part two chains.
    let uncommitted = fork.first(fork.commit(&fork.middle, 2, &[0, 1]), None);
    let report = audit(&fork.genesis(), &uncommitted, &fork.second(&commit, Vec::new()), &[]).unwrap();
    assert!(report.conflict.is_none() && report.culprits.is_empty());
    assert!(
        report.missing[0].starts_with("first chain: a certificate that commits its block 1"),
        "{:?}",
        report.missing
    );
}

#[test]
fn a_dossier_that_is_not_of_a_chain_is_refused() {
    let fork = Fork::new();
    let commit = fork.commit(&fork.end, 2, &[0, 1, 2]);
    let good = fork.second(&commit, Vec::new());
    let mut gap = good.clone();
    gap.links.push(gap.links[0].clone());
    let said = audit(&fork.genesis(), &good, &gap, &[]).unwrap_err().to_string();
    assert_eq!(said, "second chain: header 1 does not follow header 1");
    let mut forged = good.clone();
    forged.ends[0].seal.view = View(3);
    let said = audit(&fork.genesis(), &forged, &fork.first(commit, None), &[]).unwrap_err().to_string();
    assert!(said.starts_with("first chain: commit certificate of epoch 1, height 1:"), "{said}");
}
