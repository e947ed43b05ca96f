use althing_consensus::{AppHash, Block, Header};
use althing_ledger::TxResult;
use althing_mempool::TxBytes;

use super::*;
use crate::storage::{Hooked, MemoryStore};
use crate::testing::TestChain;

struct Fixture {
    chain: TestChain,
    genesis: Block,
    store: ChainStore,
}

fn begun() -> Fixture {
    let chain = TestChain::new();
    let genesis = chain.genesis.block(AppHash::default());
    let store = ChainStore::new(Arc::new(MemoryStore::new()));
    store.begin(chain.genesis.hash(), &Body { block: genesis.clone(), txs: Vec::new() }).unwrap();
    Fixture { chain, genesis, store }
}

fn tx(name: &str) -> TxBytes {
    name.as_bytes().into()
}

fn results(height: u64) -> StoredResults {
    let execution =
        Execution { height: Height(height), app_hash: AppHash::default(), results_root: Hash::ZERO };
    StoredResults { execution, next_epoch: Hash::ZERO, tx_results: Vec::new(), events: Vec::new() }
}

#[test]
fn a_chain_begins_with_block_0_executed_and_uncertified() {
    let empty = ChainStore::new(Arc::new(MemoryStore::new()));
    assert_eq!((empty.genesis().unwrap(), empty.committed().unwrap()), (None, Height(0)));
    let Fixture { chain, genesis, store } = begun();
    assert_eq!(store.genesis().unwrap(), Some(chain.genesis.hash()));
    assert_eq!(store.block(Height(0)).unwrap().unwrap().block, genesis);
    assert_eq!((store.committed().unwrap(), store.executed().unwrap()), (Height(0), Height(0)));
    assert_eq!(store.newest_certificate().unwrap(), None);
}

#[test]
fn what_is_committed_is_found_by_height_and_hash_with_its_certificate() {
    let Fixture { chain, genesis, store } = begun();
    let one = chain.body(&genesis, 1, vec![tx("a")]);
    let two = chain.body(&one.block, 2, vec![tx("b")]);
    let certificate = chain.certificate(two.block.hash(), 2);
    store.put_body(&one).unwrap();
    store.commit(&[one.clone(), two.clone()], &certificate).unwrap();

    assert_eq!(store.committed().unwrap(), Height(2));
    assert_eq!(store.block(Height(1)).unwrap().as_ref(), Some(&*one));
    assert_eq!(store.body(&two.block.hash()).unwrap().as_ref(), Some(&*two));
    assert_eq!(store.certificate_at(Height(1)).unwrap(), None);
    assert_eq!(store.certificate_at(Height(2)).unwrap(), Some(certificate.clone()));
    assert_eq!(store.newest_certificate().unwrap(), Some(certificate));
    assert_eq!(store.uncommitted(usize::MAX).unwrap(), Vec::new());
}

#[test]
fn a_commit_sweeps_the_bodies_that_lost_and_no_other() {
    let Fixture { chain, genesis, store } = begun();
    let won = chain.body(&genesis, 1, vec![tx("won")]);
    let lost = chain.body(&genesis, 2, vec![tx("lost")]);
    let above = chain.body(&won.block, 3, vec![tx("above")]);
    for body in [&won, &lost, &above] {
        store.put_body(body).unwrap();
        store.put_body(body).unwrap();
    }
    assert_eq!(store.uncommitted(usize::MAX).unwrap().len(), 3);
    store.commit(std::slice::from_ref(&won), &chain.certificate(won.block.hash(), 1)).unwrap();

    assert_eq!(store.body(&lost.block.hash()).unwrap(), None);
    assert_eq!(store.body(&won.block.hash()).unwrap().as_ref(), Some(&*won));
    assert_eq!(store.uncommitted(usize::MAX).unwrap(), vec![(*above).clone()]);
}

