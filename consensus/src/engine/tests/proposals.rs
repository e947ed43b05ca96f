//! R2, R3 and the validity of blocks.

use super::*;

fn voted(actions: &[Action]) -> bool {
    Fixture::asked(actions).iter().any(|(kind, _)| *kind == SignKind::Vote)
}

/// A fixture whose member does not lead the first three views, and whom it lets propose.
fn voter() -> Fixture {
    (0..4)
        .map(Fixture::started)
        .find(|f| (1..4).all(|view| Some(Position(f.leader(view))) != f.engine.config.me))
        .expect("three views have at most three leaders")
}

#[test]
fn a_valid_proposal_is_voted_for_once_its_payload_is_checked() {
    let mut f = voter();
    let block = f.block(1, &f.genesis, None, &[]);
    let proposal = Verified::trust(f.proposal(block.clone(), None, None));
    let proposer = proposal.signer;
    let actions = f.receive(proposer.0, Admitted::Proposal(proposal.clone()));
    assert_eq!(actions, [Action::CheckPayload { block: Box::new(block.clone()), proposer }]);
    let checked = Input::PayloadChecked { block: block.hash(), verdict: Ok(()) };
    let actions = f.step(checked.clone());
    assert_eq!(Fixture::asked(&actions), [(SignKind::Vote, View(1))]);
    assert_eq!(f.step(checked), [], "once");
    assert_eq!(
        f.receive(proposer.0, Admitted::Proposal(proposal)),
        [],
        "a repeated proposal changes nothing"
    );
}

#[test]
fn a_bad_payload_costs_the_vote_and_the_leader_its_standing() {
    let mut f = voter();
    let block = f.block(1, &f.genesis, None, &[]);
    let proposal = f.proposal(block.clone(), None, None);
    let proposer = proposal.signer;
    f.receive(proposer.0, Admitted::Proposal(Verified::trust(proposal)));
    let actions = f.step(Input::PayloadChecked { block: block.hash(), verdict: Err("bad signature".into()) });
    assert_eq!(actions, [Action::Penalise(proposer, Misdeed::BadProposal("bad signature".into()))]);
}

#[test]
fn every_wrong_field_is_refused_by_name() {
    type Mutation = fn(&mut Proposal);
    let table: &[(&str, Mutation)] = &[
        ("another chain's id", |p| p.block.header.chain_id = "other".into()),
        ("made for another view", |p| p.block.header.view = View(0)),
        ("its parent is not the justify QC's block", |p| p.block.header.parent = BlockHash(Hash::ZERO)),
        ("its justify view is not the justify QC's", |p| p.block.header.justify_view = View(1)),
        ("its height is not its parent's plus one", |p| p.block.header.height = Height(2)),
        ("its time is not above its parent's", |p| p.block.header.time_ms = 1_000),
        ("its payload root is not that of its transactions", |p| p.block.txs.clear()),
        ("its evidence root is not that of its notices, or these are too many", |p| {
            p.block.header.evidence_root = Hash::ZERO
        }),
        ("a transaction twice, in it or in its ancestors", |p| {
            p.block.txs = vec![p.block.txs[0]; 2];
            p.block.header.payload_root = payload_root(&p.block.txs);
        }),
        ("its absent list does not follow from the chain", |p| {
            p.block.header.absent = vec![crate::Absence { member: Position(0), last: View(0), failures: 1 }];
        }),
        ("it vouches for its own execution", |p| p.block.header.vouched.height = Height(1)),
        ("it vouches otherwise for its parent's height", |p| {
            p.block.header.vouched.executed_root = Hash::ZERO
        }),
        ("too many transactions", |p| p.block.txs = vec![p.block.txs[0]; 5_001]),
        ("not by the view's leader", |p| p.signer = Position((p.signer.0 + 1) % 4)),
    ];
    for (reason, mutate) in table {
        let mut f = voter();
        let block = f.block(1, &f.genesis, None, &[1]);
        let mut proposal = f.proposal(block, None, None);
        mutate(&mut proposal);
        let (signer, me) = (proposal.signer, f.engine.config.me);
        let actions = f.receive(signer.0, Admitted::Proposal(Verified::trust(proposal)));
        let expected = Action::Penalise(signer, Misdeed::BadProposal((*reason).into()));
        assert!(actions == [expected] || Some(signer) == me && actions.is_empty(), "{reason}: {actions:?}");
    }
}

#[test]
fn back_pressure_lets_only_empty_blocks_pass() {
    let mut f = voter();
    let one = f.block(1, &f.genesis, None, &[]);
    f.receive(1, Admitted::Proposal(Verified::trust(f.proposal(one.clone(), None, None))));
    let qc1 = qc(1, one.hash(), Phase::Vote);
    f.certificate(qc1.clone());
    let two = f.block(2, &one, Some(&qc1), &[1]);
    let proposal = f.proposal(two, Some(qc1.clone()), None);
    let actions = f.receive(1, Admitted::Proposal(Verified::trust(proposal)));
    let reason = "transactions or notices while too many blocks are not executed";
    assert!(
        matches!(&actions[..], [Action::Penalise(_, Misdeed::BadProposal(why))] if why == reason),
        "{actions:?}"
    );
}

