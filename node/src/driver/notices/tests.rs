use althing_consensus::{
    Epoch, Evidence, Input, Phase, Registration, View, Vote, registration_bytes, sponsorship_bytes,
    vote_bytes,
};
use althing_crypto::{bls, ed25519, sha256};

use super::super::testing::{Bench, tx};
use super::*;
use crate::testing::CHAIN;

/// Two votes of a validator, in this view, for different blocks.
fn double_vote(bench: &Bench, signer: u16, view: u64) -> Evidence {
    let key = &bench.chain.vote_keys[usize::from(signer)];
    let [one, other] = [b"a", b"b"].map(|name| {
        let (phase, epoch, view) = (Phase::Vote, Epoch(1), View(view));
        let block = BlockHash(sha256(name));
        let signature = key.sign(&vote_bytes(CHAIN, phase, epoch, view, block));
        Vote { phase, epoch, view, block, signer: Position(signer), signature }
    });
    Evidence::Votes(one, other)
}

fn notice(bench: &Bench, signer: u16) -> Box<Notice> {
    Box::new(Notice::Evidence(double_vote(bench, signer, 1)))
}

/// A newcomer's registration, with validator 1 as its sponsor.
fn registration(seed: u32) -> Box<Notice> {
    let seed = *sha256(&seed.to_be_bytes()).as_bytes();
    let (identity, sponsor) = (ed25519::SecretKey::from_seed(seed), ed25519::SecretKey::from_seed([2; 32]));
    let mut vote_key = [0; 48];
    vote_key[..32].copy_from_slice(&seed);
    let epoch = Epoch(1);
    Box::new(Notice::Registration(Box::new(Registration {
        epoch,
        identity: identity.public_key(),
        vote_key,
        proof: bls::ProofOfPossession::from_bytes([0; 96]),
        signature: identity.sign(&registration_bytes(CHAIN, epoch, &vote_key, &sponsor.public_key())),
        sponsor: sponsor.public_key(),
        sponsor_signature: sponsor.sign(&sponsorship_bytes(CHAIN, epoch, &identity.public_key(), &vote_key)),
    })))
}

fn found(bench: &mut Bench, evidence: Evidence) -> Vec<String> {
    bench.act(|driver, step| driver.evidence_found(step, evidence))
}

fn arrives(bench: &mut Bench, from: u16, notice: Box<Notice>) -> Vec<String> {
    let peer = bench.peer(from);
    bench.act(|driver, step| driver.notice_arrived(step, peer, notice))
}

fn checked(bench: &mut Bench, from: u16, notice: Box<Notice>, holds: bool) -> Vec<String> {
    let from = NoticeSource::Peer(bench.peer(from));
    bench.act(|driver, step| driver.notice_checked(step, from, *notice, verdict(holds)))
}

fn verdict(holds: bool) -> Result<(), Rejection> {
    let forged = || Rejection::Malformed { what: "evidence", reason: "it is forged".into() };
    if holds { Ok(()) } else { Err(forged()) }
}

/// The engine commits a first block that carries these.
fn commit(bench: &mut Bench, notices: Vec<Notice>) -> Vec<String> {
    let mut body = (*bench.bodies(vec![vec![]]).remove(0)).clone();
    body.block.notices = notices;
    body.block.header.evidence_root = althing_consensus::notices_root(&body.block.notices);
    let certificate = bench.certificate(&body.block);
    let now = bench.now;
    bench.act(|driver, step| {
        let input = Input::Blocks { blocks: vec![body.block.clone()], commit: Some(certificate) };
        for action in driver.engine.step(now, input) {
            if matches!(action, althing_consensus::Action::Commit { .. }) {
                driver.perform(step, action);
            }
        }
    })
}

#[test]
fn what_is_found_here_is_kept_told_and_worked_for_once() {
    let mut bench = Bench::connected(&[1, 2]);
    let evidence = double_vote(&bench, 3, 1);
    let lines = found(&mut bench, evidence.clone());
    assert_eq!(lines, ["engine: pending true", "broadcast notice", "job keep evidence"]);
    let other = double_vote(&bench, 2, 1);
    let lines = found(&mut bench, other);
    assert_eq!(lines, ["engine: pending true", "broadcast notice"], "kept one after the other");
    assert_eq!(bench.act(Driver::evidence_kept), ["job keep evidence"]);
    assert_eq!(bench.act(Driver::evidence_kept), [""; 0]);
    assert_eq!(found(&mut bench, evidence), [""; 0]);
    let later = double_vote(&bench, 3, 9);
    assert_eq!(found(&mut bench, later), [""; 0], "another view convicts of nothing more");
    assert_eq!(bench.driver.pool_sizes().notices, 2);
}