#[test]
fn how_a_block_could_be_proposed_and_who_voted_is_kept_as_long_as_the_block() {
    let Fixture { chain, genesis, store } = begun();
    let won = chain.body(&genesis, 1, vec![tx("won")]);
    let lost = chain.body(&genesis, 2, vec![tx("lost")]);
    let why = |view| Justification { view: View(view), justify: None, tc: None };
    let kept = |body: &Body| -> Vec<u64> {
        let found = store.justifications(body.block.header.height, &body.block.hash()).unwrap();
        found.iter().map(|why| why.view.0).collect()
    };
    store.put_body(&won).unwrap();
    assert_eq!(kept(&won), [0; 0]);
    for view in [1, 7, 1, 300] {
        store.put_proposed(&won, Some(&why(view))).unwrap();
    }
    store.put_proposed(&lost, Some(&why(2))).unwrap();
    assert_eq!((kept(&won), kept(&lost)), (vec![1, 7, 300], vec![2]));
    assert_eq!(store.body(&lost.block.hash()).unwrap().as_ref(), Some(&*lost), "in the same write");

    let (commit, votes) =
        (chain.certificate(won.block.hash(), 300), chain.certificate(won.block.hash(), 299));
    store.commit_voted(std::slice::from_ref(&won), &commit, Some(&votes)).unwrap();
    assert_eq!((kept(&won), kept(&lost)), (vec![1, 7, 300], vec![]), "what lost goes whole");
    assert_eq!(store.votes_at(Height(1)).unwrap(), Some(votes));

    let two = chain.body(&won.block, 301, Vec::new());
    store.put_proposed(&two, Some(&why(301))).unwrap();
    store.commit(std::slice::from_ref(&two), &chain.certificate(two.block.hash(), 301)).unwrap();
    store.prune(Height(2), 10).unwrap();
    assert_eq!((kept(&won), kept(&two)), (vec![], vec![301]));
    assert_eq!(store.votes_at(Height(1)).unwrap(), None);
}

#[test]
fn a_body_stored_after_its_commit_is_neither_uncommitted_nor_swept() {
    let Fixture { chain, genesis, store } = begun();
    let one = chain.body(&genesis, 1, vec![tx("a")]);
    let late = chain.body(&genesis, 2, vec![tx("late")]);
    let two = chain.body(&one.block, 3, Vec::new());
    store.commit(std::slice::from_ref(&one), &chain.certificate(one.block.hash(), 1)).unwrap();
    store.put_body(&one).unwrap();
    store.put_body(&late).unwrap();
    assert_eq!(store.uncommitted(usize::MAX).unwrap(), Vec::new());
    store.commit(std::slice::from_ref(&two), &chain.certificate(two.block.hash(), 3)).unwrap();
    assert_eq!(store.block(Height(1)).unwrap().as_ref(), Some(&*one));
    assert_eq!(store.body(&late.block.hash()).unwrap(), None);
}

#[test]
fn many_uncommitted_bodies_are_all_found() {
    let Fixture { chain, genesis, store } = begun();
    let count = SWEEP as u64 + 3;
    for view in 1..=count {
        store.put_body(&chain.body(&genesis, view, Vec::new())).unwrap();
    }
    assert_eq!(store.uncommitted(usize::MAX).unwrap().len() as u64, count);
}

#[test]
fn of_many_uncommitted_bodies_the_newest_come_with_their_ancestors_and_share_their_transactions() {
    let Fixture { chain, genesis, store } = begun();
    let certified = chain.body(&genesis, 1, vec![tx("certified")]);
    store.put_body(&certified).unwrap();
    for view in 2..=9 {
        store.put_body(&chain.body(&certified.block, view, vec![tx("pending")])).unwrap();
    }
    let bodies = store.uncommitted(2).unwrap();
    let views: Vec<u64> = bodies.iter().map(|body| body.block.header.view.0).collect();
    assert!(views.len() == 3 && [1, 8, 9].iter().all(|view| views.contains(view)), "{views:?}");
    let pending: Vec<_> = bodies.iter().filter(|body| body.block.header.view.0 > 1).collect();
    assert!(Arc::ptr_eq(&pending[0].txs[0], &pending[1].txs[0]));
}

