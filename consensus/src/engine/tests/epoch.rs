//! The end of an epoch: a block without children, which comes again until it is committed, and what follows.

use super::*;
use crate::ConsensusParams;

const NEXT: Hash = Hash::from_bytes([5; 32]);

/// What executing height 1 gives, where an update changes the set.
fn executed() -> Executed {
    let execution = Execution { height: Height(1), app_hash: AppHash::default(), results_root: Hash::ZERO };
    Executed { execution, next_epoch: NEXT }
}

/// Block 1, and block 2 that vouches for it and ends the epoch, with the QC of block 1.
fn ending(f: &Fixture) -> (Block, Block, QuorumCertificate) {
    let one = f.block(1, &f.genesis, None, &[]);
    let qc1 = qc(1, one.hash(), Phase::Vote);
    let mut two = f.block(2, &one, Some(&qc1), &[]);
    two.header.vouched.height = Height(1);
    two.header.vouched.executed_root = Execution::root([&executed().execution]);
    two.header.vouched.next_epoch = NEXT;
    (one, two, qc1)
}

/// Member `me` that has block 2 as a candidate, after it has executed block 1.
fn at_the_end(me: u16) -> (Fixture, Block) {
    let mut f = Fixture::started(me);
    let (one, two, qc1) = ending(&f);
    f.receive(1, Admitted::Proposal(Verified::trust(f.proposal(one.clone(), None, None))));
    f.certificate(qc(1, one.hash(), Phase::Commit));
    f.step(Input::Executed(executed()));
    f.receive(1, Admitted::Proposal(Verified::trust(f.proposal(two.clone(), Some(qc1), None))));
    (f, two)
}

fn votes(actions: &[Action]) -> Vec<(SignKind, View)> {
    Fixture::asked(actions)
}

#[test]
fn a_block_that_names_another_epoch_is_voted_for_by_whom_execution_tells_the_same() {
    let (mut f, two) = at_the_end(0);
    let checked = f.step(Input::PayloadChecked { block: two.hash(), verdict: Ok(()) });
    assert_eq!(votes(&checked), [(SignKind::Vote, View(2))]);

    let mut f = Fixture::started(0);
    let (one, two, qc1) = ending(&f);
    f.receive(1, Admitted::Proposal(Verified::trust(f.proposal(one.clone(), None, None))));
    f.certificate(qc(1, one.hash(), Phase::Commit));
    let next_epoch = f.engine.config.epoch_hash;
    f.step(Input::Executed(Executed { next_epoch, ..executed() }));
    f.receive(1, Admitted::Proposal(Verified::trust(f.proposal(two.clone(), Some(qc1), None))));
    let checked = f.step(Input::PayloadChecked { block: two.hash(), verdict: Ok(()) });
    assert_eq!(votes(&checked), [], "executed here, it leaves the set as it is");
}

#[test]
fn on_an_epoch_ending_block_only_that_block_is_valid_and_is_judged_by_its_view_no_more() {
    for again in [true, false] {
        let (mut f, two) = at_the_end(0);
        let qc2 = qc(2, two.hash(), Phase::Vote);
        f.certificate(qc2.clone());
        let block = if again { two.clone() } else { f.block(3, &two, Some(&qc2), &[]) };
        let signer = f.engine.leader_on(View(3), &two.hash()).expect("at hand");
        let proposal = Proposal {
            view: View(3),
            block: block.clone(),
            justify: Some(qc2),
            tc: None,
            commit: None,
            signer,
            signature: no_signature(),
        };
        f.receive(1, Admitted::Proposal(Verified::trust(proposal)));
        let checked = f.step(Input::PayloadChecked { block: block.hash(), verdict: Ok(()) });
        let expected: &[_] = if again { &[(SignKind::Vote, View(3))] } else { &[] };
        assert_eq!(votes(&checked), expected, "again: {again}");
    }
}

#[test]
fn its_leader_waits_for_the_commit_and_then_proposes_it_again() {
    let leads = |me: u16| {
        let (f, two) = at_the_end(me);
        f.engine.leader_on(View(3), &two.hash()) == Some(Position(me))
    };
    let me = (0..4).find(|me| leads(*me)).expect("somebody leads view 3");
    let (mut f, two) = at_the_end(me);
    f.certificate(qc(2, two.hash(), Phase::Vote));
    assert_eq!(votes(&f.wait(100)), []);
    let actions = f.wait(200);
    let proposed = actions.iter().find_map(|action| match action {
        Action::Sign { request, .. } => match &**request {
            SignRequest::Propose(draft) => Some((draft.view, draft.block.hash())),
            _ => None,
        },
        _ => None,
    });
    assert_eq!(proposed, Some((View(3), two.hash())), "{actions:?}");
}

/// The engine after the commit of block 2.
fn closed() -> (Fixture, Block) {
    let (mut f, two) = at_the_end(0);
    f.certificate(qc(2, two.hash(), Phase::Commit));
    assert!(f.engine.is_closed());
    (f, two)
}

