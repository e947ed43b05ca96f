//! What one peer or one client can ask for, and no more.

use super::*;

fn no(ticket: u64, tx: &Tx, code: Code) -> Action {
    answer(ticket, tx, Outcome::Refused(own(code)))
}

#[test]
fn sizes_are_bounded_at_the_door() {
    let (large, fits) = (Tx { pad: 1, ..tx("alice", 0) }, tx("alice", 0));
    let mut pool = Mempool::new(Limits { max_tx_bytes: fits.len(), ..Limits::default() }, 0);
    let empty = Input::Submit { source: Source::Local { ticket: 1 }, txs: vec![vec![].into()] };
    let nothing =
        Action::Answer { ticket: 1, hash: TxHash::of(b""), outcome: Outcome::Refused(own(Code::Empty)) };
    play(
        &mut pool,
        vec![
            ("no bytes", empty, vec![nothing]),
            ("too large", local(2, &[&large]), vec![no(2, &large, Code::TooLarge)]),
            ("a peer is not blamed for another limit", peer(1, &[&large]), vec![]),
            ("as large as may be", local(3, &[&fits]), vec![precheck(&[&fits])]),
        ],
    );
}

#[test]
fn what_no_block_can_hold_any_more_is_dropped_and_not_waited_for() {
    let (large, fits) = (Tx { pad: 9, ..tx("alice", 0) }, tx("bob", 0));
    let (behind, awaited) = (tx("alice", 1), Tx { pad: 9, ..tx("carol", 0) });
    let mut pool = pool();
    admit(&mut pool, 0, &[&large, &fits, &behind]);
    pool.step(local(1, &[&awaited]));
    pool.step(passed(&[&awaited]));
    play(
        &mut pool,
        vec![
            ("smaller", Input::MaxTxBytes(behind.len()), vec![dropped(&large, own(Code::TooLarge))]),
            ("still being checked", checked(&awaited, 0), vec![no(1, &awaited, Code::TooLarge)]),
            ("the others go on", committed(1, &[&fits]), vec![Action::WorkChanged(false)]),
            ("as it was", Input::MaxTxBytes(large.len()), vec![]),
            ("again, its precheck is known", local(2, &[&large]), vec![check(&large)]),
        ],
    );
    assert_eq!(pool.status(&behind.hash()), Status::Held { missing: 0 });
}

#[test]
fn one_source_cannot_take_anothers_room_for_verdicts() {
    let txs: Vec<Tx> = (0..6).map(|sequence| tx("alice", sequence)).collect();
    let [a, b, c, d, e, f] = [&txs[0], &txs[1], &txs[2], &txs[3], &txs[4], &txs[5]];
    let mut pool = Mempool::new(Limits { max_in_flight_txs: 2, ..Limits::default() }, 0);
    play(
        &mut pool,
        vec![
            ("the rest of a peer's is left out", peer(1, &[a, b, c]), vec![precheck(&[a, b])]),
            ("another peer has its own room", peer(2, &[c]), vec![precheck(&[c])]),
            ("clients have theirs", local(1, &[d, e, f]), vec![no(1, f, Code::Busy), precheck(&[d, e])]),
            ("a ticket that joins needs room as well", local(2, &[a]), vec![no(2, a, Code::Busy)]),
            ("a verdict makes room", failed(a), vec![penalise(1, a)]),
            ("for one", peer(1, &[f, a]), vec![precheck(&[f])]),
        ],
    );
}

#[test]
fn bytes_that_await_a_verdict_are_bounded() {
    let (a, b) = (tx("alice", 0), tx("alice", 1));
    let limits = Limits { max_in_flight_bytes: a.len() + b.len() - 1, ..Limits::default() };
    play(
        &mut Mempool::new(limits, 0),
        vec![
            ("the second does not fit", local(1, &[&a, &b]), vec![no(1, &b, Code::Busy), precheck(&[&a])]),
            ("neither a peer's", peer(1, &[&b]), vec![precheck(&[&b])]),
        ],
    );
}

#[test]
fn peers_leave_a_tenth_of_the_pool_to_clients() {
    let mut pool = Mempool::new(Limits { max_txs: 10, ..Limits::default() }, 0);
    let senders = ["a", "b", "c", "d", "e", "f", "g", "h", "i"].map(|sender| tx(sender, 0));
    let (last, late) = (tx("late", 0), tx("late", 1));
    pool.step(peer(1, &[&last]));
    pool.step(passed(&[&last]));
    admit(&mut pool, 0, &senders.each_ref());
    play(
        &mut pool,
        vec![
            ("it was in flight when the pool filled", checked(&last, 0), vec![]),
            ("a peer's is left out", peer(1, &[&last]), vec![]),
            ("a client's is taken", local(1, &[&last]), vec![check(&last)]),
            ("in", checked(&last, 0), vec![accepted(1, &last), gossip(&last)]),
            ("now it is full", local(2, &[&late]), vec![no(2, &late, Code::Full)]),
            (
                "what is in gets its answer",
                local(3, &[&last]),
                vec![answer(3, &last, Outcome::Accepted { duplicate: true })],
            ),
            ("a commit makes room", committed(1, &[&last]), vec![]),
            ("for one", local(4, &[&late]), vec![precheck(&[&late])]),
        ],
    );
}

