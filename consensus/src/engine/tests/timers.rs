//! Work, rest, timers and repetition: W1, T1, R8.

use super::*;

fn kinds(actions: &[Action]) -> Vec<&'static str> {
    let kind = |action: &Action| match action {
        Action::Broadcast(Message::Proposal(_)) => "proposal",
        Action::Broadcast(Message::Vote(_)) => "vote",
        Action::Broadcast(Message::Timeout(_)) => "timeout",
        Action::Broadcast(Message::Certificate(_)) => "certificate",
        Action::Broadcast(Message::Status(_)) => "status",
        Action::SendPending(None) => "pending",
        Action::SendPending(Some(_)) => "pending to the leader",
        _ => "other",
    };
    actions.iter().map(kind).collect()
}

#[test]
fn the_leader_of_a_fresh_chain_makes_an_empty_block_after_a_third_of_the_timer() {
    let me = Fixture::new(4, 0).leader(1);
    let mut f = Fixture::started(me);
    assert_eq!(f.wait(166), []);
    assert_eq!(Fixture::asked(&f.wait(1)), [(SignKind::Proposal, View(1))]);
}

#[test]
fn once_the_heartbeat_is_due_the_leader_waits_for_nothing() {
    let me = Fixture::new(4, 0).leader(1);
    let mut f = Fixture::beating(me, 20);
    assert_eq!(f.wait(19), []);
    assert_eq!(Fixture::asked(&f.wait(1)), [(SignKind::Proposal, View(1))]);
}

#[test]
fn the_block_of_a_heartbeat_is_made_once_while_its_commit_is_awaited() {
    let me = Fixture::new(4, 0).leader(2);
    let mut f = Fixture::beating(me, 20);
    f.wait(20);
    let mut one = f.block(1, &f.genesis, None, &[]);
    one.header.time_ms = f.now.unix_ms;
    f.receive(f.leader(1), Admitted::Proposal(Verified::trust(f.proposal(one.clone(), None, None))));
    f.step(Input::Signed(Box::new(Signed::Vote(vote(Phase::Vote, 1, one.hash(), me)))));
    let asked = Fixture::asked(&f.certificate(qc(1, one.hash(), Phase::Vote)));
    assert_eq!(asked, [(SignKind::CommitVote, View(1))]);
}

#[test]
fn a_view_without_a_proposal_is_given_up_and_repeated_at_a_constant_interval() {
    let follower = (0..4).find(|me| *me != Fixture::new(4, 0).leader(1)).expect("four members");
    let mut f = Fixture::started(follower);
    assert_eq!(f.wait(499), []);
    assert_eq!(Fixture::asked(&f.wait(1)), [(SignKind::Timeout, View(1))]);
    f.step(Input::Signed(Box::new(Signed::Timeout(timeout(1, follower, None, None)))));
    for _ in 0..3 {
        f.wait(499);
        let mut repeated = kinds(&f.wait(1));
        repeated.retain(|kind| *kind != "status");
        assert_eq!(repeated, ["timeout", "pending"]);
    }
}

#[test]
fn a_leader_that_does_not_propose_gets_the_qc_from_all_after_half_of_the_timer_and_one_that_does_gets_none() {
    for proposes in [false, true] {
        let me = (0..4).find(|me| *me != Fixture::new(4, 0).leader(2)).expect("four members");
        let mut f = Fixture::started(me);
        let one = f.block(1, &f.genesis, None, &[]);
        f.receive(f.leader(1), Admitted::Proposal(Verified::trust(f.proposal(one.clone(), None, None))));
        let qc1 = qc(1, one.hash(), Phase::Vote);
        f.certificate(qc1.clone());
        if proposes {
            let two = f.block(2, &one, Some(&qc1), &[]);
            f.receive(f.leader(2), Admitted::Proposal(Verified::trust(f.proposal(two, Some(qc1), None))));
        }
        let mut told = |ms| kinds(&f.wait(ms)).iter().filter(|kind| **kind == "certificate").count();
        assert_eq!(told(249), 0);
        assert_eq!(told(1), usize::from(!proposes));
    }
}

