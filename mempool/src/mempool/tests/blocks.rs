//! What commits and executions do.

use super::*;

const WORK: Action = Action::WorkChanged(true);
const NO_WORK: Action = Action::WorkChanged(false);

#[test]
fn a_commit_ends_a_flight() {
    let (a, b) = (tx("alice", 0), tx("bob", 0));
    let done = |ticket, tx| answer(ticket, tx, Outcome::Committed { height: 3 });
    let mut pool = pool();
    pool.step(local(1, &[&a, &b]));
    pool.step(passed(&[&b]));
    play(
        &mut pool,
        vec![
            ("both await verdicts", committed(3, &[&a, &b]), vec![done(1, &a), done(1, &b)]),
            ("too late", checked(&b, 0), vec![]),
            ("too late", passed(&[&a]), vec![]),
            ("committed twice", committed(4, &[&a]), vec![]),
            ("the first height counts", local(2, &[&a]), vec![done(2, &a)]),
        ],
    );
    assert_eq!(pool.in_flight(), 0);
}

#[test]
fn the_next_sequence_moves_on_before_execution() {
    let mut pool = pool();
    let (a, b, rival) = (tx("alice", 0), tx("alice", 1), Tx { pad: 1, ..tx("alice", 1) });
    admit(&mut pool, 0, &[&a, &b]);
    pool.step(passed(&[&rival]));
    play(
        &mut pool,
        vec![
            ("what follows stays ready", committed(1, &[&a]), vec![]),
            ("another with its sequence wins", committed(2, &[&rival]), vec![NO_WORK]),
            ("executed", executed(2), vec![recheck(&b)]),
            ("the application says so", refused(&b), vec![dropped(&b, app_refusal())]),
        ],
    );
}

#[test]
fn a_sequence_that_was_not_used_is_ready_again() {
    let mut pool = pool();
    let (a, b, c) = (tx("alice", 0), tx("alice", 1), tx("alice", 2));
    admit(&mut pool, 0, &[&a, &b, &c]);
    play(
        &mut pool,
        vec![
            ("a faulty leader's block", committed(1, &[&b]), vec![]),
            ("executed", executed(1), vec![recheck(&a)]),
            ("nothing moved", checked(&a, 0), vec![]),
        ],
    );
    assert_eq!(batch_of(&pool, &[&a]), [0], "what follows the lost one waits");
    assert_eq!(pool.status(&c.hash()), Status::Held { missing: 1 });
}

#[test]
fn a_failed_transaction_that_left_its_sequence_unused_takes_it_back() {
    let mut pool = pool();
    let (a, b) = (tx("alice", 0), tx("alice", 1));
    admit(&mut pool, 0, &[&a, &b]);
    play(
        &mut pool,
        vec![
            ("ready as long as nothing else is known", committed(1, &[&a]), vec![]),
            ("executed", executed(1), vec![recheck(&b)]),
            ("its sequence is still the next", checked(&b, 0), vec![NO_WORK]),
        ],
    );
    assert_eq!(pool.status(&b.hash()), Status::Held { missing: 0 });
}

#[test]
fn only_the_first_of_each_touched_sender_is_checked_again() {
    let mut pool = pool();
    let txs: Vec<Tx> = (0..4).map(|sequence| tx("alice", sequence)).collect();
    let [a, b, c, d] = [&txs[0], &txs[1], &txs[2], &txs[3]];
    let bob = tx("bob", 0);
    admit(&mut pool, 0, &[a, b, c, d, &bob]);
    play(
        &mut pool,
        vec![
            ("committed", committed(1, &[a]), vec![]),
            ("executed", executed(1), vec![recheck(b)]),
            ("it falls, the next is asked", refused(b), vec![recheck(c), dropped(b, app_refusal())]),
            ("falls too", refused(c), vec![recheck(d), dropped(c, app_refusal())]),
            ("stays and waits", checked(d, 1), vec![]),
        ],
    );
    assert_eq!((pool.len(), pool.held()), (2, 1));
}

