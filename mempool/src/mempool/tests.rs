//! Scripts: an input, and exactly the actions it must lead to.

mod blocks;
mod bounds;
mod model;
mod order;

use super::*;
use crate::pool::invariants;
use crate::{Admission, CODESPACE, CheckedTx, Code, Outcome, Source};

/// A transaction of the tests, from which its bytes follow.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Tx {
    sender: &'static str,
    sequence: u64,
    priority: u64,
    expiry: Option<u64>,
    pad: usize,
}

/// Sequence `sequence` of `sender`; no sender if that is empty.
fn tx(sender: &'static str, sequence: u64) -> Tx {
    Tx { sender, sequence, priority: 0, expiry: None, pad: 0 }
}

impl Tx {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{self:?}").into_bytes();
        bytes.resize(bytes.len() + self.pad, b'.');
        bytes
    }

    fn len(&self) -> usize {
        self.bytes().len()
    }

    fn hash(&self) -> TxHash {
        TxHash::of(&self.bytes())
    }

    fn named(&self) -> (TxHash, TxBytes) {
        (self.hash(), self.bytes().into())
    }

    fn admission(&self) -> Admission {
        Admission {
            sender: Some(self.sender.as_bytes().to_vec()).filter(|sender| !sender.is_empty()),
            sequence: self.sequence,
            priority: self.priority,
            expiry_height: self.expiry,
        }
    }
}

fn local(ticket: u64, txs: &[&Tx]) -> Input {
    Input::Submit { source: Source::Local { ticket }, txs: txs.iter().map(|tx| tx.bytes().into()).collect() }
}

fn peer(id: u64, txs: &[&Tx]) -> Input {
    Input::Submit { source: Source::Peer { id }, txs: txs.iter().map(|tx| tx.bytes().into()).collect() }
}

fn passed(txs: &[&Tx]) -> Input {
    Input::Prechecked { results: txs.iter().map(|tx| (tx.hash(), Ok(tx.admission()))).collect() }
}

fn failed(tx: &Tx) -> Input {
    Input::Prechecked { results: vec![(tx.hash(), Err(app_refusal()))] }
}

fn checked(tx: &Tx, next: u64) -> Input {
    Input::Checked { results: vec![(tx.hash(), Ok(CheckedTx { next_sequence: Some(next) }))] }
}

fn unordered(tx: &Tx) -> Input {
    Input::Checked { results: vec![(tx.hash(), Ok(CheckedTx { next_sequence: None }))] }
}

fn refused(tx: &Tx) -> Input {
    Input::Checked { results: vec![(tx.hash(), Err(app_refusal()))] }
}

fn committed(height: u64, txs: &[&Tx]) -> Input {
    Input::Committed { height, txs: txs.iter().map(|tx| tx.hash()).collect() }
}

fn executed(height: u64) -> Input {
    Input::Executed { height }
}

fn app_refusal() -> Refusal {
    Refusal { code: 7, codespace: "app".into(), log: "no".into() }
}

fn precheck(txs: &[&Tx]) -> Action {
    Action::Precheck(txs.iter().map(|tx| tx.named()).collect())
}

fn check(tx: &Tx) -> Action {
    Action::Check(tx.hash(), tx.bytes().into())
}

fn recheck(tx: &Tx) -> Action {
    Action::Recheck(tx.hash(), tx.bytes().into())
}

fn gossip(tx: &Tx) -> Action {
    Action::Gossip(tx.hash(), tx.bytes().into())
}

fn answer(ticket: u64, tx: &Tx, outcome: Outcome) -> Action {
    Action::Answer { ticket, hash: tx.hash(), outcome }
}

fn accepted(ticket: u64, tx: &Tx) -> Action {
    answer(ticket, tx, Outcome::Accepted { duplicate: false })
}

fn penalise(peer: u64, tx: &Tx) -> Action {
    Action::Penalise { peer, hash: tx.hash(), refusal: app_refusal() }
}

fn dropped(tx: &Tx, refusal: Refusal) -> Action {
    Action::Dropped { hash: tx.hash(), refusal }
}

/// A refusal of the pool's own. The sentences are not compared: the scripts name the code alone.
fn own(code: Code) -> Refusal {
    Refusal::own(code, String::new())
}

fn without_own_sentences(mut actions: Vec<Action>) -> Vec<Action> {
    for action in &mut actions {
        if let Action::Answer { outcome: Outcome::Refused(refusal), .. } | Action::Dropped { refusal, .. } =
            action
            && refusal.codespace == CODESPACE
        {
            assert!(refusal.log.len() > 20, "a refusal says what to do: {refusal}");
            refusal.log.clear();
        }
    }
    actions
}

