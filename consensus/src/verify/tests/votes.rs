use super::*;

#[test]
fn a_vote_from_its_signer_is_taken_unverified_and_from_another_verified() {
    let world = World::new();
    let good = world.chain.vote(2, Phase::Commit, 9, OPENING);
    let bad = with(&good, |vote| damaged(&mut vote.signature));
    let admit = |from, vote: &Vote| world.admit(from, Message::Vote(vote.clone()));
    world.scheme.take();
    assert_eq!(admit(Some(2), &bad), Ok(Admitted::Vote(bad.clone())), "its signer's own slot, its own loss");
    assert_eq!(world.scheme.take(), 0, "and no pairing");
    for from in [None, Some(0), Some(1)] {
        assert_eq!(admit(from, &good), Ok(Admitted::Vote(good.clone())));
        assert_rejected("relayed", admit(from, &bad), Signature);
    }
    let table = [
        ("phase", with(&good, |vote| vote.phase = Phase::Vote), Signature),
        ("view", with(&good, |vote| vote.view = View(8)), Signature),
        ("block", with(&good, |vote| vote.block = BlockHash(Hash::ZERO)), Signature),
        ("signer", with(&good, |vote| vote.signer = Position(3)), Signature),
    ];
    for (what, changed, why) in table {
        assert_rejected(what, admit(None, &changed), why);
    }
    let table = [
        ("epoch", with(&good, |vote| vote.epoch = Epoch(0)), Why::Epoch),
        ("view 0", with(&good, |vote| vote.view = View(0)), Malformed("view 0")),
        ("view 2^62", with(&good, |vote| vote.view = View::LIMIT), Malformed("out of bounds")),
        ("stranger", with(&good, |vote| vote.signer = Position(4)), Signer),
    ];
    for (what, changed, why) in table {
        assert_rejected(what, admit(Some(changed.signer.0), &changed), why);
        assert_rejected(what, admit(None, &changed), why);
    }
}

#[test]
fn refuses_a_timeout_vote_that_does_not_show_what_it_claims() {
    let world = World::new();
    let World { chain, b1, qc1, commit1, tc2, .. } = &world;
    let good = world.timeout();
    let vote = |view, high: Option<&QuorumCertificate>, entry: Option<Certificate>| {
        chain.timeout(2, view, high.cloned(), entry)
    };
    let qc2 = chain.qc(Phase::Vote, 2, b1.hash(), &ALL);
    let quorum = |qc: &QuorumCertificate| Some(Certificate::Quorum(qc.clone()));
    let timeout = |tc: &TimeoutCertificate| Some(Certificate::Timeout(tc.clone()));
    let low = chain.tc(2, &[(0, 0), (1, 0), (2, 0)], None);
    let table = [
        ("epoch", with(&good, |vote| vote.epoch = Epoch(2)), Why::Epoch),
        ("view 0", with(&good, |vote| vote.view = View(0)), Malformed("view 0")),
        ("view 2^62", with(&good, |vote| vote.view = View::LIMIT), Malformed("out of bounds")),
        ("stranger", with(&good, |vote| vote.signer = Position(7)), Signer),
        ("no entry", vote(3, Some(qc1), None), Malformed("certificate of view 0")),
        ("entry into view 1", vote(1, None, quorum(qc1)), Malformed("certificate of view 1")),
        ("entry too early", vote(3, Some(qc1), quorum(qc1)), Malformed("certificate of view 1")),
        ("entry too late", vote(2, Some(qc1), quorum(&qc2)), Malformed("certificate of view 2")),
        ("high QC of its own view", vote(2, Some(&qc2), quorum(qc1)), Malformed("not below it")),
        (
            "high QC below the entry QC",
            vote(3, Some(qc1), quorum(&qc2)),
            Malformed("names a QC of view 1, but its entry shows one of view 2"),
        ),
        (
            "no high QC beside an entry QC",
            vote(2, None, quorum(qc1)),
            Malformed("names a QC of view 0, but its entry shows one of view 1"),
        ),
        (
            "high QC below the entry TC's",
            vote(3, None, timeout(tc2)),
            Malformed("names a QC of view 0, but its entry shows one of view 1"),
        ),
        (
            "bad high QC",
            with(&good, |vote| vote.high_qc = Some(with(qc1, |qc| qc.block = OPENING))),
            Signature,
        ),
        (
            "bad entry",
            with(&good, |vote| vote.entry = timeout(&with(tc2, |tc| damaged(&mut tc.signature)))),
            Signature,
        ),
        ("bad entry QC", vote(3, Some(&qc2), quorum(&with(&qc2, |qc| qc.block = OPENING))), Signature),
        (
            "high QC of another epoch",
            with(&good, |vote| vote.high_qc = Some(with(qc1, |qc| qc.epoch = Epoch(2)))),
            Malformed("certificate of epoch 2"),
        ),
        (
            "entry of another epoch",
            with(&good, |vote| vote.entry = timeout(&with(tc2, |tc| tc.epoch = Epoch(2)))),
            Malformed("certificate of epoch 2"),
        ),
    ];
    for (what, changed, why) in table {
        for from in [None, Some(changed.signer.0)] {
            assert_rejected(what, world.admit(from, Message::Timeout(Box::new(changed.clone()))), why);
        }
    }
    for (what, good) in [
        ("entered by a QC", vote(3, Some(&qc2), quorum(&qc2))),
        ("by a commit certificate, which is a high QC too", vote(2, Some(commit1), quorum(commit1))),
        ("by a TC that names less than one holds", vote(3, Some(qc1), timeout(&low))),
        ("by a TC where nobody holds any", vote(3, None, timeout(&low))),
    ] {
        assert!(world.admit(None, Message::Timeout(Box::new(good))).is_ok(), "{what}");
    }
    let bad = with(&good, |vote| damaged(&mut vote.signature));
    assert!(world.admit(Some(2), Message::Timeout(Box::new(bad.clone()))).is_ok(), "from its signer");
    assert_rejected("relayed", world.admit(Some(3), Message::Timeout(Box::new(bad))), Signature);
    // What it names is what it signed.
    let raised = TimeoutVote { high_qc: Some(qc2), ..vote(3, Some(qc1), timeout(&low)) };
    assert_rejected("raised", world.admit(None, Message::Timeout(Box::new(raised))), Signature);
}

