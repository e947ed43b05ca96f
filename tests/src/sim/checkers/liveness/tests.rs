use std::sync::Arc;

use althing_consensus::{Height, Phase, Position};
use althing_crypto::TxHash;
use althing_node::body::Body;

use super::super::testing::{Bench, block, found};
use super::*;
use crate::sim::world::Standing;

const DELTA: Micros = Micros::from_millis(10);

fn ms(at: u64) -> Micros {
    Micros::from_millis(at)
}

/// All four nodes in view 3 with one block, all healed, and a transaction that node 0 owes.
fn bench() -> (Bench, Liveness, Arc<Body>) {
    let (bench, mut checker) = (Bench::new(), Liveness::default());
    let one = bench.body(None, &[]);
    commit(&bench, &mut checker, &one);
    (0..4).for_each(|node| stands(&bench, &mut checker, 0, node, 3, 1).expect("nothing is due"));
    checker.healed(&bench.world, ms(0), DELTA);
    bench.see(&mut checker, 0, &Seen::Acknowledged { tx: TxHash::of(b"a"), place: None }).expect("work");
    (bench, checker, one)
}

fn commit(bench: &Bench, checker: &mut Liveness, body: &Arc<Body>) {
    let certificate = bench.qc(Phase::Commit, 1, block("any"), &[0, 1, 2]);
    let seen = Seen::Committed { bodies: std::slice::from_ref(body), certificate: &certificate };
    checker.see(&bench.world, ms(0), 0, &seen).expect("committed");
}

/// A node has stepped, and stands there now.
fn stands(
    bench: &Bench,
    checker: &mut Liveness,
    at: u64,
    node: usize,
    view: u64,
    height: u64,
) -> Result<(), String> {
    checker.nodes.insert(node, (View(view), height));
    checker.aim(&bench.world, ms(at));
    checker.count_views(&bench.world);
    checker.leave_behind(&bench.world, ms(at));
    checker.judge(&bench.world, ms(at))
}

fn all_stand(bench: &Bench, checker: &mut Liveness, at: u64, view: u64, height: u64) -> Result<(), String> {
    (0..4).try_for_each(|node| stands(bench, checker, at, node, view, height))
}

/// A correct member proposes in each view, which then fails.
fn fail_views(
    bench: &Bench,
    checker: &mut Liveness,
    parent: &Body,
    views: std::ops::Range<u64>,
) -> Result<(), String> {
    for view in views {
        // As long as commit votes may travel.
        let at = 1_000 + 520 * (view - 3);
        let proposal = bench.proposal(1, &bench.body_in(Some(parent), view, &[], |_| {}), None, None);
        checker.proposes(&bench.world, ms(at), 1, &Message::Proposal(Box::new(proposal)));
        all_stand(bench, checker, at, view + 1, 1)?;
    }
    Ok(())
}

#[test]
fn a_commit_in_time_passes_and_sets_the_next_goal() {
    let (bench, mut checker, one) = bench();
    all_stand(&bench, &mut checker, 1, 4, 1).expect("in time");
    let two = bench.body(Some(&one), &["a"]);
    commit(&bench, &mut checker, &two);
    all_stand(&bench, &mut checker, 100, 5, 2).expect("committed");
    let goal = checker.goal.as_ref().expect("a closing block is due");
    assert_eq!((goal.height, goal.since), (3, ms(100)));
    let three = bench.body_in(Some(&two), 5, &[], |header| header.vouched.height = Height(2));
    commit(&bench, &mut checker, &three);
    all_stand(&bench, &mut checker, 200, 6, 3).expect("closed");
    checker.finished(&bench.world, ms(1_000_000)).expect("at rest for as long as it likes");
}

#[test]
fn without_work_or_before_healing_nothing_is_due() {
    let (bench, mut checker) = (Bench::new(), Liveness::default());
    all_stand(&bench, &mut checker, 0, 1, 0).expect("not healed");
    checker.finished(&bench.world, ms(1_000_000)).expect("not healed");
    checker.healed(&bench.world, ms(1_000_000), DELTA);
    commit(&bench, &mut checker, &bench.body(None, &[]));
    all_stand(&bench, &mut checker, 1_000_100, 2, 1).expect("block 1");
    checker.finished(&bench.world, ms(9_000_000)).expect("no work");
}

#[test]
fn no_commit_in_time_is_found_even_if_only_one_node_lacks_it() {
    let (bench, mut checker, one) = bench();
    checker.finished(&bench.world, ms(1)).expect("in time");
    found(checker.finished(&bench.world, ms(200_000)), &["height 2", "since 1 ms"]);

    let (_, mut checker, _) = self::bench();
    all_stand(&bench, &mut checker, 1, 4, 1).expect("in time");
    commit(&bench, &mut checker, &bench.body(Some(&one), &["a"]));
    (0..3).for_each(|node| stands(&bench, &mut checker, 100, node, 5, 2).expect("in time"));
    found(checker.finished(&bench.world, ms(200_000)), &["height 2", "(3, 4, 1)"]);
}

#[test]
fn a_faulty_leader_s_view_buys_time_for_one_more() {
    let (mut bench, mut checker, _) = bench();
    bench.world.standing[3] = Standing::Byzantine;
    checker.aim(&bench.world, ms(0));
    let deadline =
        |checker: &Liveness| checker.deadline(&bench.world, checker.goal.as_ref().expect("work"), DELTA).0;
    let before = deadline(&checker);
    let faulty =
        (4..40).find(|view| leader(&bench.world, View(*view), &[]) == Position(3)).expect("its turn");
    for view in 4..faulty {
        stands(&bench, &mut checker, 0, 0, view, 1).expect("in time");
    }
    assert_eq!(deadline(&checker), before);
    stands(&bench, &mut checker, 0, 0, faulty, 1).expect("in time");
    assert!(deadline(&checker) > before, "view {faulty} is member 3's");
}

#[test]
fn too_many_failed_proposals_of_correct_members_are_found() {
    let (bench, mut checker, one) = bench();
    all_stand(&bench, &mut checker, 1, 3, 1).expect("in time");
    let most = Liveness::proposals(&bench.world, DELTA) as u64;
    fail_views(&bench, &mut checker, &one, 4..4 + most).expect("so many may fail");
    found(fail_views(&bench, &mut checker, &one, 4 + most..20), &["proposed in views [4, 5", "height 2"]);
}

#[test]
fn commit_votes_may_still_travel_when_a_faulty_leader_has_brought_all_to_the_next_views() {
    let (bench, mut checker, one) = bench();
    all_stand(&bench, &mut checker, 1, 3, 1).expect("in time");
    for view in 4..10 {
        let proposal = bench.proposal(1, &bench.body_in(Some(&one), view, &[], |_| {}), None, None);
        checker.proposes(&bench.world, ms(1_000), 1, &Message::Proposal(Box::new(proposal)));
    }
    all_stand(&bench, &mut checker, 1_000, 20, 1).expect("they have just left");
    found(all_stand(&bench, &mut checker, 1_511, 21, 1), &["proposed in views [4, 5"]);
}

#[test]
fn proposals_while_a_node_is_behind_do_not_count() {
    let (bench, mut checker, one) = bench();
    all_stand(&bench, &mut checker, 1, 3, 1).expect("in time");
    checker.nodes.insert(3, (View(3), 0));
    let proposal = bench.proposal(1, &bench.body_in(Some(&one), 4, &[], |_| {}), None, None);
    checker.proposes(&bench.world, ms(1_000), 1, &Message::Proposal(Box::new(proposal)));
    assert!(checker.goal.as_ref().expect("work").proposed.is_empty());
}