#[test]
fn what_a_peer_passes_on_is_checked_before_it_counts() {
    let mut bench = Bench::connected(&[1, 2]);
    let good = notice(&bench, 3);
    assert_eq!(arrives(&mut bench, 1, good.clone()), ["job check notice"]);
    assert!(!bench.driver.has_pending());
    assert_eq!(checked(&mut bench, 1, good.clone(), true), ["engine: pending true"], "and not passed on");
    assert_eq!(arrives(&mut bench, 2, good), [""; 0], "known");

    let forged = notice(&bench, 2);
    assert_eq!(arrives(&mut bench, 1, forged.clone()), ["job check notice"]);
    assert_eq!(checked(&mut bench, 1, forged, false), ["penalise v1"]);
    assert_eq!(bench.driver.pool_sizes().notices, 1);
}

#[test]
fn of_a_peer_one_notice_is_checked_at_a_time() {
    let mut bench = Bench::connected(&[1, 2]);
    let [a, b, c] = [0, 2, 3].map(|signer| notice(&bench, signer));
    assert_eq!(arrives(&mut bench, 1, a.clone()), ["job check notice"]);
    assert_eq!(arrives(&mut bench, 1, b.clone()), [""; 0], "waits");
    assert_eq!(
        arrives(&mut bench, 2, b.clone()),
        ["job check notice"],
        "another peer's does not wait for it"
    );
    assert_eq!(arrives(&mut bench, 1, c.clone()), [""; 0]);
    checked(&mut bench, 2, b, true);
    let lines = checked(&mut bench, 1, a, true);
    assert_eq!(lines, ["engine: pending true", "job check notice"], "what is known by now is skipped");
    assert_eq!(checked(&mut bench, 1, c, true), ["engine: pending true"]);
    assert_eq!(bench.driver.pool_sizes().unchecked_notices, 0);
}

#[test]
fn a_flood_of_100_000_notices_costs_bounded_checks_and_memory() {
    const EACH: u32 = 100_000;
    for time_passes in [false, true] {
        let mut bench = Bench::connected(&[1, 2, 3]);
        let mut checks = 0usize;
        let mut most = 0;
        let forged: Vec<Box<Notice>> = (0..64).map(registration).collect();
        let began = bench.now.mono;
        for n in 0..EACH {
            let from = 1 + (n % 3) as u16;
            if time_passes && n % 10 == 0 {
                bench.pass(1);
            }
            // Every other one is of the kind that there are endlessly many of.
            let notice = if n % 2 == 0 {
                forged[(n / 2 % 64) as usize].clone()
            } else {
                let mut evidence = double_vote_unsigned(n);
                evidence.signer = Position((n / 2 % 4) as u16);
                Box::new(Notice::Evidence(Evidence::Votes(evidence.clone(), evidence)))
            };
            let lines = arrives(&mut bench, from, notice.clone());
            most = most.max(bench.driver.pool_sizes().unchecked_notices);
            let asked = lines.iter().filter(|line| *line == "job check notice").count();
            checks += asked;
            if asked == 1 {
                // Forged, and so is what waits behind it.
                let mut lines = checked(&mut bench, from, notice.clone(), false);
                assert_eq!(lines[0], format!("penalise v{from}"));
                while lines.iter().any(|line| line == "job check notice") {
                    checks += 1;
                    lines = checked(&mut bench, from, notice.clone(), false);
                }
            }
        }
        let passed = bench.now.mono.0 - began.0;
        let allowed = 3 * (u64::from(CHECKS_OF_A_PEER) + passed / CHECK_INTERVAL.0 + 1);
        assert!(checks as u64 <= allowed, "{checks} checks, {allowed} allowed");
        assert!(most <= 3 * (CHECKS_OF_A_PEER as usize + 1), "{most} wait");
        assert_eq!(bench.driver.pool_sizes().notices, 0);
    }
}

fn double_vote_unsigned(n: u32) -> Vote {
    let block = BlockHash(sha256(&n.to_be_bytes()));
    let signature = bls::Signature::from_bytes([n as u8; 96]);
    Vote { phase: Phase::Vote, epoch: Epoch(1), view: View(n.into()), block, signer: Position(0), signature }
}

