//! R1, R4, R5, R6, R7, R9: certificates, votes, timeout votes, commits.

use super::*;

#[test]
fn a_qc_is_commit_voted_and_handed_to_the_next_leader() {
    let leader = Fixture::new(4, 0).leader(2);
    for me in 0..4 {
        let mut f = Fixture::started(me);
        let block = f.block(1, &f.genesis, None, &[]);
        let qc = qc(1, block.hash(), Phase::Vote);
        // The next leader depends on the block's header: without it, nobody would be told yet.
        let p = Verified::trust(f.proposal(block, None, None));
        f.receive(p.signer.0, Admitted::Proposal(p));
        let actions = f.certificate(qc.clone());
        assert_eq!(Fixture::asked(&actions)[0], (SignKind::CommitVote, View(1)));
        let handed = Action::Send(Position(leader), Message::Certificate(Box::new(qc.into())));
        assert_eq!(actions.contains(&handed), leader != me, "member {me}, leader {leader}");
        assert_eq!(f.engine.view(), View(2));
    }
}

#[test]
fn no_commit_vote_for_a_view_given_up_nor_twice_nor_on_a_commit_certificate() {
    let mut f = Fixture::started(0);
    let block = f.block(1, &f.genesis, None, &[]).hash();
    f.wait(600);
    assert_eq!(Fixture::asked(&f.certificate(qc(1, block, Phase::Vote))), [], "after its own timeout vote");

    let mut f = Fixture::started(0);
    assert_eq!(Fixture::asked(&f.certificate(qc(1, block, Phase::Commit))), [], "a commit certificate");
    assert_eq!(Fixture::asked(&f.certificate(qc(1, block, Phase::Vote))), [(SignKind::CommitVote, View(1))]);
    assert_eq!(Fixture::asked(&f.certificate(qc(1, block, Phase::Vote))), [], "a second time");
    assert_eq!(Fixture::asked(&f.certificate(qc(5, block, Phase::Vote))), [(SignKind::CommitVote, View(5))]);
    assert_eq!(Fixture::asked(&f.certificate(qc(3, block, Phase::Vote))), [], "below the last one");
}

#[test]
fn a_tc_is_forwarded_once_and_enters_the_view_after_it() {
    let mut f = Fixture::started(0);
    let forwarded = |actions: &[Action]| {
        actions.iter().filter(|a| matches!(a, Action::Broadcast(Message::Certificate(_)))).count()
    };
    assert_eq!(forwarded(&f.certificate(tc(4, None))), 1);
    assert_eq!(f.engine.view(), View(5), "certificates are never refused for being far ahead");
    assert_eq!(forwarded(&f.certificate(tc(4, None))), 0);
    assert_eq!(forwarded(&f.certificate(tc(3, None))), 0);
    assert_eq!(f.engine.view(), View(5));
}

#[test]
fn a_quorum_of_votes_is_aggregated_once_and_again_without_the_culprits() {
    let mut f = Fixture::started(0);
    let block = f.block(1, &f.genesis, None, &[]).hash();
    let mut give = |signer| f.receive(signer, Admitted::Vote(vote(Phase::Vote, 1, block, signer)));
    assert_eq!(give(1), []);
    assert_eq!(give(1), [], "one slot for each");
    assert_eq!(give(2), []);
    let three: Vec<Vote> = (1..4).map(|signer| vote(Phase::Vote, 1, block, signer)).collect();
    assert_eq!(give(3), [Action::AggregateVotes(three)]);
    let failed = Aggregated::Votes {
        phase: Phase::Vote,
        view: View(1),
        block,
        certificate: None,
        bad: vec![Position(2)],
    };
    assert_eq!(f.step(Input::Aggregated(failed)), [Action::Penalise(Position(2), Misdeed::BadSignature)]);
    assert_eq!(f.receive(2, Admitted::Vote(vote(Phase::Vote, 1, block, 2))), [], "it has used up its slot");
    let again = f.receive(0, Admitted::Vote(vote(Phase::Vote, 1, block, 0)));
    assert!(matches!(&again[..], [Action::AggregateVotes(votes)] if votes.len() == 3));
}

