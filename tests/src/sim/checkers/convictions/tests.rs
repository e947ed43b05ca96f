use althing_consensus::{Position, View};
use althing_crypto::bls;

use super::super::testing::{Bench, block, found, shows};
use super::*;
use crate::sim::world::Standing;

const LATER: Micros = Micros::from_millis(10_000);

/// Member 3 does what it likes, node 0 looks on.
fn bench() -> (Bench, Convictions) {
    let mut bench = Bench::new();
    bench.world.standing[3] = Standing::Byzantine;
    (bench, Convictions::default())
}

fn vote(bench: &Bench, view: u64, name: &str) -> Message {
    Message::Vote(bench.vote(Phase::Commit, 3, view, block(name)))
}

fn proposal(bench: &Bench, view: u64, tx: &str) -> Message {
    let parent = bench.body_in(None, view - 1, &[], |_| {});
    let justify = bench.qc(Phase::Vote, view - 1, parent.block.hash(), &[0, 1, 2]);
    let body = bench.body_in(Some(&parent), view, &[tx], |_| {});
    Message::Proposal(Box::new(bench.proposal(3, &body, Some(justify), None)))
}

fn receives(bench: &Bench, checker: &mut Convictions, at: u64, from: usize, message: &Message) {
    let seen = Seen::Received { from, message };
    checker.see(&bench.world, Micros::from_millis(at), 0, &seen).expect("nothing is due before the end");
}

fn enters(checker: &mut Convictions, at: u64, view: u64) {
    checker.0.entry(0).or_default().enters(Micros::from_millis(at), View(view));
}

fn finished(bench: &Bench, checker: &mut Convictions) -> Result<(), String> {
    checker.finished(&bench.world, LATER)
}

#[test]
fn one_of_each_and_the_same_again_owe_nothing() {
    let (bench, mut checker) = bench();
    for at in 0..3 {
        for message in [vote(&bench, 2, "a"), vote(&bench, 3, "b"), proposal(&bench, 3, "a")] {
            receives(&bench, &mut checker, at, 3, &message);
        }
    }
    receives(&bench, &mut checker, 4, 3, &proposal(&bench, 4, "b"));
    finished(&bench, &mut checker).expect("honest so far");
}

#[test]
fn two_that_nobody_is_convicted_of_are_found() {
    for make in [vote, proposal] {
        let (bench, mut checker) = bench();
        receives(&bench, &mut checker, 0, 3, &make(&bench, 3, "a"));
        receives(&bench, &mut checker, 500, 2, &make(&bench, 3, "b"));
        found(finished(&bench, &mut checker), &["node 0", "member 3", "view 3"]);
    }
}

#[test]
fn a_conviction_settles_it_whichever_two_messages_it_shows() {
    let (bench, mut checker) = bench();
    receives(&bench, &mut checker, 0, 3, &vote(&bench, 3, "a"));
    receives(&bench, &mut checker, 0, 3, &vote(&bench, 3, "b"));
    let signed = |name| bench.vote(Phase::Commit, 3, 3, block(name));
    let evidence = Evidence::Votes(signed("b"), signed("c"));
    bench.see(&mut checker, 0, &Seen::Convicted { evidence: &evidence }).expect("convicted");
    receives(&bench, &mut checker, 9, 3, &vote(&bench, 3, "d"));
    finished(&bench, &mut checker).expect("once is enough");
}

#[test]
fn a_conviction_of_something_else_settles_nothing() {
    let (bench, mut checker) = bench();
    receives(&bench, &mut checker, 0, 3, &vote(&bench, 3, "a"));
    receives(&bench, &mut checker, 0, 3, &vote(&bench, 3, "b"));
    let other = |phase, view, name| bench.vote(phase, 3, view, block(name));
    for (phase, view) in [(Phase::Vote, 3), (Phase::Commit, 4)] {
        let evidence = Evidence::Votes(other(phase, view, "a"), other(phase, view, "b"));
        bench.see(&mut checker, 0, &Seen::Convicted { evidence: &evidence }).expect("convicted");
    }
    found(finished(&bench, &mut checker), &["member 3", "view 3"]);
}