#[test]
fn the_bytes_of_the_pool_are_bounded() {
    let (a, b) = (tx("a", 0), tx("b", 0));
    let mut pool = Mempool::new(Limits { max_bytes: a.len() + b.len() - 1, ..Limits::default() }, 0);
    admit(&mut pool, 0, &[&a]);
    play(&mut pool, vec![("full", local(1, &[&b]), vec![no(1, &b, Code::Full)])]);
}

#[test]
fn a_sender_has_no_more_than_is_still_free() {
    let mut pool = Mempool::new(Limits { max_txs: 10, max_txs_per_sender: 7, ..Limits::default() }, 0);
    let alice: Vec<Tx> = (0..6).map(|sequence| tx("alice", sequence)).collect();
    admit(&mut pool, 0, &alice[..5].iter().collect::<Vec<_>>());
    let bob = tx("bob", 0);
    play(
        &mut pool,
        vec![
            ("half of the pool is hers", local(1, &[&alice[5]]), vec![precheck(&[&alice[5]])]),
            ("that is all", passed(&[&alice[5]]), vec![no(1, &alice[5], Code::SenderFull)]),
            ("others have the rest", local(2, &[&bob]), vec![precheck(&[&bob])]),
            ("of course", passed(&[&bob]), vec![check(&bob)]),
        ],
    );
}

#[test]
fn a_sender_has_a_limit_of_its_own() {
    let mut pool = Mempool::new(Limits { max_txs_per_sender: 1, ..Limits::default() }, 0);
    let (a, b) = (tx("alice", 0), tx("alice", 1));
    pool.step(local(1, &[&a, &b]));
    pool.step(passed(&[&a, &b]));
    play(
        &mut pool,
        vec![
            ("the first", checked(&a, 0), vec![accepted(1, &a), gossip(&a), Action::WorkChanged(true)]),
            ("the second was under way", checked(&b, 0), vec![no(1, &b, Code::SenderFull)]),
        ],
    );
}

#[test]
fn those_that_wait_give_way_to_the_one_that_they_wait_for() {
    let mut pool = Mempool::new(Limits { max_txs_per_sender: 2, ..Limits::default() }, 0);
    let [zero, one, two, three] = [0, 1, 2, 3].map(|sequence| tx("alice", sequence));
    pool.step(local(1, &[&zero, &one, &two, &three]));
    pool.step(passed(&[&zero, &one, &two, &three]));
    pool.step(checked(&two, 0));
    pool.step(checked(&three, 0));
    assert_eq!((pool.len(), pool.held()), (2, 2), "nothing of hers can be committed");
    let refused = |actions: &[Action]| {
        let code = |action: &Action| match action {
            Action::Answer { outcome: Outcome::Refused(refusal), .. } => refusal.own_code(),
            _ => None,
        };
        actions.iter().find_map(code)
    };
    assert_eq!(refused(&pool.step(checked(&one, 0))), Some(Code::SenderFull), "it would wait, too");
    let actions = pool.step(checked(&zero, 0));
    assert_eq!(refused(&actions), None);
    assert!(
        actions.iter().any(|action| matches!(action, Action::Dropped { hash, .. } if *hash == three.hash()))
    );
    assert_eq!((pool.len(), pool.held()), (2, 1));
}

#[test]
fn sequences_are_bounded_below_and_above() {
    let limits = Limits { max_sequence_gap: 3, ..Limits::default() };
    for (sequence, next, expected) in [
        (4, 5, Err(Code::SequenceUsed)),
        (5, 5, Ok(true)),
        (6, 5, Ok(false)),
        (8, 5, Ok(false)),
        (9, 5, Err(Code::SequenceGap)),
        (u64::MAX - 1, u64::MAX - 1, Ok(true)),
        (u64::MAX, u64::MAX, Err(Code::SequenceGap)),
        (u64::MAX, u64::MAX - 1, Err(Code::SequenceGap)),
        (0, u64::MAX, Err(Code::SequenceUsed)),
        (u64::MAX, 0, Err(Code::SequenceGap)),
    ] {
        let mut pool = Mempool::new(limits.clone(), 0);
        let a = tx("alice", sequence);
        pool.step(local(1, &[&a]));
        pool.step(passed(&[&a]));
        let actions = without_own_sentences(pool.step(checked(&a, next)));
        let outcome = match expected {
            Ok(_) => Outcome::Accepted { duplicate: false },
            Err(code) => Outcome::Refused(own(code)),
        };
        assert_eq!(actions[0], answer(1, &a, outcome), "sequence {sequence} of {next}");
        assert_eq!(pool.has_work(), expected == Ok(true), "sequence {sequence} of {next}");
        invariants::check(&pool.pool);
    }
}