#[test]
fn a_verdict_of_a_past_state_is_asked_again() {
    let mut pool = pool();
    let (a, b, c) = (tx("alice", 0), tx("alice", 1), tx("alice", 2));
    admit(&mut pool, 0, &[&a, &b, &c]);
    play(
        &mut pool,
        vec![
            ("committed", committed(1, &[&a]), vec![]),
            ("executed", executed(1), vec![recheck(&b)]),
            ("one more", committed(2, &[]), vec![]),
            ("executed before the answer", executed(2), vec![]),
            ("the refusal is of height 1", refused(&b), vec![recheck(&b)]),
            ("still there", checked(&b, 1), vec![]),
        ],
    );
    assert_eq!(batch_of(&pool, &[&b, &c]), [0, 1]);
}

#[test]
fn a_new_transaction_knows_committed_ones_that_are_not_executed() {
    let mut pool = pool();
    let (a, b) = (tx("alice", 0), tx("alice", 1));
    admit(&mut pool, 0, &[&a]);
    play(
        &mut pool,
        vec![
            ("committed, not executed", committed(1, &[&a]), vec![NO_WORK]),
            ("the next of hers", local(1, &[&b]), vec![precheck(&[&b])]),
            ("passes", passed(&[&b]), vec![check(&b)]),
            ("the state is behind", checked(&b, 0), vec![accepted(1, &b), gossip(&b), WORK]),
            ("executed", executed(1), vec![recheck(&b)]),
            ("as foreseen", checked(&b, 1), vec![]),
        ],
    );
}

#[test]
fn a_check_overtaken_by_an_execution_is_done_again() {
    let mut pool = pool();
    let (a, b) = (tx("alice", 0), tx("alice", 1));
    admit(&mut pool, 0, &[&a]);
    pool.step(local(1, &[&b]));
    pool.step(passed(&[&b]));
    play(
        &mut pool,
        vec![
            ("while it is under way", committed(1, &[&a]), vec![NO_WORK]),
            ("executed", executed(1), vec![]),
            ("seems to wait for 0", checked(&b, 0), vec![accepted(1, &b), gossip(&b), recheck(&b)]),
            ("which is used", checked(&b, 1), vec![WORK]),
        ],
    );
}

#[test]
fn an_unknown_transaction_in_a_block_has_all_senders_checked_again() {
    let mut pool = Mempool::new(Limits { max_rechecks_in_flight: 2, ..Limits::default() }, 0);
    let (a, b, c) = (tx("a", 1), tx("b", 1), tx("c", 1));
    let strangers = [tx("a", 0), tx("b", 0), tx("c", 0)];
    admit(&mut pool, 0, &[&a, &b, &c]);
    play(
        &mut pool,
        vec![
            ("a block from sync", committed(1, &strangers.each_ref()), vec![]),
            ("as many as may be asked", executed(1), vec![recheck(&a), recheck(&b)]),
            ("one by one", checked(&a, 1), vec![recheck(&c), WORK]),
            ("done", checked(&b, 1), vec![]),
            ("done", checked(&c, 1), vec![]),
        ],
    );
    assert_eq!(pool.held(), 0);
}

#[test]
fn those_without_a_sender_are_checked_again_after_a_block_with_one() {
    let mut pool = Mempool::new(Limits { max_rechecks_in_flight: 1, ..Limits::default() }, 0);
    let [a, b, c, d, e] = [0, 1, 2, 3, 4].map(|number| tx("", number));
    let alice = [tx("alice", 0), tx("alice", 1)];
    admit(&mut pool, 0, &[&b, &a, &c, &e, &alice[0], &alice[1]]);
    pool.step(local(1, &[&d]));
    pool.step(passed(&[&d]));
    play(
        &mut pool,
        vec![
            ("alice's block", committed(1, &[&alice[0]]), vec![]),
            ("touches none of them", executed(1), vec![recheck(&alice[1])]),
            ("", checked(&alice[1], 1), vec![]),
            ("a block of theirs", committed(2, &[&a]), vec![]),
            ("all at once, as they came", executed(2), vec![recheck(&b), recheck(&c), recheck(&e)]),
            ("one falls", refused(&b), vec![dropped(&b, app_refusal())]),
            ("a check overtaken", unordered(&d), vec![accepted(1, &d), gossip(&d), recheck(&d)]),
            ("another block", committed(3, &[&e]), vec![]),
            ("asked already, in an older state", executed(3), vec![]),
            ("which is asked again", refused(&c), vec![recheck(&c)]),
            ("by itself", unordered(&d), vec![recheck(&d)]),
            ("falls", refused(&c), vec![dropped(&c, app_refusal())]),
            ("stays", unordered(&d), vec![]),
        ],
    );
    assert_eq!(batch_of(&pool, &[&alice[1], &d]), [0, 1]);
}