/// Plays a script and checks the invariants after each step.
#[track_caller]
fn play(pool: &mut Mempool, script: Vec<(&str, Input, Vec<Action>)>) {
    for (what, input, expected) in script {
        let actions = without_own_sentences(pool.step(input));
        assert_eq!(actions, expected, "{what}");
        invariants::check(&pool.pool);
    }
}

/// Hands transactions in and has the application pass them, `next` being their sender's next sequence.
#[track_caller]
fn admit(pool: &mut Mempool, next: u64, txs: &[&Tx]) {
    for tx in txs {
        pool.step(Input::Submit { source: Source::Returned, txs: vec![tx.bytes().into()] });
        pool.step(passed(&[tx]));
        pool.step(checked(tx, next));
        assert!(pool.pool.get(&tx.hash()).is_some(), "{tx:?} is not admitted: {:?}", pool.status(&tx.hash()));
        invariants::check(&pool.pool);
    }
}

/// What a batch without bounds holds, as positions in `txs`.
#[track_caller]
fn batch_of(pool: &Mempool, txs: &[&Tx]) -> Vec<usize> {
    positions(pool.batch(usize::MAX, usize::MAX, &|_| false), txs)
}

#[track_caller]
fn positions(batch: Vec<(TxHash, TxBytes)>, txs: &[&Tx]) -> Vec<usize> {
    let place =
        |hash: &TxHash| txs.iter().position(|tx| tx.hash() == *hash).expect("an unexpected transaction");
    batch.iter().map(|(hash, _)| place(hash)).collect()
}

fn pool() -> Mempool {
    Mempool::new(Limits::default(), 0)
}

#[test]
fn a_transaction_of_a_client_goes_through_both_stages() {
    let a = tx("alice", 5);
    let mut pool = pool();
    play(
        &mut pool,
        vec![
            ("handed in", local(1, &[&a]), vec![precheck(&[&a])]),
            ("prechecked", passed(&[&a]), vec![check(&a)]),
            ("admitted", checked(&a, 5), vec![accepted(1, &a), gossip(&a), Action::WorkChanged(true)]),
            ("an answer nobody awaits", checked(&a, 5), vec![]),
            ("again", local(2, &[&a]), vec![answer(2, &a, Outcome::Accepted { duplicate: true })]),
            ("committed", committed(1, &[&a]), vec![Action::WorkChanged(false)]),
            ("and again", local(3, &[&a]), vec![answer(3, &a, Outcome::Committed { height: 1 })]),
            ("from a peer", peer(9, &[&a]), vec![]),
        ],
    );
    assert_eq!((pool.len(), pool.bytes(), pool.in_flight(), pool.is_empty()), (0, 0, 0, true));
}

#[test]
fn what_comes_by_gossip_is_not_gossiped_again() {
    let (a, b) = (tx("alice", 0), tx("bob", 0));
    play(
        &mut pool(),
        vec![
            ("a batch", peer(1, &[&a, &b]), vec![precheck(&[&a, &b])]),
            ("prechecked", passed(&[&a, &b]), vec![check(&a), check(&b)]),
            ("another peer has it too", peer(2, &[&a]), vec![]),
            ("a client joins", local(7, &[&b]), vec![]),
            ("admitted", checked(&a, 0), vec![Action::WorkChanged(true)]),
            ("the client's is", checked(&b, 0), vec![accepted(7, &b), gossip(&b)]),
        ],
    );
}

#[test]
fn what_came_by_gossip_is_gossiped_once_a_client_hands_it_in() {
    let a = tx("alice", 0);
    let again = |ticket| answer(ticket, &a, Outcome::Accepted { duplicate: true });
    play(
        &mut pool(),
        vec![
            ("by gossip", peer(1, &[&a]), vec![precheck(&[&a])]),
            ("prechecked", passed(&[&a]), vec![check(&a)]),
            ("admitted", checked(&a, 0), vec![Action::WorkChanged(true)]),
            ("another peer", peer(2, &[&a]), vec![]),
            ("a client: the peers may have lost it", local(1, &[&a]), vec![again(1), gossip(&a)]),
            ("once", local(2, &[&a, &a]), vec![again(2), again(2)]),
            ("committed", committed(1, &[&a]), vec![Action::WorkChanged(false)]),
            ("too late", local(3, &[&a]), vec![answer(3, &a, Outcome::Committed { height: 1 })]),
        ],
    );
}

