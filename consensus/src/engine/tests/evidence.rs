//! E1–E4, and what convicts nobody.

use super::*;

fn accused(actions: &[Action]) -> Vec<crate::Evidence> {
    let evidence = |action: &Action| match action {
        Action::CheckEvidence(evidence) => Some((**evidence).clone()),
        _ => None,
    };
    actions.iter().filter_map(evidence).collect()
}

#[test]
fn two_votes_of_one_view_for_different_blocks_are_evidence_once() {
    for phase in [Phase::Vote, Phase::Commit] {
        let mut f = Fixture::started(0);
        let blocks = [1, 2, 3].map(|tx| f.block(1, &f.genesis, None, &[tx]).hash());
        let votes = blocks.map(|block| vote(phase, 1, block, 3));
        assert_eq!(f.receive(3, Admitted::Vote(votes[0].clone())), []);
        let actions = f.receive(3, Admitted::Vote(votes[1].clone()));
        assert_eq!(accused(&actions), [crate::Evidence::Votes(votes[0].clone(), votes[1].clone())]);
        assert_eq!(f.receive(3, Admitted::Vote(votes[2].clone())), [], "once a view, validator and kind");
    }
}

#[test]
fn a_forged_vote_of_its_own_shields_no_double_vote() {
    let mut f = Fixture::started(0);
    let blocks = [1, 2, 3].map(|tx| f.block(1, &f.genesis, None, &[tx]).hash());
    let votes = blocks.map(|block| vote(Phase::Vote, 1, block, 3));
    f.receive(3, Admitted::Vote(votes[0].clone()));
    let forged = accused(&f.receive(3, Admitted::Vote(votes[1].clone()))).remove(0);
    assert_eq!(f.receive(3, Admitted::Vote(votes[2].clone())), [], "while one check is under way");
    let actions = f.step(Input::EvidenceChecked(Box::new(forged), false));
    assert_eq!(actions, [Action::Penalise(Position(3), Misdeed::BadSignature)]);
    let good = accused(&f.receive(3, Admitted::Vote(votes[2].clone()))).remove(0);
    assert_eq!(good, crate::Evidence::Votes(votes[0].clone(), votes[2].clone()));
    f.step(Input::EvidenceChecked(Box::new(good), true));
    assert_eq!(f.receive(3, Admitted::Vote(votes[1].clone())), [], "convicted once");
}

#[test]
fn two_proposals_of_one_view_are_evidence() {
    let mut f = Fixture::started(0);
    let proposals = [1, 2].map(|tx| {
        let mut proposal = f.proposal(f.block(1, &f.genesis, None, &[tx]), None, None);
        proposal.signer = Position(3);
        proposal
    });
    let [first, second] = proposals.map(Verified::trust);
    f.receive(3, Admitted::Proposal(first.clone()));
    let actions = f.receive(3, Admitted::Proposal(second.clone()));
    let signed = |p: &Proposal| (p.statement(), p.signature);
    let (first, second) = (signed(&first), signed(&second));
    assert_eq!(accused(&actions), [crate::Evidence::Proposals { signer: Position(3), first, second }]);
}

#[test]
fn a_commit_vote_beside_a_timeout_vote_that_denies_its_qc_is_evidence_in_either_order() {
    let high = |f: &Fixture| Some(qc(1, f.genesis.hash(), Phase::Vote));
    for vote_first in [true, false] {
        let mut f = Fixture::started(0);
        let commit = vote(Phase::Commit, 2, f.genesis.hash(), 3);
        let low = timeout(3, 3, high(&f), Some(tc(2, high(&f)).into()));
        let (first, second) = (Admitted::Vote(commit.clone()), Admitted::Timeout(low.clone()));
        let (first, second) = if vote_first { (first, second) } else { (second, first) };
        assert_eq!(accused(&f.receive(3, first)), []);
        let actions = f.receive(3, second);
        assert_eq!(accused(&actions), [crate::Evidence::CommitAndTimeout(commit, (&low).into())]);
    }
}

#[test]
fn a_vote_on_a_qc_beside_a_timeout_vote_that_denies_it_is_evidence() {
    let mut f = Fixture::started(0);
    let one = f.block(1, &f.genesis, None, &[]);
    f.receive(1, Admitted::Proposal(Verified::trust(f.proposal(one.clone(), None, None))));
    let qc1 = qc(1, one.hash(), Phase::Vote);
    f.certificate(qc1.clone());
    let two = f.block(2, &one, Some(&qc1), &[]);
    f.receive(1, Admitted::Proposal(Verified::trust(f.proposal(two.clone(), Some(qc1), None))));
    let cast = vote(Phase::Vote, 2, two.hash(), 3);
    f.receive(3, Admitted::Vote(cast.clone()));
    let low = timeout(3, 3, None, Some(tc(2, None).into()));
    let actions = f.receive(3, Admitted::Timeout(low.clone()));
    let evidence = crate::Evidence::VoteAndTimeout(cast, Box::new(two.header), (&low).into());
    assert_eq!(accused(&actions), [evidence]);
}

#[test]
fn what_correct_validators_do_is_no_evidence() {
    let mut f = Fixture::started(0);
    let block = f.block(1, &f.genesis, None, &[]).hash();
    let qc1 = qc(1, block, Phase::Vote);
    let table = [
        Admitted::Vote(vote(Phase::Vote, 1, block, 3)),
        Admitted::Vote(vote(Phase::Commit, 1, block, 3)),
        Admitted::Timeout(timeout(2, 3, Some(qc1.clone()), Some(qc1.clone().into()))),
        // Signed again with a higher high QC.
        Admitted::Timeout(timeout(3, 3, Some(qc1.clone()), Some(tc(2, Some(qc1)).into()))),
        Admitted::Vote(vote(Phase::Vote, 4, block, 3)),
    ];
    for message in table {
        assert_eq!(accused(&f.receive(3, message.clone())), [], "{message:?}");
    }
}