#[test]
fn where_the_check_reads_no_state_those_without_a_sender_are_checked_once() {
    let mut pool = Mempool::new(Limits { rechecks_senderless: false, ..Limits::default() }, 0);
    let [a, b, c, stranger] = [0, 1, 2, 3].map(|number| tx("", number));
    let alice = [tx("alice", 0), tx("alice", 1)];
    admit(&mut pool, 0, &[&a, &b, &alice[0], &alice[1]]);
    pool.step(local(1, &[&c]));
    pool.step(passed(&[&c]));
    play(
        &mut pool,
        vec![
            ("a block of theirs", committed(1, &[&a, &stranger]), vec![]),
            ("touches none of them", executed(1), vec![]),
            ("a check overtaken", unordered(&c), vec![accepted(1, &c), gossip(&c)]),
            ("alice's block", committed(2, &[&alice[0]]), vec![]),
            ("touches hers", executed(2), vec![recheck(&alice[1])]),
        ],
    );
    assert_eq!(batch_of(&pool, &[&b, &alice[1], &c]), [0, 1, 2]);
}

#[test]
fn old_blocks_told_at_start_are_known_and_touch_nobody() {
    let mut pool = Mempool::new(Limits::default(), 7);
    let (a, b) = (tx("alice", 3), tx("alice", 4));
    admit(&mut pool, 4, &[&b]);
    play(
        &mut pool,
        vec![
            ("the last block before the stop", committed(7, &[&a]), vec![]),
            ("known", local(1, &[&a]), vec![answer(1, &a, Outcome::Committed { height: 7 })]),
            ("nothing to check", executed(7), vec![]),
        ],
    );
}

#[test]
fn expiry_is_by_height() {
    let until = |sequence, height| Tx { expiry: Some(height), ..tx("alice", sequence) };
    let (a, b, c) = (until(0, 5), until(1, 4), until(2, 9));
    let late = Tx { expiry: Some(4), ..tx("bob", 0) };
    let gone = || own(Code::Expired);
    let mut pool = Mempool::new(Limits::default(), 3);
    admit(&mut pool, 0, &[&a, &b, &c]);
    pool.step(local(1, &[&late]));
    pool.step(passed(&[&late]));
    play(
        &mut pool,
        vec![
            ("the second can no longer follow", committed(4, &[]), vec![dropped(&b, gone())]),
            ("its check was under way", checked(&late, 0), vec![answer(1, &late, Outcome::Refused(gone()))]),
            ("at the door", local(2, &[&late]), vec![answer(2, &late, Outcome::Refused(gone()))]),
            ("the first", committed(5, &[]), vec![dropped(&a, gone()), NO_WORK]),
        ],
    );
    assert_eq!(pool.status(&c.hash()), Status::Held { missing: 0 });
}

#[test]
fn waiting_for_a_sequence_ends() {
    let mut pool = Mempool::new(Limits { max_held_heights: 2, ..Limits::default() }, 0);
    let (ready, held) = (tx("alice", 0), tx("alice", 2));
    admit(&mut pool, 0, &[&ready, &held]);
    play(
        &mut pool,
        vec![
            ("one height", committed(1, &[]), vec![]),
            ("two", committed(2, &[]), vec![dropped(&held, own(Code::HeldTooLong))]),
            ("ready ones stay", committed(100, &[]), vec![]),
        ],
    );
    assert_eq!(pool.len(), 1);
}

