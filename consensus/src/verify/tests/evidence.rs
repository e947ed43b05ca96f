use super::*;
use crate::{Evidence, TimeoutStatement};

/// Validator 2's messages in the world of the door's tests.
struct Said<'a>(&'a World);

impl Said<'_> {
    fn vote(&self, phase: Phase, view: u64, block: &Block) -> Vote {
        self.0.chain.vote(2, phase, view, block.hash())
    }

    /// Whatever it carries: its signature is enough.
    fn timeout(&self, view: u64, high: Option<u64>) -> TimeoutStatement {
        let unsigned =
            |view| with(&self.0.qc1, |qc| (qc.view, qc.signers) = (View(view), Signers::default()));
        (&self.0.chain.timeout(2, view, high.map(unsigned), None)).into()
    }

    fn proposal(&self, view: u64, block: &Block) -> (ProposalStatement, ed25519::Signature) {
        let proposal = with(&self.0.proposal(), |proposal| {
            proposal.view = View(view);
            proposal.block = block.clone();
            proposal.signer = Position(2);
        });
        let proposal = self.0.chain.signed(proposal);
        (proposal.statement(), proposal.signature)
    }
}

#[test]
fn two_proposals_convict_under_their_signers_identity_alone_at_no_pairing() {
    let world = World::new();
    let said = Said(&world);
    let (a, b) = (block(5, Some(&world.qc1), 0), block(5, Some(&world.qc1), 1));
    let (first, second) = (said.proposal(5, &a), said.proposal(5, &b));
    let by = |key: &ed25519::SecretKey, (statement, _): &(ProposalStatement, ed25519::Signature)| {
        (statement.clone(), key.sign(&crate::proposal_bytes(CHAIN, statement)))
    };
    let identity = crate::testing::identity(2);
    let others = [
        ("another member", crate::testing::identity(3)),
        ("the vote key's secret", ed25519::SecretKey::from_seed(*world.chain.keys[2].to_bytes())),
    ];
    let verify = |first, second| {
        world.door().verify_evidence(&Evidence::Proposals { signer: Position(2), first, second })
    };
    world.scheme.take();
    assert_eq!(verify(by(&identity, &first), by(&identity, &second)), Ok(()));
    for (what, other) in others {
        for (one, two) in [(&other, &identity), (&identity, &other), (&other, &other)] {
            let key = KeyOf::Identity(Position(2));
            let bad = Rejection::BadSignature { what: "proposal statement", view: View(5), key };
            assert_eq!(verify(by(one, &first), by(two, &second)), Err(bad), "{what}");
        }
    }
    assert_eq!(world.scheme.take(), 0, "Ed25519 throughout");
}