#[test]
fn what_is_repeated_is_the_newest_of_every_kind() {
    let follower = (0..4).find(|me| *me != Fixture::new(4, 0).leader(1)).expect("four members");
    let mut f = Fixture::started(follower);
    let one = f.block(1, &f.genesis, None, &[]);
    f.receive(1, Admitted::Proposal(Verified::trust(f.proposal(one.clone(), None, None))));
    f.step(Input::Signed(Box::new(Signed::Vote(vote(Phase::Vote, 1, one.hash(), follower)))));
    f.certificate(qc(1, one.hash(), Phase::Vote));
    f.step(Input::Signed(Box::new(Signed::CommitVote(vote(Phase::Commit, 1, one.hash(), follower)))));
    f.certificate(tc(4, Some(qc(1, one.hash(), Phase::Vote))));
    f.wait(1_000);
    let high = Some(qc(1, one.hash(), Phase::Vote));
    let given_up = timeout(5, follower, high.clone(), Some(tc(4, high).into()));
    f.step(Input::Signed(Box::new(Signed::Timeout(given_up))));
    let mut repeated = kinds(&f.wait(500));
    repeated.retain(|kind| *kind != "status");
    // The vote and the commit vote, the timeout vote; the high QC and the TC; pending transactions.
    assert_eq!(repeated, ["vote", "vote", "timeout", "certificate", "certificate", "pending"]);
}

#[test]
fn a_higher_qc_is_named_when_the_timeout_is_repeated() {
    let mut f = Fixture::started(0);
    f.certificate(tc(5, None));
    f.wait(1_000);
    f.step(Input::Signed(Box::new(Signed::Timeout(timeout(6, 0, None, Some(tc(5, None).into()))))));
    let qc3 = qc(3, f.genesis.hash(), Phase::Vote);
    f.certificate(qc3);
    let actions = f.wait(500);
    assert_eq!(Fixture::asked(&actions), [(SignKind::Timeout, View(6))]);
}

#[test]
fn entering_by_a_tc_with_pending_transactions_it_sends_them_to_the_leader() {
    let leader = Fixture::new(4, 0).leader(6);
    let mut f = Fixture::started((leader + 1) % 4);
    let to_leader = Action::SendPending(Some(Position(leader)));
    assert!(!f.certificate(tc(4, None)).contains(&to_leader), "nothing is pending");
    f.step(Input::Pending(true));
    assert!(f.certificate(tc(5, None)).contains(&to_leader));
    let mut f = Fixture::started(leader);
    f.step(Input::Pending(true));
    assert!(!f.certificate(tc(5, None)).contains(&to_leader), "it leads itself");
}

#[test]
fn at_rest_no_timer_runs_but_that_of_the_status() {
    let mut f = Fixture::started(0);
    let one = f.block(1, &f.genesis, None, &[]);
    f.receive(1, Admitted::Proposal(Verified::trust(f.proposal(one.clone(), None, None))));
    f.certificate(qc(1, one.hash(), Phase::Commit));
    assert_eq!(f.engine.committed().height, Height(1));
    let execution = Execution { height: Height(1), app_hash: AppHash::default(), results_root: Hash::ZERO };
    let next_epoch = f.engine.config.epoch_hash;
    f.step(Input::Executed(Executed { execution, next_epoch }));
    for _ in 0..5 {
        assert_eq!(kinds(&f.wait(2_000)), ["status"]);
    }
    assert_eq!(f.engine.view(), View(2));
    // A transaction is work: the view timer runs again.
    f.step(Input::Pending(true));
    assert_eq!(Fixture::asked(&f.wait(5_000)).last(), Some(&(SignKind::Timeout, View(2))));
}

#[test]
fn who_failed_is_known_by_the_chain_and_one_tried_as_seldom_as_may_be_has_the_whole_timer() {
    for (failures, failed) in [(1, true), (8, true), (9, false)] {
        let mut f = Fixture::started(0);
        let member = Position(2);
        let mut block = f.block(1, &f.genesis, None, &[]);
        block.header.absent = vec![crate::Absence { member, last: View(1), failures }];
        let hash = block.hash();
        f.engine.high_qc = Some(Verified::trust(qc(1, hash, Phase::Vote)));
        let turn = |f: &Fixture, view| f.engine.election().leader(View(view), &block.header.absent);
        let own = (5_000..6_000).find(|view| turn(&f, *view) == member).expect("its rest is over");
        let other = (5_000..6_000).find(|view| turn(&f, *view) != member).expect("they take turns");
        f.engine.tree.insert(hash, block);
        f.engine.view = View(own);
        assert_eq!(f.engine.leader_failed(), failed, "{failures} failures");
        let timeout = Micros::from_millis(500);
        assert_eq!(f.engine.patience(timeout), Micros(500_000 / 8 / 3), "others may not wait for it");
        f.engine.view = View(other);
        assert!(!f.engine.leader_failed(), "of others nothing is known");
        for timeout in [timeout, Micros::from_millis(4_000)] {
            assert_eq!(f.engine.patience(timeout), Micros(500_000 / 3), "others may have the shortest timer");
        }
    }
}