#[test]
fn votes_outside_the_window_take_no_memory() {
    let mut f = Fixture::started(0);
    let block = f.genesis.hash();
    let before = f.engine.votes.clone();
    for view in [1 + crate::vote_aggregator::WINDOW + 1, 1 << 40] {
        f.receive(1, Admitted::Vote(vote(Phase::Vote, view, block, 1)));
    }
    assert_eq!(f.engine.votes, before);
}

#[test]
fn timeout_votes_of_more_than_a_third_make_it_give_up_and_of_a_quorum_make_a_tc() {
    let mut f = Fixture::started(0);
    assert_eq!(f.receive(1, Admitted::Timeout(timeout(1, 1, None, None))), []);
    let actions = f.receive(2, Admitted::Timeout(timeout(1, 2, None, None)));
    assert_eq!(Fixture::asked(&actions), [(SignKind::Timeout, View(1))]);
    let actions = f.step(Input::Signed(Box::new(Signed::Timeout(timeout(1, 0, None, None)))));
    assert!(matches!(&actions[1..], [Action::AggregateTimeouts(votes)] if votes.len() == 3), "{actions:?}");
}

#[test]
fn timeout_votes_count_by_power_not_by_heads() {
    let gives_up = |signer| Admitted::Timeout(timeout(1, signer, None, None));
    let own = || Input::Signed(Box::new(Signed::Timeout(timeout(1, 0, None, None))));
    let signers = |actions: &[Action]| -> Vec<u16> {
        let votes = actions.iter().find_map(|action| match action {
            Action::AggregateTimeouts(votes) => Some(votes),
            _ => None,
        });
        votes.into_iter().flatten().map(|vote| vote.signer.0).collect()
    };
    let mut f = Fixture::started_among(&[1, 1, 1, 5], 0);
    for one in [1, 2] {
        assert_eq!(f.receive(one, gives_up(one)), [], "two of four, with 2 of 8, may both be faulty");
    }
    f.wait(600);
    assert_eq!(signers(&f.step(own())), [0; 0], "three of four, with 3 of 8, are no quorum");
    assert_eq!(signers(&f.receive(3, gives_up(3))), [0, 1, 2, 3]);

    let mut f = Fixture::started_among(&[1, 1, 1, 5], 0);
    let asked = Fixture::asked(&f.receive(3, gives_up(3)));
    assert_eq!(asked, [(SignKind::Timeout, View(1))], "one of four, with 5 of 8, is not faulty");
    assert_eq!(signers(&f.step(own())), [0, 3], "two of four, with 6 of 8, are a quorum");
}

#[test]
fn a_stale_timeout_vote_is_answered_with_what_ended_the_view_but_not_at_any_rate() {
    let mut f = Fixture::started(0);
    f.certificate(tc(1, None));
    let stale = || Admitted::Timeout(timeout(1, 3, None, None));
    let answer = Action::Send(Position(3), Message::Certificate(Box::new(tc(1, None).into())));
    assert_eq!(f.receive(3, stale()), std::slice::from_ref(&answer));
    assert_eq!(f.receive(3, stale()), []);
    f.now.mono = f.now.mono.after(Micros::from_millis(200));
    assert_eq!(f.receive(3, stale()), [answer]);
}

#[test]
fn a_commit_certificate_commits_its_block_and_all_ancestors_in_order() {
    let mut f = Fixture::started(0);
    let one = f.block(1, &f.genesis, None, &[]);
    let qc1 = qc(1, one.hash(), Phase::Vote);
    let two = f.block(2, &one, Some(&qc1), &[]);
    let certificate = qc(2, two.hash(), Phase::Commit);
    let fetch = |block| Action::FetchBlock { block, from: (1..4).map(Position).collect() };
    assert!(
        f.certificate(certificate.clone()).contains(&fetch(two.hash())),
        "from all, as those who commit-voted may lack it"
    );
    let blocks = |block: &Block| Input::Blocks { blocks: vec![block.clone()], commit: None };
    let missing = f.step(blocks(&two));
    assert!(
        missing.iter().any(|a| matches!(a, Action::FetchBlock { block, .. } if *block == one.hash())),
        "{missing:?}"
    );
    let done = f.step(blocks(&one));
    let commit = Action::Commit { blocks: vec![one, two], certificate: Verified::trust(certificate.clone()) };
    assert!(done.contains(&commit), "{done:?}");
    assert_eq!(f.engine.committed().height, Height(2));
    assert_eq!(f.certificate(certificate), [], "once");
}