#[test]
fn a_block_of_the_future_is_awaited_and_one_of_the_far_future_refused() {
    for (ahead, awaited) in [(400, true), (20_000, false)] {
        let mut f = voter();
        let mut block = f.block(1, &f.genesis, None, &[]);
        block.header.time_ms = f.now.unix_ms + ahead;
        f.receive(1, Admitted::Proposal(Verified::trust(f.proposal(block.clone(), None, None))));
        assert!(!voted(&f.step(Input::PayloadChecked { block: block.hash(), verdict: Ok(()) })));
        let later = f.wait(ahead.min(450));
        assert_eq!(voted(&later), awaited, "{ahead} ms ahead: {later:?}");
    }
}

#[test]
fn what_is_vouched_for_is_voted_for_only_if_executed_alike() {
    let ours = AppHash::new(vec![1]).expect("short");
    let theirs = AppHash::new(vec![2]).expect("short");
    for (hash, alike) in [(&ours, true), (&theirs, false)] {
        let mut f = voter();
        let one = f.block(1, &f.genesis, None, &[]);
        let qc1 = qc(1, one.hash(), Phase::Vote);
        f.receive(1, Admitted::Proposal(Verified::trust(f.proposal(one.clone(), None, None))));
        f.certificate(qc(1, one.hash(), Phase::Commit));
        let execution = Execution { height: Height(1), app_hash: hash.clone(), results_root: Hash::ZERO };
        let mut two = f.block(2, &one, Some(&qc1), &[1]);
        two.header.vouched.height = Height(1);
        two.header.vouched.app_hash = hash.clone();
        two.header.vouched.executed_root = Execution::root([&execution]);
        let proposal = f.proposal(two.clone(), Some(qc1), None);
        f.receive(1, Admitted::Proposal(Verified::trust(proposal)));
        let checked = f.step(Input::PayloadChecked { block: two.hash(), verdict: Ok(()) });
        assert!(!voted(&checked), "not executed yet");
        let own = Execution { height: Height(1), app_hash: ours.clone(), results_root: Hash::ZERO };
        let next_epoch = f.engine.config.epoch_hash;
        assert_eq!(voted(&f.step(Input::Executed(Executed { execution: own, next_epoch }))), alike);
    }
}

#[test]
fn the_parent_is_fetched_from_the_signers_before_the_vote() {
    let mut f = voter();
    let one = f.block(1, &f.genesis, None, &[]);
    let qc1 = qc(1, one.hash(), Phase::Vote);
    let two = f.block(2, &one, Some(&qc1), &[]);
    let signer = Position(f.leader(2));
    let proposal = Proposal {
        view: View(2),
        block: two,
        justify: Some(qc1),
        tc: None,
        commit: None,
        signer,
        signature: no_signature(),
    };
    let actions = f.receive(signer.0, Admitted::Proposal(Verified::trust(proposal)));
    assert!(
        actions.iter().any(|a| matches!(a, Action::FetchBlock { block, .. } if *block == one.hash())),
        "{actions:?}"
    );
    let actions = f.step(Input::Blocks { blocks: vec![one], commit: None });
    assert!(actions.iter().any(|a| matches!(a, Action::CheckPayload { .. })), "{actions:?}");
}

#[test]
fn a_proposer_that_did_not_sign_the_certificate_is_asked_for_the_parent() {
    let mut f = voter();
    let one = f.block(1, &f.genesis, None, &[]);
    let signer = Position(f.leader(2));
    let mut qc1 = qc(1, one.hash(), Phase::Vote);
    qc1.signers = (0..4).map(Position).filter(|one| *one != signer).collect();
    let two = f.block(2, &one, Some(&qc1), &[]);
    let (justify, signature) = (Some(qc1), no_signature());
    let proposal = Proposal { view: View(2), block: two, justify, tc: None, commit: None, signer, signature };
    let actions = f.receive(signer.0, Admitted::Proposal(Verified::trust(proposal)));
    let asked = |a: &Action| matches!(a, Action::FetchBlock { block, from } if *block == one.hash() && from.contains(&signer));
    assert!(actions.iter().any(asked), "{signer:?}: {actions:?}");
}

#[test]
fn the_leader_proposes_what_is_pending_on_the_parent_it_asked_for() {
    let me = Fixture::new(4, 0).leader(1);
    let mut f = Fixture::started(me);
    let actions = f.step(Input::Pending(true));
    let [Action::BuildPayload(asked)] = &actions[..] else { panic!("{actions:?}") };
    assert_eq!((asked.view, asked.parent), (View(1), f.genesis.hash()));
    assert_eq!(asked.patience, Micros(500_000 / 3), "a third of the view timer");
    let mut late = Fixture::started(me);
    late.wait(100);
    let actions = late.step(Input::Pending(true));
    let Some(Action::BuildPayload(asked)) = actions.first() else { panic!("{actions:?}") };
    assert_eq!(asked.patience, Micros(500_000 / 3 - 100_000), "from the beginning of the view");
    let txs = vec![TxHash(sha256(&[1]))];
    let built = |parent| Input::PayloadBuilt { view: View(1), parent, txs: txs.clone(), notices: Vec::new() };
    assert_eq!(f.step(built(BlockHash(Hash::ZERO))), [], "an answer for another parent");
    let actions = f.step(built(f.genesis.hash()));
    let [Action::Sign { request, .. }] = &actions[..] else { panic!("{actions:?}") };
    let SignRequest::Propose(draft) = &**request else { panic!("{request:?}") };
    assert_eq!((&draft.block.txs, draft.block.header.height), (&txs, Height(1)));
    assert_eq!(f.step(Input::Pending(true)), [], "one block a view");
}