#[test]
fn repeated_100_000_times_a_good_notice_costs_one_check() {
    let mut bench = Bench::connected(&[1, 2]);
    let good = notice(&bench, 3);
    assert_eq!(arrives(&mut bench, 1, good.clone()), ["job check notice"]);
    checked(&mut bench, 1, good.clone(), true);
    for n in 0..100_000u32 {
        assert_eq!(arrives(&mut bench, 1 + (n % 2) as u16, good.clone()), [""; 0]);
    }
    commit(&mut bench, vec![*good.clone()]);
    for n in 0..100_000u32 {
        assert_eq!(arrives(&mut bench, 1 + (n % 2) as u16, good.clone()), [""; 0], "carried");
    }
    let sizes = bench.driver.pool_sizes();
    assert_eq!((sizes.notices, sizes.unchecked_notices), (0, 0));
}

#[test]
fn the_pool_is_bounded_for_each_sponsor_and_in_all() {
    let mut bench = Bench::connected(&[1]);
    for seed in 0..100 {
        let notice = registration(seed);
        if !arrives(&mut bench, 1, notice.clone()).is_empty() {
            checked(&mut bench, 1, notice, true);
        }
        bench.pass(250);
    }
    assert_eq!(bench.driver.pool_sizes().notices, MAX_REGISTRATIONS_OF_ONE);
    let refused = bench.act(|driver, step| driver.notice_submitted(step, 7, registration(101)));
    assert!(refused[0].contains("notice 7: Err(\"too many notices"), "{refused:?}");
}

fn submit(bench: &mut Bench, ticket: u64, notice: Box<Notice>) -> Vec<String> {
    bench.act(|driver, step| driver.notice_submitted(step, ticket, notice))
}

fn answer(bench: &mut Bench, ticket: u64, notice: Box<Notice>, holds: bool) -> Vec<String> {
    let from = NoticeSource::Client(ticket);
    bench.act(|driver, step| driver.notice_checked(step, from, *notice, verdict(holds)))
}

#[test]
fn a_client_hears_whether_its_notice_is_taken() {
    let mut bench = Bench::connected(&[1]);
    for ticket in 0..MAX_CLIENT_CHECKS as u64 {
        assert_eq!(submit(&mut bench, ticket, registration(ticket as u32)), ["job check notice"]);
    }
    let refused = submit(&mut bench, 9, registration(9));
    assert!(refused[0].contains("being checked"), "{refused:?}");
    let lines = answer(&mut bench, 0, registration(0), true);
    assert_eq!(lines, ["engine: pending true", "broadcast notice", "notice 0: Ok(())"]);
    assert_eq!(submit(&mut bench, 9, registration(0)), ["notice 9: Ok(())"], "pending already");
    let lines = answer(&mut bench, 1, registration(1), false);
    assert!(lines.len() == 1 && lines[0].contains("it is forged"), "{lines:?}");
    commit(&mut bench, vec![*registration(0)]);
    let refused = submit(&mut bench, 10, registration(0));
    assert!(refused[0].contains("a notice twice"), "{refused:?}");
}

#[test]
fn what_clients_hand_in_keeps_the_checks_of_votes_waiting_for_a_bounded_time() {
    let mut bench = Bench::connected(&[1]);
    for ticket in 0..CHECKS_OF_A_PEER {
        assert_eq!(submit(&mut bench, ticket.into(), registration(ticket)), ["job check notice"]);
        answer(&mut bench, ticket.into(), registration(ticket), false);
    }
    let refused = submit(&mut bench, 90, registration(90));
    assert!(refused[0].contains("try again in a second"), "{refused:?}");
    bench.pass(CHECK_INTERVAL.0 / 1_000);
    assert_eq!(submit(&mut bench, 91, registration(91)), ["job check notice"]);
}

#[test]
fn a_block_of_ones_own_carries_what_no_ancestor_does() {
    let mut bench = Bench::connected(&[1]);
    for signer in [2, 3] {
        let evidence = double_vote(&bench, signer, 1);
        found(&mut bench, evidence);
    }
    let build = |noticed: Counted| BuildPayload {
        view: View(1),
        height: althing_consensus::Height(1),
        parent: BlockHash::ZERO,
        parent_time_ms: 0,
        patience: Micros(0),
        exclude: Default::default(),
        noticed,
    };
    let ask =
        |bench: &mut Bench, noticed| bench.act(|driver, step| driver.build_payload(step, build(noticed)));
    assert_eq!(ask(&mut bench, Counted::default()), ["engine: built 0 txs and 2 notices"]);
    let mut noticed = Counted::default();
    noticed.count(&notice(&bench, 3));
    assert_eq!(ask(&mut bench, noticed), ["engine: built 0 txs and 1 notices"]);
    bench.pend(&tx("a"));
    assert_eq!(ask(&mut bench, Counted::default()), ["gossip 1 txs", "job prepare 1 txs"]);
}

