use super::*;

#[test]
fn refuses_a_quorum_certificate_with_any_field_changed() {
    let world = World::new();
    let all = |positions: &[u16]| positions.iter().copied().map(Position).collect::<Signers>();
    let qc = &world.qc1;
    let table = [
        ("epoch", with(qc, |qc| qc.epoch = Epoch(2)), Why::Epoch),
        ("phase", with(qc, |qc| qc.phase = Phase::Commit), Signature),
        ("view", with(qc, |qc| qc.view = View(2)), Signature),
        ("view 0", with(qc, |qc| qc.view = View(0)), Malformed("view 0")),
        ("view 2^62", with(qc, |qc| qc.view = View::LIMIT), Malformed("out of bounds")),
        ("the last view", with(qc, |qc| qc.view = View(u64::MAX)), Malformed("out of bounds")),
        ("block", with(qc, |qc| qc.block = OPENING), Signature),
        ("no signers", with(qc, |qc| qc.signers = all(&[])), Quorum),
        ("two of four", with(qc, |qc| qc.signers = all(&[0, 1])), Quorum),
        ("another three", with(qc, |qc| qc.signers = all(&[0, 1, 3])), Signature),
        ("one who did not sign", with(qc, |qc| qc.signers = all(&[0, 1, 2, 3])), Signature),
        ("a stranger", with(qc, |qc| qc.signers = all(&[0, 1, 2, 4])), Signer),
        ("the last stranger", with(qc, |qc| qc.signers = all(&[0, 1, 2, 1023])), Signer),
        ("signature", with(qc, |qc| damaged(&mut qc.signature)), Signature),
        ("commit votes as votes", with(&world.commit1, |qc| qc.phase = Phase::Vote), Signature),
    ];
    for (what, changed, why) in table {
        assert_rejected(
            what,
            world.admit(None, Message::Certificate(Box::new(Certificate::Quorum(changed.clone())))),
            why,
        );
        let rejected = world.door().verify_quorum(&changed).map(|qc| Admitted::Certificate(qc.into()));
        assert_rejected(what, rejected, why);
    }
}

#[test]
fn refuses_a_timeout_certificate_with_any_field_changed() {
    let world = World::new();
    let World { chain, qc1, tc2, .. } = &world;
    let views = |views: &[u64]| views.iter().copied().map(View).collect::<Vec<_>>();
    let all = |positions: &[u16]| positions.iter().copied().map(Position).collect::<Signers>();
    let future = chain.qc(Phase::Vote, 2, OPENING, &ALL);
    let table = [
        ("epoch", with(tc2, |tc| tc.epoch = Epoch(2)), Why::Epoch),
        ("view", with(tc2, |tc| tc.view = View(3)), Signature),
        ("view 0", with(tc2, |tc| tc.view = View(0)), Malformed("view 0")),
        ("view 2^62", with(tc2, |tc| tc.view = View::LIMIT), Malformed("out of bounds")),
        ("two of four", with(tc2, |tc| tc.signers = all(&[2, 3])), Quorum),
        ("a stranger", with(tc2, |tc| tc.signers = all(&[0, 2, 3, 9])), Signer),
        ("another three", with(tc2, |tc| tc.signers = all(&[0, 1, 2])), Signature),
        (
            "one more signer than views",
            with(tc2, |tc| tc.signers = all(&[0, 1, 2, 3])),
            Malformed("4 signers name 3"),
        ),
        (
            "one view more",
            with(tc2, |tc| tc.high_views = views(&[0, 1, 1, 1])),
            Malformed("3 signers name 4"),
        ),
        ("one view fewer", with(tc2, |tc| tc.high_views = views(&[0, 1])), Malformed("3 signers name 2")),
        ("no views", with(tc2, |tc| tc.high_views.clear()), Malformed("3 signers name 0")),
        ("views exchanged", with(tc2, |tc| tc.high_views = views(&[1, 0, 1])), Signature),
        ("all raised", with(tc2, |tc| tc.high_views = views(&[1, 1, 1])), Signature),
        ("all lowered", with(tc2, |tc| (tc.high_views, tc.high_qc) = (views(&[0, 0, 0]), None)), Signature),
        (
            "names a QC it lacks",
            with(tc2, |tc| tc.high_qc = None),
            Malformed("up to 1 and carries a QC of view 0"),
        ),
        (
            "carries a QC none named",
            chain.tc(2, &[(0, 0), (1, 0), (2, 0)], Some(qc1.clone())),
            Malformed("up to 0 and carries a QC of view 1"),
        ),
        (
            "names its own view",
            chain.tc(2, &[(0, 0), (1, 2), (2, 0)], Some(future.clone())),
            Malformed("not below it"),
        ),
        (
            "QC of another epoch",
            with(tc2, |tc| tc.high_qc = Some(with(qc1, |qc| qc.epoch = Epoch(2)))),
            Malformed("carries a certificate of epoch 2"),
        ),
        ("bad QC", with(tc2, |tc| tc.high_qc = Some(with(qc1, |qc| qc.block = OPENING))), Signature),
        ("signature", with(tc2, |tc| damaged(&mut tc.signature)), Signature),
    ];
    for (what, changed, why) in table {
        let rejected = world.door().verify_timeout_certificate(&changed);
        assert_rejected(what, rejected.map(|tc| Admitted::Certificate(tc.into())), why);
        assert_rejected(
            what,
            world.admit(None, Message::Certificate(Box::new(Certificate::Timeout(changed)))),
            why,
        );
    }
    // A commit certificate counts as a QC of its view.
    let by_commit = chain.tc(2, &[(0, 1), (1, 1), (2, 1)], Some(world.commit1.clone()));
    assert!(world.door().verify_timeout_certificate(&by_commit).is_ok());
}