#[test]
fn a_transaction_is_found_where_it_came_first() {
    let Fixture { chain, genesis, store } = begun();
    let one = chain.body(&genesis, 1, vec![tx("a"), tx("b")]);
    let two = chain.body(&one.block, 2, vec![tx("c"), tx("b")]);
    store.commit(&[one.clone(), two.clone()], &chain.certificate(two.block.hash(), 2)).unwrap();
    store.put_results(&one.block.txs, &results(1), None).unwrap();
    assert_eq!(store.tx_location(&TxHash::of(b"c")).unwrap(), None, "not executed");
    store.put_results(&two.block.txs, &results(2), None).unwrap();

    let location = |tx: &[u8]| store.tx_location(&TxHash::of(tx)).unwrap().map(|at| (at.height.0, at.index));
    assert_eq!(location(b"a"), Some((1, 0)));
    assert_eq!(location(b"b"), Some((1, 1)));
    assert_eq!(location(b"c"), Some((2, 0)));
    assert_eq!(store.executed().unwrap(), Height(2));
    assert_eq!(store.results(Height(2)).unwrap(), Some(results(2)));
}

#[test]
fn a_transaction_that_failed_first_is_found_where_it_succeeded() {
    let Fixture { chain, genesis, store } = begun();
    let one = chain.body(&genesis, 1, vec![tx("a")]);
    let two = chain.body(&one.block, 2, vec![tx("b"), tx("a")]);
    let three = chain.body(&two.block, 3, vec![tx("a")]);
    let certificate = chain.certificate(three.block.hash(), 3);
    store.commit(&[one.clone(), two.clone(), three.clone()], &certificate).unwrap();
    let execute = |body: &Body, codes: &[u32]| {
        let result = |code: &u32| TxResult { code: *code, ..TxResult::default() };
        let tx_results = codes.iter().map(result).collect();
        let results = StoredResults { tx_results, ..results(body.block.header.height.0) };
        store.put_results(&body.block.txs, &results, None).unwrap();
        store.tx_location(&TxHash::of(b"a")).unwrap().map(|at| (at.height.0, at.index))
    };
    assert_eq!(execute(&one, &[7]), Some((1, 0)));
    assert_eq!(execute(&two, &[0, 0]), Some((2, 1)), "it succeeded after all");
    assert_eq!(execute(&three, &[7]), Some((2, 1)), "and is never said to have failed again");
}

#[test]
fn the_oldest_blocks_go_whole_and_block_0_stays() {
    let Fixture { chain, genesis, store } = begun();
    assert_eq!(store.oldest().unwrap(), None);
    let one = chain.body(&genesis, 1, vec![tx("a"), tx("b")]);
    let two = chain.body(&one.block, 2, vec![tx("b"), tx("c")]);
    let three = chain.body(&two.block, 3, vec![tx("d")]);
    for body in [&one, &two, &three] {
        let Header { height, view, .. } = body.block.header;
        store.commit(std::slice::from_ref(body), &chain.certificate(body.block.hash(), view.0)).unwrap();
        store.put_results(&body.block.txs, &results(height.0), None).unwrap();
    }
    store.prune(Height(1), 9).unwrap();
    assert_eq!(store.oldest().unwrap(), Some(Height(1)), "block 0 is not among those that go");
    store.prune(Height(3), 1).unwrap();
    assert_eq!(store.oldest().unwrap(), Some(Height(2)), "one at once");
    assert_eq!(store.body(&one.block.hash()).unwrap(), None);
    assert_eq!((store.block(Height(1)).unwrap(), store.results(Height(1)).unwrap()), (None, None));
    assert_eq!(store.certificate_at(Height(1)).unwrap(), None);
    let found = |name: &str| store.tx_location(&TxHash::of(name.as_bytes())).unwrap().map(|at| at.height.0);
    assert_eq!(
        (found("a"), found("b"), found("c"), found("d")),
        (None, Some(2), Some(2), Some(3)),
        "b is in block 2, too"
    );
    store.prune(Height(3), 9).unwrap();
    store.prune(Height(3), 9).unwrap();
    assert_eq!(store.oldest().unwrap(), Some(Height(3)));
    assert_eq!(store.block(Height(3)).unwrap().as_ref(), Some(&*three));
    assert_eq!(store.block(Height(0)).unwrap().unwrap().block, genesis);
}

#[test]
fn a_block_that_goes_while_it_is_read_is_absent_and_no_damage() {
    let Fixture { chain, genesis, store } = begun();
    let one = chain.body(&genesis, 1, vec![tx("a")]);
    store.commit(std::slice::from_ref(&one), &chain.certificate(one.block.hash(), 1)).unwrap();
    let (kept, once) = (store.store.clone(), std::sync::Once::new());
    // The oldest block goes right before the first body is read.
    let prune = move |table| {
        if table == Table::Blocks {
            once.call_once(|| store.prune(Height(2), 1).unwrap());
        }
    };
    let store = ChainStore::new(Arc::new(Hooked { get: Box::new(prune), ..Hooked::over(kept) }));
    assert_eq!(store.block(Height(1)).unwrap(), None);
}