#[test]
fn two_contradicting_messages_convict_and_any_others_do_not() {
    let world = World::new();
    let said = Said(&world);
    let (a, b) = (block(5, Some(&world.qc1), 0), block(5, Some(&world.qc1), 1));
    let of_view = |justify: u64| with(&a, |block| block.header.justify_view = View(justify));
    let header = |block: &Block| Box::new(block.header.clone());
    let other = |vote: Vote| Vote { signer: Position(3), ..vote };
    let vote = |view, block: &Block| said.vote(Phase::Vote, view, block);
    let commit = |view, block: &Block| said.vote(Phase::Commit, view, block);
    let proposals = |first, second| Evidence::Proposals { signer: Position(2), first, second };
    let contradiction = Malformed("it is not");
    let table = [
        ("two votes", Evidence::Votes(vote(5, &a), vote(5, &b)), None),
        ("two commit votes", Evidence::Votes(commit(5, &a), commit(5, &b)), None),
        ("one vote twice", Evidence::Votes(vote(5, &a), vote(5, &a)), Some(contradiction)),
        ("of two phases", Evidence::Votes(vote(5, &a), commit(5, &b)), Some(contradiction)),
        ("of two views", Evidence::Votes(vote(5, &a), vote(6, &b)), Some(contradiction)),
        ("of two validators", Evidence::Votes(vote(5, &a), other(vote(5, &b))), Some(contradiction)),
        (
            "a forged first",
            Evidence::Votes(with(&vote(5, &a), |v| damaged(&mut v.signature)), vote(5, &b)),
            Some(Signature),
        ),
        (
            "a forged second",
            Evidence::Votes(vote(5, &a), with(&vote(5, &b), |v| damaged(&mut v.signature))),
            Some(Signature),
        ),
        ("two proposals", proposals(said.proposal(5, &a), said.proposal(5, &b)), None),
        ("one proposal twice", proposals(said.proposal(5, &a), said.proposal(5, &a)), Some(contradiction)),
        (
            "proposals of two views",
            proposals(said.proposal(5, &a), said.proposal(6, &b)),
            Some(contradiction),
        ),
        (
            "proposals of another",
            Evidence::Proposals {
                signer: Position(1),
                first: said.proposal(5, &a),
                second: said.proposal(5, &b),
            },
            Some(Signature),
        ),
        (
            "proposals of a stranger",
            Evidence::Proposals {
                signer: Position(4),
                first: said.proposal(5, &a),
                second: said.proposal(5, &b),
            },
            Some(Signer),
        ),
        ("forgets in the view", Evidence::CommitAndTimeout(commit(5, &a), said.timeout(5, Some(4))), None),
        ("forgets later", Evidence::CommitAndTimeout(commit(5, &a), said.timeout(9, None)), None),
        (
            "has not forgotten",
            Evidence::CommitAndTimeout(commit(5, &a), said.timeout(9, Some(5))),
            Some(contradiction),
        ),
        (
            "gave up before",
            Evidence::CommitAndTimeout(commit(5, &a), said.timeout(4, Some(3))),
            Some(contradiction),
        ),
        (
            "a vote is no commit vote",
            Evidence::CommitAndTimeout(vote(5, &a), said.timeout(9, None)),
            Some(contradiction),
        ),
        (
            "another gave up",
            Evidence::CommitAndTimeout(
                commit(5, &a),
                TimeoutStatement { signer: Position(0), ..said.timeout(9, None) },
            ),
            Some(contradiction),
        ),
        (
            "a forged timeout vote",
            Evidence::CommitAndTimeout(commit(5, &a), with(&said.timeout(9, None), |t| t.view = View(8))),
            Some(Signature),
        ),
        (
            "a timeout vote made to name less",
            Evidence::CommitAndTimeout(
                commit(5, &a),
                with(&said.timeout(9, Some(6)), |t| t.high_view = View(0)),
            ),
            Some(Signature),
        ),
        (
            "forgets what a vote built on",
            Evidence::VoteAndTimeout(vote(5, &of_view(3)), header(&of_view(3)), said.timeout(5, Some(2))),
            None,
        ),
        (
            "names what a vote built on",
            Evidence::VoteAndTimeout(vote(5, &of_view(3)), header(&of_view(3)), said.timeout(5, Some(3))),
            Some(contradiction),
        ),
        (
            "gave up before the vote",
            Evidence::VoteAndTimeout(vote(5, &of_view(3)), header(&of_view(3)), said.timeout(4, Some(2))),
            Some(contradiction),
        ),
        (
            "of another header",
            Evidence::VoteAndTimeout(vote(5, &of_view(3)), header(&of_view(4)), said.timeout(5, Some(2))),
            Some(contradiction),
        ),
        (
            "a commit vote is no vote",
            Evidence::VoteAndTimeout(commit(5, &of_view(3)), header(&of_view(3)), said.timeout(5, Some(2))),
            Some(contradiction),
        ),
        (
            "a forged vote",
            Evidence::VoteAndTimeout(
                other(vote(5, &of_view(3))),
                header(&of_view(3)),
                other_timeout(&said.timeout(5, Some(2))),
            ),
            Some(Signature),
        ),
    ];
    let door = world.door();
    for (what, evidence, why) in table {
        let evidence = Evidence::decode(&evidence.encode()).expect("its own encoding");
        let answer = door.verify_evidence(&evidence);
        match why {
            None => assert_eq!(answer, Ok(()), "{what}"),
            Some(why) => assert_rejected(what, answer.map(|()| Admitted::Memory(Memory::default())), why),
        }
    }
    let foreign = |vote: Vote| Vote { epoch: Epoch(2), ..vote };
    let evidence = Evidence::Votes(foreign(vote(5, &a)), foreign(vote(5, &b)));
    let answer = door.verify_evidence(&evidence).map(|()| Admitted::Memory(Memory::default()));
    assert_rejected("another epoch", answer, Why::Epoch);
}

fn other_timeout(timeout: &TimeoutStatement) -> TimeoutStatement {
    TimeoutStatement { signer: Position(3), ..timeout.clone() }
}