#[test]
fn a_signer_bitmap_has_one_form() {
    let world = World::new();
    let bytes = |signers: &[u8]| {
        let mut bytes = (signers.len() as u32).to_le_bytes().to_vec();
        bytes.extend_from_slice(signers);
        bytes
    };
    let decode = |signers: &[u8]| borsh::from_slice::<Signers>(&bytes(signers));
    let positions = |signers: &Signers| signers.iter().map(|at| at.0).collect::<Vec<_>>();
    assert_eq!(positions(&decode(&[0b101, 0b1000_0000]).unwrap()), [0, 2, 15]);
    assert_eq!(positions(&decode(&[]).unwrap()), [0; 0]);
    assert_eq!(positions(&decode(&[&[0; 127][..], &[128]].concat()).unwrap()), [1023]);
    for (what, signers) in
        [("zero", vec![0]), ("zero at the end", vec![7, 0]), ("129 bytes", [&[0; 128][..], &[1]].concat())]
    {
        assert!(decode(&signers).is_err(), "{what}");
    }
    let shuffled: Signers = [15, 0, 2, 0].map(Position).into_iter().collect();
    assert_eq!((borsh::to_vec(&shuffled).unwrap(), shuffled.len()), (bytes(&[0b101, 0b1000_0000]), 3));

    // The same certificate with a longer bitmap is not decoded, so it has no second hash.
    let qc = &world.qc1;
    let encoded = qc.encode();
    let at = encoded.windows(5).position(|window| window == [1, 0, 0, 0, 0b111]).expect("the bitmap");
    let longer = [&encoded[..at], &[2, 0, 0, 0, 0b111, 0], &encoded[at + 5..]].concat();
    assert!(QuorumCertificate::decode(&encoded).is_ok() && QuorumCertificate::decode(&longer).is_err());
}