#[test]
fn takes_only_its_own_messages_as_memory() {
    let world = World::new();
    let good = world.memory();
    let chain = &world.chain;
    let vote = |signer, phase| Some(chain.vote(signer, phase, 3, OPENING));
    let bad_vote = |vote: &mut Option<Vote>| damaged(&mut vote.as_mut().unwrap().signature);
    let table = [
        ("another's vote", with(&good, |m| m.vote = vote(2, Phase::Vote)), Malformed("one of validator 2")),
        (
            "another's commit vote",
            with(&good, |m| m.commit_vote = vote(0, Phase::Commit)),
            Malformed("one of validator 0"),
        ),
        (
            "another's timeout vote",
            with(&good, |m| m.timeout = Some(world.timeout())),
            Malformed("one of validator 2"),
        ),
        (
            "a vote as a commit vote",
            with(&good, |m| m.commit_vote = vote(1, Phase::Vote)),
            Malformed("as a commit vote"),
        ),
        (
            "a commit vote as a vote",
            with(&good, |m| m.vote = vote(1, Phase::Commit)),
            Malformed("as a commit vote"),
        ),
        ("a forged vote", with(&good, |m| bad_vote(&mut m.vote)), Signature),
        ("a forged commit vote", with(&good, |m| bad_vote(&mut m.commit_vote)), Signature),
        (
            "a forged timeout vote",
            with(&good, |m| damaged(&mut m.timeout.as_mut().unwrap().signature)),
            Signature,
        ),
        (
            "a timeout vote without its entry",
            with(&good, |m| m.timeout.as_mut().unwrap().entry = None),
            Malformed("not entered"),
        ),
        ("a forged proposal", with(&good, |m| spoilt(&mut m.proposal.as_mut().unwrap().1)), Signature),
        ("another proposal", with(&good, |m| m.proposal.as_mut().unwrap().0.block = OPENING), Signature),
        (
            "a proposal of view 2^62",
            with(&good, |m| m.proposal.as_mut().unwrap().0.view = View::LIMIT),
            Malformed("out of bounds"),
        ),
        ("a vote of another epoch", with(&good, |m| m.vote.as_mut().unwrap().epoch = Epoch(2)), Why::Epoch),
    ];
    for (what, changed, why) in table {
        // Not even from the connection that the signer named has: one's own messages come from others.
        assert_rejected(what, world.admit(Some(2), Message::Memory(Box::new(changed))), why);
    }
    let nothing = |epoch| Message::Memory(Box::new(Memory { epoch, ..Default::default() }));
    assert!(world.admit(None, nothing(EPOCH)).is_ok(), "nothing is remembered");
    let of_before = world.admit(None, nothing(Epoch(0)));
    assert_rejected("nothing is remembered of another epoch", of_before, Why::Epoch);
    let follower = Door::new(CHAIN.to_owned(), EPOCH, chain.set.clone(), &ConsensusParams::default(), None);
    let answer = follower.admit(Some(Position(2)), Message::Memory(Box::new(good)));
    assert_rejected("no validator", answer, Malformed("no validator"));
}
