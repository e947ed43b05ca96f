//! What a batch holds and in which order.

use super::*;

#[test]
fn without_a_sender_the_order_is_arrival() {
    let mut pool = pool();
    let txs: Vec<Tx> = (0..5).map(|n| tx("", n)).collect();
    let txs: Vec<&Tx> = txs.iter().collect();
    for tx in [3, 1, 4, 0, 2].map(|n| txs[n]) {
        pool.step(peer(1, &[tx]));
        pool.step(passed(&[tx]));
        pool.step(unordered(tx));
    }
    assert_eq!(batch_of(&pool, &txs), [3, 1, 4, 0, 2]);
}

#[test]
fn a_senders_go_in_sequence_whenever_they_came() {
    let mut pool = pool();
    let txs: Vec<Tx> = (0..4).map(|n| tx("alice", n)).collect();
    let txs: Vec<&Tx> = txs.iter().collect();
    admit(&mut pool, 0, &[txs[2], txs[1]]);
    assert!(!pool.has_work());
    admit(&mut pool, 0, &[txs[0]]);
    assert_eq!(batch_of(&pool, &txs), [0, 1, 2]);
    admit(&mut pool, 0, &[txs[3]]);
    assert_eq!(batch_of(&pool, &txs), [0, 1, 2, 3]);
}

#[test]
fn senders_take_turns() {
    let mut pool = pool();
    let txs = [tx("flood", 0), tx("flood", 1), tx("flood", 2), tx("late", 0), tx("late", 1)];
    let txs = txs.each_ref();
    admit(&mut pool, 0, &txs);
    assert_eq!(batch_of(&pool, &txs), [0, 3, 1, 4, 2]);
    // Who comes later joins where the line has come to.
    pool.step(committed(1, &[txs[0], txs[3], txs[1], txs[4]]));
    let new = tx("new", 0);
    admit(&mut pool, 0, &[&new]);
    assert_eq!(batch_of(&pool, &[txs[2], &new]), [0, 1]);
}

#[test]
fn newcomers_do_not_keep_an_older_transaction_waiting() {
    let mut pool = pool();
    let old = [tx("old", 0), tx("old", 1)];
    admit(&mut pool, 0, &old.each_ref());
    let newcomers = ["a", "b", "c", "d"].map(|sender| tx(sender, 0));
    for (height, new) in (1..).zip(&newcomers) {
        admit(&mut pool, 0, &[new]);
        // Blocks of one transaction, and a newcomer before each of them.
        let first = pool.batch(usize::MAX, 1, &|_| false)[0].0;
        if first == old[1].hash() {
            return;
        }
        pool.step(Input::Committed { height, txs: vec![first] });
    }
    panic!("the older transaction is still waiting");
}

#[test]
fn priority_goes_first_but_not_before_an_earlier_sequence() {
    let mut pool = pool();
    let high = |sender, sequence| Tx { priority: 5, ..tx(sender, sequence) };
    let txs = [tx("a", 0), high("a", 1), high("b", 0), tx("b", 1), high("b", 2), high("c", 0)];
    let txs = txs.each_ref();
    admit(&mut pool, 0, &txs);
    let order = batch_of(&pool, &txs);
    assert_eq!(order[..2], [2, 5], "the high ones that nothing precedes");
    let place = |n: usize| order.iter().position(|m| *m == n);
    assert!(place(0) < place(1) && place(3) < place(4));
}

#[test]
fn what_ancestors_carry_is_passed() {
    let mut pool = pool();
    let txs = [tx("a", 0), tx("a", 1), tx("a", 2)];
    let txs = txs.each_ref();
    admit(&mut pool, 0, &txs);
    let batch = pool.batch(usize::MAX, usize::MAX, &|hash| *hash == txs[0].hash());
    assert_eq!(positions(batch, &txs), [1, 2]);
    assert_eq!(batch_of(&pool, &txs), [0, 1, 2], "a batch takes nothing away");
}

#[test]
fn a_batch_keeps_its_bounds_and_the_order() {
    let mut pool = pool();
    let big = Tx { pad: 50, ..tx("a", 1) };
    let txs = [tx("a", 0), big, tx("a", 2), tx("b", 0)];
    let txs = txs.each_ref();
    let len = txs[0].len();
    admit(&mut pool, 0, &txs);
    let batch = |bytes, count| positions(pool.batch(bytes, count, &|_| false), &txs);
    assert_eq!(batch(usize::MAX, 2), [0, 3]);
    assert_eq!(batch(2 * len, usize::MAX), [0, 3]);
    assert_eq!(batch(3 * len, usize::MAX), [0, 3], "what follows the one that does not fit must wait too");
    assert_eq!(batch(len - 1, usize::MAX), Vec::<usize>::new());
    assert_eq!(batch(0, usize::MAX), Vec::<usize>::new());
    assert_eq!(batch(usize::MAX, 0), Vec::<usize>::new());
}

#[test]
fn many_too_large_for_any_batch_do_not_stop_the_others() {
    let mut pool = pool();
    let mut txs: Vec<Tx> = (0..40).map(|n| Tx { pad: 100, ..tx("", n) }).collect();
    txs.push(tx("a", 0));
    let txs: Vec<&Tx> = txs.iter().collect();
    admit(&mut pool, 0, &txs);
    let batch = pool.batch(txs[40].len(), usize::MAX, &|_| false);
    assert_eq!(positions(batch, &txs), [40]);
}

#[test]
fn those_that_need_no_order_are_ready_at_once() {
    let mut pool = pool();
    let txs = [tx("a", 9), tx("a", 3), tx("a", 3)];
    let second = Tx { pad: 1, ..txs[2].clone() };
    for tx in [&txs[0], &txs[1], &second] {
        pool.step(local(1, &[tx]));
        pool.step(passed(&[tx]));
        pool.step(unordered(tx));
        invariants::check(&pool.pool);
    }
    assert_eq!(batch_of(&pool, &[&txs[0], &txs[1], &second]), [0, 1, 2]);
}