#[test]
fn a_dropped_transaction_may_come_again() {
    let mut pool = pool();
    let (a, b) = (tx("alice", 0), tx("alice", 1));
    admit(&mut pool, 0, &[&a, &b]);
    pool.step(committed(1, &[&a]));
    pool.step(executed(1));
    pool.step(refused(&b));
    play(
        &mut pool,
        vec![
            ("the state may have changed", local(1, &[&b]), vec![check(&b)]),
            ("it has", checked(&b, 1), vec![accepted(1, &b), gossip(&b), WORK]),
        ],
    );
}

#[test]
fn a_rival_is_not_dropped_before_it_executed() {
    let mut pool = pool();
    let (a, rival, b) = (tx("alice", 0), Tx { pad: 1, ..tx("alice", 0) }, tx("alice", 1));
    admit(&mut pool, 0, &[&a]);
    pool.step(passed(&[&rival]));
    pool.step(committed(1, &[&rival]));
    admit(&mut pool, 0, &[&b]);
    assert_eq!(batch_of(&pool, &[&b]), [0], "it counts as passed");
    play(
        &mut pool,
        vec![
            ("executed", executed(1), vec![recheck(&a)]),
            ("the rival failed and used nothing", checked(&a, 0), vec![]),
        ],
    );
    assert_eq!(batch_of(&pool, &[&a, &b]), [0, 1]);
}

#[test]
fn nothing_is_certain_of_a_sender_while_an_unknown_transaction_awaits_execution() {
    let mut pool = pool();
    let (a, b, stranger) = (tx("alice", 0), tx("alice", 1), tx("alice", 2));
    admit(&mut pool, 0, &[&a]);
    pool.step(committed(1, &[&a]));
    pool.step(local(1, &[&b]));
    pool.step(passed(&[&b]));
    pool.step(checked(&b, 0));
    pool.step(executed(1));
    play(
        &mut pool,
        vec![
            ("a block from sync", committed(2, &[&stranger]), vec![]),
            ("the answer may be of any state", checked(&b, 2), vec![NO_WORK]),
        ],
    );
    assert_eq!(pool.status(&b.hash()), Status::Held { missing: 2 }, "not dropped until that is executed");
}

#[test]
fn a_leaders_gap_leaves_no_more_waiting_than_may() {
    let mut pool = Mempool::new(Limits { max_held_txs: 1, ..Limits::default() }, 0);
    let txs: Vec<Tx> = (0..4).map(|sequence| tx("alice", sequence)).collect();
    let [a, b, c, d] = [&txs[0], &txs[1], &txs[2], &txs[3]];
    admit(&mut pool, 0, &[a, b, c, d]);
    play(&mut pool, vec![("the second alone", committed(1, &[b]), vec![dropped(d, own(Code::HeldFull))])]);
    assert_eq!((pool.len(), pool.held()), (2, 1));
}

#[test]
fn one_whose_sequence_a_block_gives_to_another_waits_only_while_there_is_room() {
    let mut pool = Mempool::new(Limits { max_held_txs: 1, ..Limits::default() }, 0);
    let (a, b, waits) = (tx("alice", 0), tx("alice", 1), tx("bob", 1));
    let other = Tx { pad: 1, ..a.clone() };
    admit(&mut pool, 0, &[&a, &b, &waits]);
    pool.step(local(9, &[&other]));
    pool.step(passed(&[&other]));
    let gone = vec![dropped(&a, own(Code::HeldFull))];
    play(&mut pool, vec![("another one with its sequence", committed(1, &[&other]), gone)]);
    assert_eq!((pool.len(), pool.held(), batch_of(&pool, &[&a, &b])), (2, 1, vec![1]));
}

#[test]
fn a_transaction_in_flight_tells_its_sender_without_the_cache() {
    let mut pool = Mempool::new(Limits { verdict_cache: 0, ..Limits::default() }, 0);
    let (a, b, other) = (tx("alice", 0), tx("alice", 1), tx("bob", 0));
    admit(&mut pool, 0, &[&b, &other]);
    pool.step(peer(1, &[&a]));
    pool.step(passed(&[&a]));
    play(
        &mut pool,
        vec![
            ("committed while it is checked", committed(1, &[&a]), vec![]),
            ("only hers are checked again", executed(1), vec![recheck(&b)]),
        ],
    );
}