#[test]
fn a_run_from_sync_commits_although_a_newer_certificate_is_held_whose_block_is_far_away() {
    let mut f = Fixture::started(0);
    let one = f.block(1, &f.genesis, None, &[]);
    f.certificate(qc(9, BlockHash(sha256(b"far away")), Phase::Commit));
    let certificate = Verified::trust(qc(1, one.hash(), Phase::Commit));
    let run = Input::Blocks { blocks: vec![one.clone()], commit: Some(certificate.clone()) };
    let actions = f.step(run);
    assert!(actions.contains(&Action::Commit { blocks: vec![one], certificate }), "{actions:?}");
    assert_eq!(f.engine.committed().height, Height(1));
}

#[test]
fn blocks_that_nobody_asked_for_take_no_memory() {
    let mut f = Fixture::started(0);
    let stray = f.block(1, &f.genesis, None, &[]);
    let before = f.engine.clone();
    assert_eq!(f.step(Input::Blocks { blocks: vec![stray], commit: None }), []);
    assert_eq!(f.engine, before);
}

#[test]
fn contradicting_certificates_halt_the_node() {
    let mut f = Fixture::started(0);
    let (one, other) = (f.block(1, &f.genesis, None, &[1]), f.block(1, &f.genesis, None, &[2]));
    f.certificate(qc(1, one.hash(), Phase::Vote));
    let actions = f.certificate(qc(1, other.hash(), Phase::Vote));
    assert!(matches!(&actions[..], [Action::Halt(Halt::Fork(..))]), "{actions:?}");
    assert_eq!(f.certificate(tc(9, None)), [], "nothing more");
}

#[test]
fn a_commit_certificate_of_a_fork_halts_the_node_however_far_below_its_head_the_fork_began() {
    let mut f = Fixture::started(0);
    let one = f.block(1, &f.genesis, None, &[1]);
    let two = f.block(2, &one, Some(&qc(1, one.hash(), Phase::Vote)), &[]);
    let committed_by = qc(2, two.hash(), Phase::Commit);
    let certificate = Verified::trust(committed_by.clone());
    f.step(Input::Blocks { blocks: vec![one, two], commit: Some(certificate) });
    assert_eq!(f.engine.committed().height, Height(2));

    let other_one = f.block(1, &f.genesis, None, &[2]);
    let other_two = f.block(3, &other_one, Some(&qc(1, other_one.hash(), Phase::Vote)), &[]);
    let other_three = f.block(4, &other_two, Some(&qc(3, other_two.hash(), Phase::Vote)), &[]);
    for fork in [other_one.clone(), other_two, other_three] {
        let (hash, mut f) =
            (fork.hash(), Fixture { engine: f.engine.clone(), genesis: f.genesis.clone(), ..f });
        let contradiction = qc(5, hash, Phase::Commit);
        let asked = f.certificate(contradiction.clone());
        assert!(
            asked.iter().any(|a| matches!(a, Action::FetchBlock { block, .. } if *block == hash)),
            "{asked:?}"
        );
        let actions = f.step(Input::Blocks { blocks: vec![fork], commit: None });
        let pair = Halt::Fork(Box::new(committed_by.clone()), Box::new(contradiction));
        assert_eq!(actions, [Action::Halt(pair)], "both as they are: whoever signed both is faulty");
    }

    // With a certificate of votes it is not certain, but the block is of no use: asked for once.
    let certificate = qc(5, other_one.hash(), Phase::Vote);
    let block = f.block(6, &other_one, Some(&certificate), &[]);
    let (view, justify, signer) = (View(6), Some(certificate), Position(1));
    let proposal =
        Proposal { view, block, justify, tc: None, commit: None, signer, signature: no_signature() };
    let asks = |actions: &[Action]| actions.iter().any(|action| matches!(action, Action::FetchBlock { .. }));
    assert!(asks(&f.receive(1, Admitted::Proposal(Verified::trust(proposal)))));
    assert!(!asks(&f.step(Input::Blocks { blocks: vec![other_one], commit: None })));
}