#[test]
fn what_was_checked_once_is_not_checked_again() {
    let world = World::new();
    let World { scheme, chain, qc1, tc2, .. } = &world;
    let door = world.door();
    let cost = |message: Message| {
        scheme.take();
        assert!(door.admit(Some(Position(2)), message).is_ok());
        scheme.take()
    };
    let certificate = |certificate| Message::Certificate(Box::new(certificate));
    assert_eq!(cost(certificate(Certificate::Quorum(qc1.clone()))), 2);
    assert_eq!(cost(certificate(Certificate::Quorum(qc1.clone()))), 0);
    assert_eq!(cost(certificate(Certificate::Timeout(tc2.clone()))), 3, "two views named; its QC is known");
    assert_eq!(cost(Message::Timeout(Box::new(world.timeout()))), 0, "all that it carries is known");
    assert_eq!(cost(Message::Proposal(Box::new(world.proposal()))), 2, "the commit certificate");
    assert_eq!(cost(Message::Proposal(Box::new(world.proposal()))), 0, "its signature is no pairing");

    // Known is known by every byte: the same votes under a damaged signature are not.
    let forged = with(qc1, |qc| damaged(&mut qc.signature));
    for what in ["forged", "and refused again"] {
        let verdict = door.verify_quorum(&forged).map(|qc| Admitted::Certificate(qc.into()));
        assert_rejected(what, verdict, Signature);
    }

    // What was aggregated here is known without a check.
    let votes = [0, 1, 3].map(|signer| chain.vote(signer, Phase::Vote, 4, OPENING));
    let timeouts = [0, 1, 3].map(|signer| chain.timeout(signer, 1, None, None));
    door.remember(&crate::aggregate_votes(&chain.set, CHAIN, votes.to_vec()));
    door.remember(&crate::aggregate_timeouts(&chain.set, CHAIN, timeouts.to_vec()));
    assert_eq!(cost(certificate(Certificate::Quorum(chain.qc(Phase::Vote, 4, OPENING, &[0, 1, 3])))), 0);
    assert_eq!(cost(certificate(Certificate::Timeout(chain.tc(1, &[(0, 0), (1, 0), (3, 0)], None)))), 0);
}

#[test]
fn a_certificate_that_says_what_a_checked_one_says_becomes_that_one() {
    let world = World::new();
    let World { scheme, chain, qc1, .. } = &world;
    let door = world.door();
    let admit = |message: Message| door.admit(Some(Position(2)), message).unwrap();
    let certificate =
        |qc: &QuorumCertificate| Message::Certificate(Box::new(Certificate::Quorum(qc.clone())));
    let checked = Admitted::Certificate(Verified::trust(Certificate::Quorum(qc1.clone())));
    assert_eq!(admit(certificate(qc1)), checked);
    scheme.take();
    let others = chain.qc(qc1.phase, qc1.view.0, qc1.block, &[1, 2, 3]);
    assert_ne!(others, *qc1);
    assert_eq!(admit(certificate(&others)), checked);
    let stranger = with(qc1, |qc| qc.signers = [0, 1, 2, 4].map(Position).into_iter().collect());
    assert_rejected("a stranger", door.admit(None, certificate(&stranger)), Signer);
    // Nobody looks at its signature; and it is not what is kept.
    assert_eq!(admit(certificate(&with(qc1, |qc| damaged(&mut qc.signature)))), checked);

    let ours = world.proposal();
    let theirs = chain.signed(with(&ours, |proposal| proposal.justify = Some(others)));
    assert_eq!(theirs.signature, ours.signature, "what is said is signed, not by whom");
    let Admitted::Proposal(admitted) = admit(Message::Proposal(Box::new(theirs))) else { panic!() };
    assert_eq!((admitted.justify.as_ref(), &*admitted), (Some(qc1), &ours));
    assert_eq!(scheme.take(), 5, "its commit certificate and TC, and not its justify QC");

    // Whatever says something else is checked: another phase, view or block.
    let door = world.door();
    assert!(door.admit(None, certificate(qc1)).is_ok());
    let commit = chain.qc(Phase::Commit, qc1.view.0, qc1.block, &[0, 1, 2]);
    for other in [commit, with(qc1, |qc| qc.view.0 += 1), with(qc1, |qc| qc.block = OPENING)] {
        scheme.take();
        let admitted = door.admit(None, certificate(&other));
        assert_eq!((admitted.is_ok(), scheme.take()), (other.is_commit(), 2), "{other:?}");
    }
}