#[test]
fn the_gap_is_counted_from_the_first_missing() {
    let mut pool = Mempool::new(Limits { max_sequence_gap: 1, ..Limits::default() }, 0);
    admit(&mut pool, 0, &[&tx("alice", 0), &tx("alice", 1), &tx("alice", 2), &tx("alice", 4)]);
    assert_eq!((pool.len(), pool.held()), (4, 1));
}

#[test]
fn of_two_with_one_sequence_the_first_stays() {
    let mut pool = pool();
    let (a, b, c) = (tx("alice", 0), Tx { priority: 9, ..tx("alice", 0) }, Tx { pad: 1, ..tx("alice", 0) });
    pool.step(local(1, &[&a, &b]));
    pool.step(passed(&[&a, &b]));
    play(
        &mut pool,
        vec![
            ("first", checked(&a, 0), vec![accepted(1, &a), gossip(&a), Action::WorkChanged(true)]),
            ("its rival was under way", checked(&b, 0), vec![no(1, &b, Code::SequenceTaken)]),
            ("another", local(2, &[&c]), vec![precheck(&[&c])]),
            ("needs no check", passed(&[&c]), vec![no(2, &c, Code::SequenceTaken)]),
        ],
    );
}

#[test]
fn what_waits_for_a_sequence_is_bounded_over_all_senders() {
    let mut pool = Mempool::new(Limits { max_held_txs: 2, ..Limits::default() }, 0);
    let (a, b, c, ready) = (tx("a", 1), tx("b", 1), tx("c", 1), tx("c", 0));
    admit(&mut pool, 0, &[&a, &b]);
    assert!(!pool.has_work());
    pool.step(local(1, &[&c]));
    pool.step(passed(&[&c]));
    play(&mut pool, vec![("no room to wait", checked(&c, 0), vec![no(1, &c, Code::HeldFull)])]);
    admit(&mut pool, 0, &[&ready, &c]);
    assert_eq!((pool.len(), pool.held()), (4, 2), "in order there is room");
}

#[test]
fn what_comes_to_wait_is_bounded_too() {
    let mut pool = Mempool::new(Limits { max_held_txs: 2, ..Limits::default() }, 0);
    let txs: Vec<Tx> = (0..5).map(|sequence| tx("alice", sequence)).collect();
    let [a, b, c, d, e] = [&txs[0], &txs[1], &txs[2], &txs[3], &txs[4]];
    admit(&mut pool, 0, &[a, b, c, d, e]);
    play(
        &mut pool,
        vec![
            ("a block touches her", committed(1, &[a]), vec![]),
            ("executed", executed(1), vec![recheck(b)]),
            (
                "the first falls: the last two go, two wait",
                refused(b),
                vec![
                    recheck(c),
                    dropped(b, app_refusal()),
                    dropped(e, own(Code::HeldFull)),
                    Action::WorkChanged(false),
                ],
            ),
        ],
    );
    assert_eq!((pool.len(), pool.held()), (2, 2));
}

#[test]
fn what_the_application_says_is_kept_in_bounds() {
    let mut pool = pool();
    let a = tx("alice", 0);
    let verbose = Refusal { log: "x".repeat(1 << 20), ..app_refusal() };
    pool.step(Input::Prechecked { results: vec![(a.hash(), Err(verbose))] });
    let brief = Refusal { log: "x".repeat(256), ..app_refusal() };
    play(&mut pool, vec![("cut", local(1, &[&a]), vec![answer(1, &a, Outcome::Refused(brief))])]);
}

#[test]
fn a_senders_name_is_bounded() {
    let mut pool = pool();
    let a = tx("alice", 0);
    for (len, actions) in [(128, vec![check(&a)]), (129, vec![no(1, &a, Code::SenderTooLong)])] {
        pool.step(local(1, &[&a]));
        let admission = Admission { sender: Some(vec![0; len]), ..a.admission() };
        let verdict = Input::Prechecked { results: vec![(a.hash(), Ok(admission))] };
        play(&mut pool, vec![("named", verdict, actions)]);
        pool = self::pool();
    }
}

#[test]
fn what_is_remembered_is_bounded() {
    let limits = Limits { verdict_cache: 1, replay_cache: 1, dropped_cache: 1, ..Limits::default() };
    let (a, b, c) = (tx("a", 0), tx("b", 0), tx("c", 0));
    let mut pool = Mempool::new(limits, 0);
    pool.step(passed(&[&a]));
    for tx in [&b, &c] {
        pool.step(failed(tx));
    }
    let verdicts = [&a, &b, &c].map(|tx| pool.prechecked(&tx.hash()));
    assert_eq!(verdicts, [Some(true), None, Some(false)], "garbage displaces garbage alone");
    pool.step(committed(1, &[&a, &b]));
    assert_eq!(pool.status(&a.hash()), Status::Unknown);
    assert_eq!(pool.status(&b.hash()), Status::Committed { height: 1 });
}