#[test]
fn another_execution_than_a_quorum_vouched_for_halts_the_node() {
    let mut f = Fixture::started(0);
    let one = f.block(1, &f.genesis, None, &[]);
    let qc1 = qc(1, one.hash(), Phase::Vote);
    let mut two = f.block(2, &one, Some(&qc1), &[]);
    let theirs = AppHash::new(vec![1]).expect("short");
    two.header.vouched.height = Height(1);
    two.header.vouched.app_hash = theirs.clone();
    let certificate = Verified::trust(qc(2, two.hash(), Phase::Commit));
    f.step(Input::Blocks { blocks: vec![one, two], commit: Some(certificate) });
    assert_eq!(f.engine.committed().height, Height(2));
    let own = AppHash::new(vec![2]).expect("short");
    let execution = Execution { height: Height(1), app_hash: own.clone(), results_root: Hash::ZERO };
    let next_epoch = f.engine.config.epoch_hash;
    let actions = f.step(Input::Executed(Executed { execution, next_epoch }));
    assert!(
        matches!(&actions[..], [Action::Halt(Halt::Diverged { vouched, own: got, .. })] if *vouched == theirs && *got == own),
        "{actions:?}"
    );
}

#[test]
fn blocks_that_nobody_has_do_not_keep_out_those_that_the_chain_goes_on_with() {
    let mut f = Fixture::started(0);
    let block = |view: u64| BlockHash(sha256(&view.to_be_bytes()));
    let fetched = |actions: &[Action], view| {
        actions.iter().any(|a| matches!(a, Action::FetchBlock { block: one, .. } if *one == block(view)))
    };
    for view in 1..=64 {
        assert!(fetched(&f.certificate(qc(view, block(view), Phase::Commit)), view));
    }
    assert!(
        fetched(&f.certificate(qc(65, block(65), Phase::Commit)), 65),
        "the newest takes another's place"
    );
    assert_eq!(f.engine.wanted.len(), 64, "so many at one time");
    f.wait(5_000);
    assert!(fetched(&f.certificate(qc(66, block(66), Phase::Commit)), 66));
    assert!(f.engine.wanted.len() < 64, "who was not asked for again has gone");
}

#[test]
fn a_qc_whose_block_is_lacking_goes_to_all_once_even_when_as_many_are_asked_for_as_may_be() {
    let mut f = Fixture::started(0);
    let block = |view: u64| BlockHash(sha256(&view.to_be_bytes()));
    f.step(Input::Pending(true));
    let told = |actions: &[Action]| {
        actions
            .iter()
            .any(|a| matches!(a, Action::Broadcast(Message::Certificate(qc)) if qc.view() >= View(64)))
    };
    for view in 1..=63 {
        f.certificate(qc(view, block(view), Phase::Commit));
    }
    assert!(told(&f.certificate(qc(64, block(64), Phase::Vote))));
    assert!(!told(&f.step(Input::Pending(true))), "again");
    assert!(told(&f.certificate(qc(65, block(65), Phase::Vote))), "another's place is taken");
    assert!(!told(&f.step(Input::Pending(true))), "again");
}

#[test]
fn a_timeout_vote_brings_its_receiver_to_its_view_by_the_certificates_it_carries() {
    let mut f = Fixture::started(0);
    let block = f.block(1, &f.genesis, None, &[]).hash();
    let (entry, high) = (tc(4, Some(qc(2, block, Phase::Vote))), qc(3, block, Phase::Vote));
    let vote = |signer| Admitted::Timeout(timeout(5, signer, Some(high.clone()), Some(entry.clone().into())));
    f.receive(1, vote(1));
    assert_eq!((f.engine.view(), f.engine.high_view()), (View(5), View(3)));
    let actions = f.receive(2, vote(2));
    assert_eq!(Fixture::asked(&actions), [(SignKind::Timeout, View(5))], "both count");
}