#[test]
fn committed_it_closes_the_epoch_in_which_nothing_is_signed_any_more() {
    let (mut f, two) = closed();
    f.step(Input::Pending(true));
    assert_eq!(votes(&f.wait(60_000)), [], "no timer but the status's, no proposal, no timeout vote");
    let late = f.receive(
        1,
        Admitted::Certificate(Verified::trust(Certificate::Quorum(qc(5, two.hash(), Phase::Vote)))),
    );
    assert_eq!(votes(&late), [], "no commit vote");
}

/// What the second epoch begins with, for the member at this place in the same set with other parameters.
fn next(f: &Fixture, me: Option<u16>, resumed: bool) -> EpochEntered {
    let config = EngineConfig {
        epoch: Epoch(2),
        epoch_hash: NEXT,
        opening: *f.engine.tree.head_hash(),
        params: ConsensusParams { timeout_min_ms: 900, ..f.engine.config.params.clone() },
        me: me.map(Position),
        ..f.engine.config.clone()
    };
    EpochEntered { config, record: None, resumed }
}

#[test]
fn the_next_epoch_begins_in_view_1_on_the_block_that_opened_it() {
    let (mut f, two) = closed();
    let entered = next(&f, Some(0), true);
    let actions = f.step(Input::EpochEntered(Box::new(entered)));
    assert!(matches!(&actions[..], [Action::Broadcast(Message::Status(status))] if status.epoch == Epoch(2)));
    assert_eq!((f.engine.epoch(), f.engine.view()), (Epoch(2), View(1)));
    assert_eq!((f.engine.high_block(), f.engine.newest()), (two.hash(), Newest::default()));
    assert!(!f.engine.is_closed());

    // What was on its way is of no use.
    let old = f.receive(1, Admitted::Vote(vote(Phase::Vote, 1, two.hash(), 1)));
    assert_eq!((old, f.engine.pool_sizes().votes), (vec![], 0));
    f.step(Input::Signed(Box::new(Signed::Vote(vote(Phase::Vote, 1, two.hash(), 0)))));
    assert_eq!(f.engine.own, OwnMessages::default());
    f.certificate(qc(9, two.hash(), Phase::Commit));
    assert_eq!(f.engine.view(), View(1));

    // The first block has no justify QC, and no absent members.
    let header = Header {
        epoch: Epoch(2),
        height: Height(3),
        view: View(1),
        parent: two.hash(),
        justify_view: View(0),
        time_ms: two.header.time_ms + 1,
        absent: Vec::new(),
        ..two.header.clone()
    };
    let three = Block { header, txs: Vec::new(), notices: Vec::new() };
    f.receive(1, Admitted::Proposal(Verified::trust(f.proposal_on(&two, three.clone()))));
    let checked = f.step(Input::PayloadChecked { block: three.hash(), verdict: Ok(()) });
    assert_eq!(votes(&checked), [(SignKind::Vote, View(1))]);
}

#[test]
fn who_is_left_out_follows_and_who_does_not_know_what_it_signed_asks_first() {
    let (mut f, _) = closed();
    let entered = next(&f, None, true);
    f.step(Input::EpochEntered(Box::new(entered)));
    f.step(Input::Pending(true));
    assert_eq!(votes(&f.wait(60_000)), [], "no validator");

    let (mut f, _) = closed();
    let entered = next(&f, Some(0), false);
    let actions = f.step(Input::EpochEntered(Box::new(entered)));
    assert!(matches!(&actions[..], [Action::Broadcast(Message::Status(status))] if status.resuming));
    f.step(Input::Pending(true));
    assert_eq!(votes(&f.wait(60_000)), [], "it does not know what it has signed");
    let mut actions = Vec::new();
    for peer in 1..3 {
        actions = f.receive(peer, Admitted::Memory(Memory { epoch: Epoch(2), ..Memory::default() }));
    }
    assert_eq!(actions, [Action::Resume { floor: None }]);
    f.step(Input::Resumed);
    assert_eq!(votes(&f.wait(60_000)), [(SignKind::Timeout, View(1))]);
}

#[test]
#[should_panic(expected = "the set is the one that a quorum vouched for")]
fn another_set_than_the_one_vouched_for_is_a_broken_invariant() {
    let (mut f, _) = closed();
    let mut entered = next(&f, Some(0), true);
    entered.config.epoch_hash = Hash::ZERO;
    f.step(Input::EpochEntered(Box::new(entered)));
}

#[test]
fn a_record_of_a_later_epoch_says_nothing_about_this_one() {
    let genesis = Fixture::new(4, 0).genesis.hash();
    let record = SafetyRecord {
        chain_id: "table".into(),
        epoch: Epoch(2),
        epoch_hash: NEXT,
        opening: genesis,
        signer: Position(0),
        vote_key: [0; 48],
        floor: View(3),
        proposal: None,
        vote: Some(vote(Phase::Vote, 9, genesis, 0)),
        commit_vote: None,
        timeout: None,
        high_qc: Some(qc(8, genesis, Phase::Vote)),
        tc: Some(tc(9, None)),
        commit: None,
    };
    let later = Fixture::recovered(4, 0, Some(&record));
    assert_eq!((later.engine.view(), later.engine.high_view()), (View(1), View(0)));
    assert_eq!(later.engine.own, OwnMessages::default());
    let same = SafetyRecord { epoch: Epoch(1), ..record };
    assert_eq!(Fixture::recovered(4, 0, Some(&same)).engine.view(), View(10));
}