#[test]
#[should_panic(expected = "in the order of their heights")]
fn a_block_is_never_committed_twice() {
    let Fixture { chain, genesis, store } = begun();
    let one = chain.body(&genesis, 1, Vec::new());
    let certificate = chain.certificate(one.block.hash(), 1);
    store.commit(std::slice::from_ref(&one), &certificate).unwrap();
    let _ = store.commit(&[one], &certificate);
}

#[test]
#[should_panic(expected = "in the order of their heights")]
fn a_block_is_never_executed_twice() {
    let Fixture { store, .. } = begun();
    store.put_results(&[], &results(1), None).unwrap();
    let _ = store.put_results(&[], &results(1), None);
}

#[test]
fn damage_is_named_and_never_taken_for_absence() {
    let Fixture { chain, genesis, store } = begun();
    let one = chain.body(&genesis, 1, Vec::new());
    store.commit(std::slice::from_ref(&one), &chain.certificate(one.block.hash(), 1)).unwrap();
    let mut batch = Batch::new();
    batch.delete(Table::Blocks, *one.block.hash().as_bytes());
    batch.put(Table::Results, height_key(Height(1)), vec![9, 9]);
    store.store.write(batch).unwrap();
    let missing = store.block(Height(1)).unwrap_err().to_string();
    assert!(missing.contains("of height 1 is missing"), "{missing}");
    let garbage = store.results(Height(1)).unwrap_err().to_string();
    assert!(garbage.contains("Results") && garbage.contains("encoding version 9"), "{garbage}");
}

#[test]
fn a_height_that_no_chain_reaches_is_damage() {
    let Fixture { store, .. } = begun();
    let mut batch = Batch::new();
    batch.put(Table::BlockIndex, height_key(Height(u64::MAX)), vec![1; 33]);
    store.store.write(batch).unwrap();
    for error in [store.committed().unwrap_err(), store.uncommitted(1).unwrap_err()] {
        assert!(error.to_string().contains("a block of height 18446744073709551615"), "{error}");
    }
}

#[test]
fn the_chain_of_epochs_is_kept_with_what_ends_each_and_who_votes_after_which_height() {
    let Fixture { chain: test, genesis, store } = begun();
    let first = store.opening(Epoch(1)).unwrap().expect("genesis");
    assert_eq!((first.header, first.certificate), (genesis.header.clone(), None));
    assert_eq!((store.newest_epoch().unwrap(), store.opening(Epoch(2)).unwrap()), (Epoch(1), None));

    let mut end = (*test.body(&genesis, 1, Vec::new())).clone();
    end.block.header.vouched.next_epoch = Hash::ZERO;
    let certificate = test.certificate(end.block.hash(), 4);
    store.commit(&[Arc::new(end.clone())], &certificate).unwrap();
    assert_eq!(store.newest_epoch().unwrap(), Epoch(2));
    let second = store.opening(Epoch(2)).unwrap().expect("begun");
    assert_eq!((second.epoch_hash(), second.certificate), (Hash::ZERO, Some(certificate)));
    assert_eq!(second.header, end.block.header);

    let changed = Membership::of_genesis(&test.genesis);
    let executed = |height| StoredResults {
        execution: Execution { height, app_hash: AppHash::default(), results_root: Hash::ZERO },
        next_epoch: changed.hash(),
        tx_results: Vec::new(),
        events: Vec::new(),
    };
    store.put_results(&[], &executed(Height(1)), Some(&changed)).unwrap();
    store.put_results(&[], &executed(Height(2)), None).unwrap();
    assert!(store.membership(Height(0)).unwrap().is_none(), "that of genesis");
    for height in [1, 2, 9].map(Height) {
        let stored = store.membership(height).unwrap().expect("changed at height 1");
        assert_eq!(Membership::from_stored(stored, &althing_crypto::bls::BLS).unwrap(), changed);
    }
}