#[test]
fn each_ticket_gets_one_answer() {
    let a = tx("alice", 0);
    let duplicate = |ticket| answer(ticket, &a, Outcome::Accepted { duplicate: true });
    let no = |ticket| answer(ticket, &a, Outcome::Refused(app_refusal()));
    play(
        &mut pool(),
        vec![
            ("twice at once", local(1, &[&a, &a]), vec![precheck(&[&a])]),
            ("while prechecked", local(2, &[&a]), vec![]),
            ("prechecked", passed(&[&a]), vec![check(&a)]),
            ("while checked", local(3, &[&a]), vec![]),
            ("the check fails", refused(&a), vec![no(1), no(1), no(2), no(3)]),
            ("only the check is done again", local(4, &[&a]), vec![check(&a)]),
            ("while checked", local(5, &[&a]), vec![]),
            (
                "admitted",
                checked(&a, 0),
                vec![accepted(4, &a), duplicate(5), gossip(&a), Action::WorkChanged(true)],
            ),
        ],
    );
}

#[test]
fn a_failed_precheck_is_remembered_and_the_peer_named() {
    let a = tx("alice", 0);
    let no = |ticket| answer(ticket, &a, Outcome::Refused(app_refusal()));
    let mut pool = pool();
    play(
        &mut pool,
        vec![
            ("by gossip", peer(1, &[&a]), vec![precheck(&[&a])]),
            ("a client joins", local(1, &[&a]), vec![]),
            ("it fails", failed(&a), vec![penalise(1, &a), no(1)]),
            ("another peer", peer(2, &[&a]), vec![penalise(2, &a)]),
            ("a client", local(2, &[&a]), vec![no(2)]),
            ("this node", Input::Submit { source: Source::Returned, txs: vec![a.bytes().into()] }, vec![]),
        ],
    );
    assert_eq!(pool.prechecked(&a.hash()), Some(false));
}

#[test]
fn a_verdict_learnt_from_a_block_spares_the_precheck() {
    let (a, b) = (tx("alice", 0), tx("bob", 0));
    let mut pool = pool();
    assert_eq!(pool.prechecked(&a.hash()), None);
    play(
        &mut pool,
        vec![
            ("from a block", passed(&[&a]), vec![]),
            ("straight to the check", peer(1, &[&a]), vec![check(&a)]),
            ("awaits its precheck", peer(1, &[&b]), vec![precheck(&[&b])]),
            ("a block tells it", passed(&[&b]), vec![check(&b)]),
            ("the answer comes too late", passed(&[&b]), vec![]),
            ("even if it differs", failed(&b), vec![]),
        ],
    );
    assert_eq!([&a, &b].map(|tx| pool.prechecked(&tx.hash())), [Some(true), Some(true)]);
    assert_eq!(pool.get(&a.hash()), Some(a.bytes().into()), "its bytes can be had before it is admitted");
}

#[test]
fn the_states_of_a_transaction_are_told() {
    let mut pool = pool();
    let (a, c) = (tx("alice", 0), tx("alice", 2));
    let status = |pool: &Mempool, tx: &Tx| pool.status(&tx.hash());
    assert_eq!(status(&pool, &a), Status::Unknown);
    pool.step(local(1, &[&a]));
    assert_eq!(status(&pool, &a), Status::Checking);
    pool.step(passed(&[&a]));
    pool.step(checked(&a, 0));
    admit(&mut pool, 0, &[&c]);
    assert_eq!((status(&pool, &a), status(&pool, &c)), (Status::Ready, Status::Held { missing: 1 }));
    pool.step(committed(1, &[&a]));
    pool.step(executed(1));
    pool.step(refused(&c));
    assert_eq!(status(&pool, &a), Status::Committed { height: 1 });
    assert_eq!(status(&pool, &c), Status::Dropped(app_refusal()));
}

#[test]
fn the_same_inputs_give_the_same_value() {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let digest = |pool: &Mempool| {
        let mut hasher = DefaultHasher::new();
        pool.hash(&mut hasher);
        hasher.finish()
    };
    let (mut one, mut two) = (pool(), pool());
    assert_eq!(digest(&one), digest(&two));
    admit(&mut one, 0, &[&tx("alice", 0), &tx("bob", 1)]);
    assert_ne!(digest(&one), digest(&two));
    admit(&mut two, 0, &[&tx("alice", 0), &tx("bob", 1)]);
    assert_eq!(digest(&one), digest(&two));
}