#[test]
fn a_voter_checks_what_it_has_not_checked_yet() {
    let mut bench = Bench::connected(&[1]);
    let carried = |bench: &Bench, notices: Vec<Notice>| {
        let mut body = (*bench.bodies(vec![vec![]]).remove(0)).clone();
        body.block.header.evidence_root = althing_consensus::notices_root(&notices);
        body.block.notices = notices;
        body.block
    };
    let (a, b) = (notice(&bench, 2), notice(&bench, 3));
    let block = carried(&bench, vec![*a.clone(), *b.clone()]);
    let check = |bench: &mut Bench, block: &Block| {
        let block = block.clone();
        bench.act(|driver, step| driver.check_payload(step, block, Position(1)))
    };
    let done = |bench: &mut Bench, block: &Block, verdict| {
        let hash = block.hash();
        bench.act(|driver, step| driver.notices_checked(step, hash, verdict))
    };
    assert_eq!(check(&mut bench, &block), ["job check 2 notices"]);
    let lines = done(&mut bench, &block, Err("a notice: forged".into()));
    assert_eq!(lines, ["engine: payload bad: a notice: forged"]);
    assert!(bench.driver.bodies.get(&block.hash()).is_none(), "nothing to vote for");

    let own = double_vote(&bench, 2, 1);
    found(&mut bench, own);
    assert_eq!(check(&mut bench, &block), ["job check 1 notices"], "one is known");
    assert_eq!(done(&mut bench, &block, Ok(())), ["engine: payload good"]);
    assert_eq!(done(&mut bench, &block, Ok(())), [""; 0]);

    // Known is what was checked here, byte by byte, not what has the same purpose.
    let Notice::Evidence(Evidence::Votes(one, mut other)) = *a else { unreachable!() };
    other.block = BlockHash(sha256(b"c"));
    let twisted = Notice::Evidence(Evidence::Votes(one, other));
    let twisted = carried(&bench, vec![twisted]);
    assert_eq!(check(&mut bench, &twisted), ["job check 1 notices"]);
}

#[test]
fn what_a_committed_block_carries_waits_no_longer() {
    let mut bench = Bench::connected(&[1]);
    let evidence = double_vote(&bench, 3, 1);
    found(&mut bench, evidence.clone());
    assert_eq!(commit(&mut bench, vec![Notice::Evidence(evidence.clone())]), ["engine: pending false"]);
    assert_eq!(found(&mut bench, evidence), [""; 0], "nor again");
    assert_eq!(bench.driver.pool_sizes().notices, 0);
}

#[test]
fn while_the_chain_is_stuck_notices_go_to_all_again() {
    let mut bench = Bench::connected(&[1]);
    let again = |bench: &mut Bench, to: Option<u16>| {
        bench.act(|driver, step| driver.send_notices(step, to.map(Position)))
    };
    assert_eq!(again(&mut bench, None), [""; 0]);
    for signer in [2, 3] {
        let evidence = double_vote(&bench, signer, 1);
        found(&mut bench, evidence);
    }
    assert_eq!(again(&mut bench, None), ["broadcast notice", "broadcast notice"]);
    assert_eq!(again(&mut bench, Some(1)), ["send v1 notice", "send v1 notice"]);
    assert_eq!(again(&mut bench, Some(2)), [""; 0], "not connected");
}

#[test]
fn what_was_found_before_a_restart_is_work_after_it() {
    let mut bench = Bench::new();
    bench.driver.notices = Notices::new(vec![double_vote(&bench, 3, 1)]);
    assert_eq!(bench.act(Driver::started), ["engine: start", "engine: pending true"]);
    assert!(bench.driver.has_pending());
}

#[test]
fn of_another_epoch_nothing_is_taken_and_nobody_blamed() {
    let mut bench = Bench::connected(&[1]);
    let Notice::Registration(mut one) = *registration(1) else { unreachable!() };
    one.epoch = Epoch(2);
    assert_eq!(arrives(&mut bench, 1, Box::new(Notice::Registration(one))), [""; 0]);
    let Evidence::Votes(mut one, mut other) = double_vote(&bench, 3, 1) else { unreachable!() };
    (one.epoch, other.epoch) = (Epoch(2), Epoch(2));
    let early = Box::new(Notice::Evidence(Evidence::Votes(one, other)));
    assert_eq!(arrives(&mut bench, 1, early), [""; 0]);
    bench.driver.config.epoch = Epoch(10);
    let old = notice(&bench, 3);
    assert_eq!(arrives(&mut bench, 1, old), [""; 0]);
}
