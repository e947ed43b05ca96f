//! V4, V8, V10, R2, W1: what blocks carry beside transactions counts as transactions do.

use super::*;
use crate::{Evidence, Notice, notices_root};

fn evidence(signer: u16) -> Notice {
    let blocks = [b"a", b"b"].map(|name| BlockHash(sha256(name)));
    let [one, other] = blocks.map(|block| vote(Phase::Vote, 1, block, signer));
    Notice::Evidence(Evidence::Votes(one, other))
}

fn with(mut block: Block, notices: Vec<Notice>) -> Block {
    block.header.evidence_root = notices_root(&notices);
    block.notices = notices;
    block
}

/// The reason that a first block with these notices is refused for, if it is.
fn refused(f: &mut Fixture, block: Block, justify: Option<QuorumCertificate>) -> Option<String> {
    let proposal = f.proposal(block, justify, None);
    let actions = f.receive(proposal.signer.0, Admitted::Proposal(Verified::trust(proposal)));
    actions.into_iter().find_map(|action| match action {
        Action::Penalise(_, Misdeed::BadProposal(reason)) => Some(reason),
        _ => None,
    })
}

/// Of the four one that leads neither view 1 nor view 2; blocks need not wait for execution.
fn voter() -> Fixture {
    let other = |f: &Fixture| {
        ![f.leader(1), f.leader(2)].map(|leader| Some(Position(leader))).contains(&f.engine.config.me)
    };
    let mut f = (0..4).map(Fixture::started).find(other).expect("two of four");
    f.engine.config.params.max_unexecuted_blocks = 8;
    f
}

/// A commit of this block by its commit certificate.
fn commit(f: &mut Fixture, block: &Block) {
    f.certificate(qc(block.header.view.0, block.hash(), Phase::Commit));
    assert_eq!(f.engine.committed().height, block.header.height);
}

#[test]
fn each_notice_once_in_time_and_under_the_root() {
    let block = |f: &Fixture| f.block(1, &f.genesis, None, &[]);
    let none = |f: &mut Fixture, block| assert_eq!(refused(f, block, None), None);
    let f = &mut voter();
    none(f, with(block(f), vec![evidence(1), evidence(2)]));
    let bad: [(&str, &dyn Fn(Block) -> Block); 4] = [
        ("evidence root", &|block| Block { notices: vec![evidence(1)], ..block }),
        ("evidence root", &|block| with(block, (0..17).map(evidence).collect())),
        ("a notice twice", &|block| with(block, vec![evidence(1), evidence(1)])),
        ("an epoch that its block may not speak of", &|block| {
            let Notice::Evidence(Evidence::Votes(mut one, mut other)) = evidence(1) else { unreachable!() };
            (one.epoch, other.epoch) = (Epoch(2), Epoch(2));
            with(block, vec![Notice::Evidence(Evidence::Votes(one, other))])
        }),
    ];
    for (reason, make) in &bad {
        let f = &mut voter();
        let block = make(block(f));
        let found = refused(f, block, None);
        assert!(found.as_ref().is_some_and(|found| found.contains(reason)), "{reason}: {found:?}");
    }
}

#[test]
fn what_an_ancestor_carries_no_block_carries_again() {
    for committed in [false, true] {
        let f = &mut voter();
        let one = with(f.block(1, &f.genesis, None, &[]), vec![evidence(1)]);
        assert_eq!(refused(f, one.clone(), None), None);
        let qc1 = qc(1, one.hash(), Phase::Vote);
        f.certificate(qc1.clone());
        if committed {
            commit(f, &one);
        }
        assert_eq!(f.engine.counted().holds(&evidence(1).id()), committed);
        let two = |notice| with(f.block(2, &one, Some(&qc1), &[]), vec![notice]);
        let (again, other) = (two(evidence(1)), two(evidence(2)));
        let found = refused(&mut f.clone(), again, Some(qc1.clone()));
        assert!(found.as_ref().is_some_and(|found| found.contains("a notice twice")), "{found:?}");
        assert_eq!(refused(f, other, Some(qc1)), None);
    }
}

#[test]
fn no_notices_while_too_many_blocks_are_not_executed() {
    let f = &mut voter();
    f.engine.config.params.max_unexecuted_blocks = 0;
    let one = f.block(1, &f.genesis, None, &[]);
    assert_eq!(refused(f, one.clone(), None), None);
    let qc1 = qc(1, one.hash(), Phase::Vote);
    f.certificate(qc1.clone());
    let two = with(f.block(2, &one, Some(&qc1), &[]), vec![evidence(1)]);
    let found = refused(f, two, Some(qc1));
    assert!(found.as_ref().is_some_and(|found| found.contains("are not executed")), "{found:?}");
}

#[test]
fn notices_alone_are_worth_a_block_and_a_closing_one() {
    // Some engine of the four leads view 1.
    let mut f =
        (0..4).map(Fixture::started).find(|f| Some(Position(f.leader(1))) == f.engine.config.me).unwrap();
    let actions = f.step(Input::Pending(true));
    let asked = actions.iter().find_map(|action| match action {
        Action::BuildPayload(build) => Some(build.clone()),
        _ => None,
    });
    let build = asked.expect("it leads, and something is pending");
    assert!(build.noticed.is_empty());
    let (view, parent) = (build.view, build.parent);
    let actions = f.step(Input::PayloadBuilt { view, parent, txs: Vec::new(), notices: vec![evidence(2)] });
    let proposed = actions.iter().find_map(|action| match action {
        Action::Sign { request, .. } => match &**request {
            SignRequest::Propose(draft) => Some(draft.block.clone()),
            _ => None,
        },
        _ => None,
    });
    let block = proposed.expect("at once");
    assert_eq!((block.txs.len(), &block.notices[..]), (0, &[evidence(2)][..]));
    assert!(block.notices_match() && !block.is_empty());

    let mut f = voter();
    assert_eq!(refused(&mut f, block.clone(), None), None);
    commit(&mut f, &block);
    assert_eq!(f.engine.newest_work_height(), Some(Height(1)), "a closing block is due");
}
