use super::*;

#[test]
fn s7_signs_nothing_before_it_resumes_and_nothing_up_to_the_floor() {
    let chain = chain();
    let mut rules = unresumed(&chain);
    let b1 = block(1, None, 0);
    let qc1 = qc_of(&chain, &b1);
    let b2 = child(2, &qc1, 0);
    let qc2 = qc_of(&chain, &b2);
    let tc1 = tc_of(&chain, 1, None);
    let b3 = child(3, &qc2, 0);
    let qc3 = qc_of(&chain, &b3);
    let all = |expect: &dyn Fn() -> Expect| {
        vec![
            ("proposal", propose(&b2, Some(&qc1), None), expect()),
            ("vote", vote(&chain, &b2, Some(&qc1), None), expect()),
            ("commit vote", commit_vote(&qc2), expect()),
            ("timeout", time_out(2, None, Some(tc1.clone().into())), expect()),
        ]
    };
    run(&mut rules, all(&|| Refuses(Reason::NotResumed)));

    let record = rules.resume(Some(View(2))).expect("a floor to be made durable");
    assert_eq!((record.floor, &record), (View(2), rules.record()));
    run(&mut rules, all(&|| Refuses(Reason::Floor { floor: View(2) })));
    assert_eq!(rules.resume(Some(View(1))), None, "a floor does not sink");
    run(
        &mut rules,
        vec![
            ("the view above it is open", propose(&b3, Some(&qc2), None), Signs),
            ("for votes", vote(&chain, &b3, Some(&qc2), None), Signs),
            ("commit votes", commit_vote(&qc3), Signs),
        ],
    );

    let mut again = SafetyRules::recover(
        Arc::new(identity(0)),
        chain.keys[0].clone(),
        CHAIN,
        chain.set.clone(),
        EPOCH_HASH,
        rules.record().clone(),
    )
    .unwrap();
    run(&mut again, vec![("vote", vote(&chain, &b3, Some(&qc2), None), Refuses(Reason::NotResumed))]);
    assert_eq!(again.resume(None), None, "the floor outlives the restart");
    let timeout = time_out(2, None, Some(tc1.clone().into()));
    run(&mut again, vec![("timeout", timeout, behind(SignKind::Vote, 3))]);
    let gap = child(2, &qc1, 1);
    run(&mut again, vec![("proposal", propose(&gap, Some(&qc1), None), behind(SignKind::Proposal, 3))]);
}

#[test]
fn s8_keeps_the_newest_certificates_and_counts_a_commit_certificate_as_a_qc() {
    let chain = chain();
    let b1 = block(1, None, 0);
    let qc1 = qc_of(&chain, &b1);
    let b2 = child(2, &qc1, 0);
    let (qc2, commit2) = (qc_of(&chain, &b2), commit_of(&chain, &b2));
    let (tc3, tc4) = (tc_of(&chain, 3, None), tc_of(&chain, 4, None));
    let mut rules = unresumed(&chain);
    rules.note(&Newest { high_qc: Some(qc1), tc: Some(tc4.clone()), commit: None });
    rules.note(&Newest { high_qc: None, tc: Some(tc3), commit: Some(commit2.clone()) });
    let held = |rules: &SafetyRules| {
        let record = rules.record().clone();
        (record.high_qc, record.tc, record.commit)
    };
    let expected = (Some((*commit2).clone()), Some((*tc4).clone()), Some((*commit2).clone()));
    assert_eq!(held(&rules), expected);
    rules.note(&Newest { high_qc: Some(qc2), ..Newest::default() });
    let foreign = other_epoch(commit_of(&chain, &child(9, &commit2, 0)));
    rules.note(&Newest { high_qc: Some(foreign.clone()), tc: None, commit: Some(foreign) });
    rules.note(&Newest::default());
    assert_eq!(held(&rules), expected, "of equal view, of another epoch, or none at all: no news");
    assert_eq!(rules.record().views()[..6], [View(0); 6], "to know is not to sign");
}

#[test]
fn a_record_is_taken_back_only_by_its_own_key_on_its_own_chain() {
    let chain = chain();
    let record = unresumed(&chain).record().clone();
    let recover = |key: usize, chain_id: &str, set: &Arc<ValidatorSet>, hash, record: &SafetyRecord| {
        let (identity, key) = (Arc::new(identity(key)), chain.keys[key].clone());
        SafetyRules::recover(identity, key, chain_id, set.clone(), hash, record.clone())
    };
    let taken = recover(0, CHAIN, &chain.set, EPOCH_HASH, &record).unwrap();
    assert_eq!((taken.record(), taken.signer()), (&record, Some(Position(0))));

    let what = |result: Result<SafetyRules, SafetyError>| match result {
        Err(SafetyError::OtherRecord { what, .. }) => what,
        other => panic!("taken: {other:?}"),
    };
    let set = &chain.set;
    assert_eq!(what(recover(0, "other", set, EPOCH_HASH, &record)), "chain id");
    assert_eq!(what(recover(1, CHAIN, set, EPOCH_HASH, &record)), "vote key");
    let hash = "hash of validator set and parameters";
    assert_eq!(what(recover(0, CHAIN, set, Hash::ZERO, &record)), hash);
    let moved = SafetyRecord { signer: Position(2), ..record.clone() };
    assert_eq!(what(recover(0, CHAIN, set, EPOCH_HASH, &moved)), "position in the set");

    let torn = |change: fn(&mut SafetyRecord, &Qc)| {
        let mut torn = record.clone();
        change(&mut torn, &qc_of(&chain, &block(3, None, 0)));
        recover(0, CHAIN, set, EPOCH_HASH, &torn)
    };
    for (what, torn) in [
        ("commit vote", torn(|record, qc| record.commit_vote = Some(chain_vote(qc)))),
        ("timeout vote", torn(|record, qc| record.timeout = Some(chain_timeout(qc)))),
        ("commit certificate", torn(|record, qc| record.commit = Some((**qc).clone()))),
    ] {
        let expected = SafetyError::Torn { high: View(0), what, needs: View(3) };
        assert_eq!(torn, Err(expected), "a record without the high QC of its {what}");
    }

    let smaller = Chain::new(&Unchecked, &[1, 1]);
    assert_eq!(what(recover(2, CHAIN, &smaller.set, EPOCH_HASH, &record)), "vote key");
    let own = SafetyRecord { vote_key: *chain.keys[2].public_key().bytes(), ..record.clone() };
    assert_eq!(what(recover(2, CHAIN, &smaller.set, EPOCH_HASH, &own)), "position in the set");
}

fn chain_vote(qc: &Qc) -> Vote {
    chain().vote(0, Phase::Commit, qc.view.0, qc.block)
}

fn chain_timeout(qc: &Qc) -> TimeoutVote {
    chain().timeout(0, qc.view.0 + 1, Some((**qc).clone()), Some(Certificate::Quorum((**qc).clone())))
}

#[test]
fn s1_panics_rather_than_take_a_view_back() {
    let chain = chain();
    let mut rules = rules(&chain);
    let b1 = block(1, None, 0);
    run(&mut rules, vec![("vote", vote(&chain, &b1, None, None), Signs)]);
    let lost = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        rules.advance(|record| record.vote = None);
    }));
    assert!(lost.is_err());
}