#[test]
fn votes_beyond_the_window_owe_nothing_nor_those_that_it_left_at_once() {
    let (bench, mut checker) = bench();
    for name in ["a", "b"] {
        receives(&bench, &mut checker, 0, 3, &vote(&bench, 20, name));
        receives(&bench, &mut checker, 0, 3, &vote(&bench, 3, name));
    }
    enters(&mut checker, 900, 20);
    finished(&bench, &mut checker).expect("too far ahead, and too soon behind");
    for name in ["a", "b"] {
        receives(&bench, &mut checker, 1_000, 3, &vote(&bench, 20, name));
    }
    (1_000..2_100).step_by(100).for_each(|ms| enters(&mut checker, ms, 20));
    enters(&mut checker, 2_100, 90);
    found(finished(&bench, &mut checker), &["view 20"]);
}

#[test]
fn a_node_that_stood_still_has_its_time_afterwards() {
    let (bench, mut checker) = bench();
    for name in ["a", "b"] {
        receives(&bench, &mut checker, 1_000, 3, &vote(&bench, 3, name));
    }
    enters(&mut checker, 1_000, 2);
    enters(&mut checker, 4_000, 90);
    finished(&bench, &mut checker).expect("it left the window as soon as it went on");
}

#[test]
fn a_bad_signature_from_its_signer_spoils_the_slot_a_relayed_one_does_not() {
    let (bench, _) = bench();
    let mut bad = bench.vote(Phase::Commit, 3, 3, block("bad"));
    bad.signature = bls::Signature::from_bytes([1; 96]);
    let bad = Message::Vote(bad);
    for from in [2, 3] {
        let mut checker = Convictions::default();
        receives(&bench, &mut checker, 0, from, &bad);
        receives(&bench, &mut checker, 0, 3, &vote(&bench, 3, "a"));
        receives(&bench, &mut checker, 0, 3, &vote(&bench, 3, "b"));
        let outcome = finished(&bench, &mut checker);
        if from == 3 {
            outcome.expect("the slot may hold the bad one");
        } else {
            found(outcome, &["view 3"]);
        }
    }
}

#[test]
fn a_newer_proposal_in_between_or_right_after_takes_the_first_one_s_place() {
    let (bench, _) = bench();
    let orders: [&[(u64, u64, &str)]; 2] =
        [&[(0, 3, "a"), (1, 4, "c"), (2, 3, "b")], &[(0, 3, "a"), (1, 3, "b"), (2, 4, "c")]];
    for order in orders {
        let mut checker = Convictions::default();
        for (at, view, tx) in order {
            receives(&bench, &mut checker, *at, 3, &proposal(&bench, *view, tx));
        }
        finished(&bench, &mut checker).expect("only the newest is remembered");
    }
    let mut checker = Convictions::default();
    for (at, view, tx) in [(0, 3, "a"), (1, 3, "b"), (2_000, 4, "c")] {
        receives(&bench, &mut checker, at, 3, &proposal(&bench, view, tx));
    }
    found(finished(&bench, &mut checker), &["Proposal", "view 3"]);
}

#[test]
fn a_proposal_that_the_door_refuses_owes_nothing() {
    let (bench, mut checker) = bench();
    let body = bench.body_in(None, 3, &["b"], |_| {});
    let unjustified = Message::Proposal(Box::new(bench.proposal(3, &body, None, None)));
    receives(&bench, &mut checker, 0, 3, &proposal(&bench, 3, "a"));
    receives(&bench, &mut checker, 1, 3, &unjustified);
    finished(&bench, &mut checker).expect("it never got in");
}

#[test]
fn a_flood_a_crash_and_the_accused_itself_are_exempt() {
    let (bench, _) = bench();
    let mut checker = Convictions::default();
    let noise = shows(bench.qc(Phase::Vote, 1, block("noise"), &[0, 1, 2]));
    (0..200).for_each(|_| receives(&bench, &mut checker, 0, 3, &noise));
    receives(&bench, &mut checker, 0, 3, &vote(&bench, 3, "a"));
    receives(&bench, &mut checker, 0, 3, &vote(&bench, 3, "b"));
    finished(&bench, &mut checker).expect("the door was full");

    let mut checker = Convictions::default();
    receives(&bench, &mut checker, 0, 3, &vote(&bench, 3, "a"));
    receives(&bench, &mut checker, 0, 3, &vote(&bench, 3, "b"));
    bench.see(&mut checker, 0, &Seen::Stopped).expect("a crash");
    finished(&bench, &mut checker).expect("all forgotten");

    let seen = vote(&bench, 3, "a");
    let again = vote(&bench, 3, "b");
    for message in [&seen, &again] {
        bench.see(&mut checker, 3, &Seen::Received { from: 2, message }).expect("its own");
    }
    finished(&bench, &mut checker).expect("nobody accuses itself");
    assert_eq!(checker.0[&3].overdue(LATER), None, "{}", Position(3));
}