#[test]
fn a_copy_of_the_leaders_block_under_another_signature_costs_it_no_vote() {
    for copied_first in [true, false] {
        for verdict in [Ok(()), Err("bad signature".to_owned())] {
            let mut f = voter();
            let block = f.block(1, &f.genesis, None, &[1]);
            let proposal = f.proposal(block.clone(), None, None);
            let (leader, me) = (proposal.signer, f.engine.config.me);
            let copier =
                (0..4).map(Position).find(|one| *one != leader && Some(*one) != me).expect("four members");
            assert!(copier < leader, "the copy is found first");
            let copy = Proposal { signer: copier, ..proposal.clone() };
            let (first, second) = if copied_first { (copy, proposal) } else { (proposal, copy) };
            f.receive(copier.0, Admitted::Proposal(Verified::trust(first)));
            f.receive(copier.0, Admitted::Proposal(Verified::trust(second)));
            let actions = f.step(Input::PayloadChecked { block: block.hash(), verdict: verdict.clone() });
            match verdict {
                Ok(()) => assert_eq!(Fixture::asked(&actions), [(SignKind::Vote, View(1))]),
                Err(why) => assert_eq!(actions, [Action::Penalise(leader, Misdeed::BadProposal(why))]),
            }
        }
    }
}

#[test]
fn of_two_proposals_ahead_of_the_clock_the_nearer_one_wakes_it() {
    let mut f = voter();
    // View 1 failed, so the block of view 2 leaves its leader out; whoever has not seen that block does not.
    let failed = f.leader(1);
    let mut two = f.block(2, &f.genesis, None, &[]);
    two.header.absent = f.engine.election().absent_after(&[], View(0), View(2));
    let qc2 = qc(2, two.hash(), Phase::Vote);
    f.receive(0, Admitted::Proposal(Verified::trust(f.proposal(two.clone(), None, Some(tc(1, None))))));
    let by = |f: &Fixture, view| f.engine.election().leader(View(view), &two.header.absent).0;
    let me = f.engine.config.me;
    let view = (4..200)
        .find(|view| {
            f.leader(*view) == failed && by(&f, *view) != failed && Some(Position(by(&f, *view))) != me
        })
        .expect("its turn comes");
    let mut on_genesis = f.block(view, &f.genesis, None, &[]);
    let mut on_two = f.block(view, &two, Some(&qc2), &[]);
    let genesis_first = failed < by(&f, view);
    let (near, far) = (f.now.unix_ms + 100, f.now.unix_ms + 300);
    (on_genesis.header.time_ms, on_two.header.time_ms) =
        if genesis_first { (near, far) } else { (far, near) };
    f.certificate(tc(view - 1, None));
    let now = f.now;
    let tc = Some(tc(view - 1, None));
    let proposals =
        [f.proposal(on_genesis, None, tc.clone()), f.proposal(on_two, Some(qc2), tc)].map(Verified::trust);
    let mut woken = Vec::new();
    for proposal in proposals {
        let message = Admitted::Proposal(proposal);
        let actions = f.engine.step(now, Input::Received { from: Some(Position(0)), message });
        woken.extend(actions.into_iter().filter_map(|action| match action {
            Action::WakeAt(at) => at,
            _ => None,
        }));
    }
    let wakes = f.now.mono.after(Micros::from_millis(100));
    assert_eq!(woken.last(), Some(&wakes), "{:?}", f.engine.candidates);
}

#[test]
fn a_parent_known_by_a_commit_certificate_alone_is_fetched_from_all_each_time() {
    let mut f = voter();
    let one = f.block(1, &f.genesis, None, &[]);
    let mut justify = qc(1, one.hash(), Phase::Commit);
    justify.signers = [Position(0)].into_iter().collect();
    let block = f.block(2, &one, Some(&justify), &[]);
    let signer = Position(f.leader(2));
    let (justify, signature) = (Some(justify), no_signature());
    let proposal = Proposal { view: View(2), block, justify, tc: None, commit: None, signer, signature };
    let all = f.engine.everyone().into_iter().filter(|one| Some(*one) != f.engine.config.me).collect();
    let fetch = Action::FetchBlock { block: one.hash(), from: all };
    let actions = f.receive(signer.0, Admitted::Proposal(Verified::trust(proposal)));
    assert!(actions.contains(&fetch), "{actions:?}");
    let again = f.wait(500);
    assert!(again.contains(&fetch), "{again:?}");
}
