//! The ledger as a node sees it: what each call promises, in and out of order, before and after crashes.

mod random;
mod script;

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, Ordering},
};

use althing_crypto::{Hash, ed25519::SecretKey, sha256, sha256_concat};

use super::*;
use crate::{Bytes, MemoryStore, PrepareProposal, StoreError};

const CHAIN: &str = "test-chain";

fn key(n: u8) -> SecretKey {
    SecretKey::from_seed([n; 32])
}

fn address(n: u8) -> Address {
    Address::of(&key(n).public_key())
}

fn init_with(accounts: &[(u8, u128)]) -> InitChain {
    let asset = GenesisAsset { name: "crown".into(), decimals: 2 };
    let account = |&(n, balance): &(u8, u128)| GenesisAccount { address: address(n), balance };
    let genesis = GenesisState { asset, accounts: accounts.iter().map(account).collect() };
    let app_state = serde_json::to_vec(&genesis).unwrap();
    InitChain { chain_id: CHAIN.into(), initial_height: 1, time_ms: 0, app_state }
}

fn pay(from: u8, sequence: u64, to: u8, amount: u128) -> Bytes {
    pay_until(0, from, sequence, to, amount)
}

fn pay_until(expiry: u64, from: u8, sequence: u64, to: u8, amount: u128) -> Bytes {
    Transaction::transfer(CHAIN, &key(from), sequence, expiry, address(to), amount, "").encode()
}

fn finalize(ledger: &AssetLedger, height: u64, txs: &[Bytes]) -> Result<FinalizedBlock, AppError> {
    let txs: Vec<&[u8]> = txs.iter().map(Vec::as_slice).collect();
    ledger.finalize_block(&FinalizeBlock { height, time_ms: height, hash: Hash::ZERO, txs: &txs })
}

/// Executes and commits the next block.
fn block(ledger: &AssetLedger, txs: &[Bytes]) -> FinalizedBlock {
    let done = finalize(ledger, ledger.info().last_height + 1, txs).unwrap();
    ledger.commit().unwrap();
    done
}

fn account(ledger: &AssetLedger, n: u8) -> (u128, u64) {
    let q = Query { path: "account".into(), data: address(n).as_bytes().to_vec(), ..Query::default() };
    let answer = ledger.query(&q);
    assert_eq!(answer.code, 0, "{}", answer.log);
    let view: AccountView = serde_json::from_slice(&answer.value).unwrap();
    assert_eq!(view.address, address(n));
    (view.balance, view.sequence)
}

fn begun(accounts: &[(u8, u128)]) -> (Arc<FaultyStore>, AssetLedger) {
    let store = Arc::new(FaultyStore::default());
    let ledger = AssetLedger::open(store.clone()).unwrap();
    ledger.init_chain(&init_with(accounts)).unwrap();
    (store, ledger)
}

/// A store whose disk can be made to fail.
#[derive(Default)]
struct FaultyStore {
    inner: MemoryStore,
    failing: AtomicBool,
}

impl FaultyStore {
    fn set_failing(&self, failing: bool) {
        self.failing.store(failing, Ordering::SeqCst);
    }

    fn works(&self) -> Result<(), StoreError> {
        let failing = self.failing.load(Ordering::SeqCst);
        if failing { Err(StoreError::new("disk on fire")) } else { Ok(()) }
    }
}

impl StateStore for FaultyStore {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.works()?;
        self.inner.get(key)
    }

    fn write(&self, batch: Vec<Write>) -> Result<(), StoreError> {
        self.works()?;
        let keys: BTreeSet<_> = batch.iter().map(|(key, _)| key.clone()).collect();
        assert_eq!(keys.len(), batch.len(), "a key came twice in a batch");
        assert!(keys.iter().all(|key| key.len() <= 128), "a key is longer than stores are told");
        self.inner.write(batch)
    }
}

#[test]
fn precheck_tells_the_pool_what_it_needs_and_keeps_the_order() {
    let (_, ledger) = begun(&[(1, 100)]);
    let mut forged = pay(2, 0, 1, 1);
    *forged.last_mut().unwrap() ^= 1;
    let txs = [pay_until(8, 1, 3, 2, 1), vec![9], forged, pay(2, 0, 1, 1)];
    let verdicts = ledger.precheck(&txs.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let expected = |n, sequence, expiry_height| {
        Ok(Admission { sender: Some(address(n).as_bytes().to_vec()), sequence, priority: 0, expiry_height })
    };
    assert_eq!(verdicts.len(), 4);
    assert_eq!(verdicts[0], expected(1, 3, Some(8)));
    assert_eq!(verdicts[1].as_ref().unwrap_err().code, Code::Malformed.number());
    assert_eq!(verdicts[2].as_ref().unwrap_err().code, Code::BadSignature.number());
    assert_eq!(verdicts[3], expected(2, 0, None));
    assert!(ledger.precheck(&[]).is_empty());
}

#[test]
fn check_tells_the_senders_next_sequence() {
    let (_, ledger) = begun(&[(1, 100)]);
    block(&ledger, &[pay(1, 0, 2, 1), pay(1, 1, 2, 1)]);
    for kind in [CheckKind::New, CheckKind::Recheck] {
        assert_eq!(ledger.check_tx(&pay(1, 7, 2, 1), kind), Ok(CheckedTx { next_sequence: Some(2) }));
    }
}

#[test]
fn a_list_succeeds_or_fails_as_one() {
    let (_, ledger) = begun(&[(1, 100)]);
    let list = |sequence, amounts: [u128; 3]| {
        let transfer =
            |(i, amount): (usize, u128)| Instruction::Transfer { to: address(2 + i as u8), amount };
        let instructions = amounts.into_iter().enumerate().map(transfer).collect();
        Transaction::sign(CHAIN, &key(1), sequence, 0, instructions, "").encode()
    };
    let done = block(&ledger, &[list(0, [50, 50, 1]), list(1, [50, 49, 1])]);
    assert_eq!(done.tx_results[0].code, Code::InsufficientBalance.number());
    assert_eq!(done.tx_results[0].codespace, CODESPACE);
    assert!(done.tx_results[0].events.is_empty());
    assert_eq!(done.tx_results[1].code, 0, "the failed list had used sequence 0 and nothing else");
    assert_eq!(done.tx_results[1].events.len(), 3);
    let event = &done.tx_results[1].events[1];
    let attributes: Vec<_> = event.attributes.iter().map(|a| (a.key.as_str(), a.value.clone())).collect();
    let expected =
        [("sender", address(1).to_string()), ("recipient", address(3).to_string()), ("amount", "49".into())];
    assert_eq!((event.kind.as_str(), attributes.as_slice()), ("transfer", expected.as_slice()));
    assert_eq!(account(&ledger, 1), (0, 2));
    assert_eq!([2, 3, 4].map(|n| account(&ledger, n).0), [50, 49, 1]);
}

#[test]
fn paying_oneself_moves_nothing() {
    let (_, ledger) = begun(&[(1, 100)]);
    let done = block(&ledger, &[pay(1, 0, 1, 100), pay(1, 1, 1, 101)]);
    assert_eq!(
        done.tx_results.iter().map(|r| r.code).collect::<Vec<_>>(),
        [0, Code::InsufficientBalance.number()]
    );
    assert_eq!(account(&ledger, 1), (100, 2));
}

#[test]
fn nothing_shows_before_commit() {
    let (store, ledger) = begun(&[(1, 100)]);
    let before = (ledger.info(), store.inner.len());
    let done = finalize(&ledger, 1, &[pay(1, 0, 2, 10)]).unwrap();
    assert_eq!((ledger.info(), store.inner.len()), before);
    assert_eq!((account(&ledger, 1), account(&ledger, 2)), ((100, 0), (0, 0)));
    assert!(ledger.check_tx(&pay(1, 0, 2, 100), CheckKind::New).is_ok());
    ledger.commit().unwrap();
    assert_eq!((ledger.info().last_height, ledger.info().app_hash), (1, done.app_hash));
    assert_eq!((account(&ledger, 1), account(&ledger, 2)), ((90, 1), (10, 0)));
}

#[test]
fn finalizing_again_gives_the_same_and_the_last_call_counts() {
    let (_, ledger) = begun(&[(1, 100)]);
    let txs = [pay(1, 0, 2, 10), pay(1, 0, 2, 10)];
    let first = finalize(&ledger, 1, &txs).unwrap();
    let other = finalize(&ledger, 1, &[]).unwrap();
    assert_ne!(first.app_hash, other.app_hash);
    assert_eq!(finalize(&ledger, 1, &txs).unwrap(), first);
    ledger.commit().unwrap();
    assert_eq!(ledger.info().app_hash, first.app_hash);
    assert!(matches!(ledger.commit(), Err(AppError::NothingToCommit)));
}

#[test]
fn blocks_come_in_order() {
    let (_, ledger) = begun(&[(1, 100)]);
    for wrong in [0, 2, u64::MAX] {
        let error = finalize(&ledger, wrong, &[]).unwrap_err();
        assert!(matches!(error, AppError::WrongHeight { expected: 1, found } if found == wrong), "{error}");
    }
    block(&ledger, &[]);
    assert!(matches!(finalize(&ledger, 1, &[]), Err(AppError::WrongHeight { expected: 2, found: 1 })));
    let fresh = AssetLedger::open(Arc::new(MemoryStore::new())).unwrap();
    assert!(matches!(finalize(&fresh, 1, &[]), Err(AppError::NotInitialised)));
    assert!(matches!(fresh.commit(), Err(AppError::NothingToCommit)));
}

#[test]
fn a_chain_may_begin_at_a_later_height() {
    let ledger = AssetLedger::open(Arc::new(MemoryStore::new())).unwrap();
    ledger.init_chain(&InitChain { initial_height: 10, ..init_with(&[(1, 100)]) }).unwrap();
    assert_eq!(ledger.info().last_height, 0);
    assert!(matches!(finalize(&ledger, 1, &[]), Err(AppError::WrongHeight { expected: 10, .. })));
    let expired = ledger.check_tx(&pay_until(9, 1, 0, 2, 1), CheckKind::New).unwrap_err();
    assert_eq!(expired.code, Code::Expired.number());
    for height in 10..15 {
        finalize(&ledger, height, &[pay(1, height - 10, 2, 1)]).unwrap();
        ledger.commit().unwrap();
    }
    assert_eq!(account(&ledger, 1), (95, 5));
    assert_eq!(ledger.info().last_height, 14);
}

#[test]
fn a_chain_at_the_last_height_stops_with_an_error() {
    let ledger = AssetLedger::open(Arc::new(MemoryStore::new())).unwrap();
    ledger.init_chain(&InitChain { initial_height: u64::MAX, ..init_with(&[(1, 100)]) }).unwrap();
    finalize(&ledger, u64::MAX, &[]).unwrap();
    ledger.commit().unwrap();
    assert!(matches!(finalize(&ledger, u64::MAX, &[]), Err(AppError::WrongHeight { .. })));
    assert!(ledger.check_tx(&pay(1, 0, 2, 1), CheckKind::New).is_ok());
}

#[test]
fn init_chain_again_is_the_same_until_a_block_is_committed() {
    let store = Arc::new(MemoryStore::new());
    let ledger = AssetLedger::open(store.clone()).unwrap();
    let unborn = ledger.info();
    assert_eq!((unborn.initialised, unborn.last_height, unborn.app_hash), (false, 0, AppHash::default()));
    let init = init_with(&[(1, 100), (2, 50)]);
    let first = ledger.init_chain(&init).unwrap();
    assert_eq!((ledger.info().initialised, ledger.info().app_hash), (true, first.app_hash.clone()));
    let keys = store.len();
    // In the same process, after a restart, and with a block executed but not committed.
    assert_eq!(ledger.init_chain(&init).unwrap(), first);
    let ledger = AssetLedger::open(store.clone()).unwrap();
    finalize(&ledger, 1, &[pay(1, 0, 2, 1)]).unwrap();
    assert_eq!(ledger.init_chain(&init).unwrap(), first);
    assert_eq!((store.len(), account(&ledger, 1)), (keys, (100, 0)));

    for (other, reason) in [
        (init_with(&[(1, 100), (2, 51)]), "application hash"),
        (InitChain { chain_id: "other".into(), ..init.clone() }, "chain id is \"test-chain\""),
        (InitChain { initial_height: 2, ..init.clone() }, "first height is 1"),
    ] {
        let error = ledger.init_chain(&other).unwrap_err();
        assert!(
            matches!(error, AppError::OtherGenesis { .. }) && error.to_string().contains(reason),
            "{error}"
        );
    }
    ledger.commit().unwrap();
    let error = ledger.init_chain(&init).unwrap_err();
    assert!(error.to_string().contains("stands at height 1"), "{error}");
}

#[test]
fn an_unacceptable_genesis_names_its_field_and_leaves_nothing() {
    let store = Arc::new(MemoryStore::new());
    let ledger = AssetLedger::open(store.clone()).unwrap();
    let good = init_with(&[(1, 1)]);
    for (init, field) in [
        (InitChain { chain_id: String::new(), ..good.clone() }, "chain_id"),
        (InitChain { chain_id: "x".repeat(51), ..good.clone() }, "chain_id"),
        (InitChain { initial_height: 0, ..good.clone() }, "initial_height"),
        (InitChain { app_state: b"{}".to_vec(), ..good.clone() }, "app_state"),
        (init_with(&[(1, u128::MAX), (2, 1)]), "accounts[1].balance"),
    ] {
        match ledger.init_chain(&init) {
            Err(AppError::Genesis { field: found, .. }) => assert_eq!(found, field),
            other => panic!("{field}: {other:?}"),
        }
    }
    assert!(store.is_empty() && !ledger.info().initialised);
}

/// The format of the state is consensus: a change here is a fork.
#[test]
fn the_application_hash_is_pinned() {
    let ledger = AssetLedger::open(Arc::new(MemoryStore::new())).unwrap();
    let genesis = ledger.init_chain(&init_with(&[])).unwrap();
    // One leaf: version 1, "crown", 2 decimals, supply 0.
    let asset = [&[1u8, 5, 0, 0, 0], b"crown".as_slice(), &[2], &[0; 16]].concat();
    let leaf = sha256_concat(&[b"JMT::LeafNode", sha256(b"asset").as_bytes(), sha256(&asset).as_bytes()]);
    assert_eq!(genesis.app_hash, AppHash::from(*leaf.as_bytes()));

    let (_, ledger) = begun(&[(1, 100), (2, 50)]);
    block(&ledger, &[pay(1, 0, 3, 7), pay(2, 0, 1, 51)]);
    // Worked out by a program that shares no code with this one, from the layout that README.md gives.
    let expected = "90c014f47aaeecabe6ee020924f82b3d2d5d60704b507944a4164d1f42379925";
    assert_eq!(ledger.info().app_hash.to_string(), expected);
}

#[test]
fn a_failing_disk_stops_the_node_and_loses_nothing() {
    let (store, ledger) = begun(&[(1, 100)]);
    block(&ledger, &[pay(1, 0, 2, 1)]);
    let before = ledger.info();
    let txs = [pay(1, 1, 2, 1)];
    store.set_failing(true);
    assert!(matches!(finalize(&ledger, 2, &txs), Err(AppError::Store(_))));
    assert!(matches!(finalize(&ledger, 2, &[]), Err(AppError::Store(_))), "the tree reads the same disk");
    store.set_failing(false);
    let done = finalize(&ledger, 2, &txs).unwrap();
    store.set_failing(true);
    assert!(matches!(ledger.commit(), Err(AppError::Store(_))));
    assert_eq!(ledger.info(), before);
    assert!(matches!(AssetLedger::open(store.clone()), Err(AppError::Store(_))));
    store.set_failing(false);

    let restarted = AssetLedger::open(store).unwrap();
    assert_eq!(restarted.info(), before);
    assert_eq!(finalize(&restarted, 2, &txs).unwrap(), done);
    restarted.commit().unwrap();
    assert_eq!(account(&restarted, 2), (2, 0));
}

#[test]
fn a_damaged_store_is_refused_with_its_place() {
    let damage = |change: &dyn Fn(&MemoryStore)| {
        let (store, ledger) = begun(&[(1, 100)]);
        block(&ledger, &[]);
        change(&store.inner);
        AssetLedger::open(store).err().expect("damage must show").to_string()
    };
    let head = |bytes: Vec<u8>| {
        damage(&move |store| store.write(vec![(b"head".to_vec(), Some(bytes.clone()))]).unwrap())
    };
    assert!(head(vec![]).contains("ledger head"));
    assert!(head(vec![9, 9]).contains("version 9"));
    let moved = Head { chain_id: CHAIN.into(), initial_height: 1, height: 7, root: [0; 32] };
    assert!(head(moved.encode()).contains("not the one recorded at height 7"));
    for (initial_height, height) in [(8, 7), (0, 7), (0, u64::MAX)] {
        let impossible = Head { initial_height, height, ..moved.clone() };
        assert!(head(impossible.encode()).contains("whose first is"), "{height} of {initial_height}");
    }

    let (store, ledger) = begun(&[(1, 100)]);
    store.inner.write(vec![(account_key(&address(1)), Some(vec![0; 3]))]).unwrap();
    let error = finalize(&ledger, 1, &[pay(1, 0, 2, 1)]).unwrap_err();
    assert!(matches!(error, AppError::Corrupt { .. }) && error.to_string().contains("account"), "{error}");
}

#[test]
fn the_store_does_not_grow_with_the_height() {
    let (store, ledger) = begun(&[(1, 1000), (2, 0), (3, 0)]);
    let mut sizes = BTreeSet::new();
    for height in 0..100 {
        let pays = [pay(1, height, 2 + (height % 2) as u8, 1)];
        block(&ledger, if height % 3 == 0 { &pays } else { &[] });
        sizes.insert(store.inner.len());
    }
    assert_eq!(sizes.len(), 1, "{sizes:?}");
}

#[test]
fn an_answer_belongs_to_its_height_also_beside_a_commit() {
    let (_, ledger) = begun(&[(1, 1000)]);
    let q = Query { path: "account".into(), data: address(2).as_bytes().to_vec(), ..Query::default() };
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            loop {
                let answer = ledger.query(&q);
                let view: AccountView = serde_json::from_slice(&answer.value).unwrap();
                assert_eq!(view.balance, u128::from(answer.height), "each block pays 1");
                if answer.height == 100 {
                    break;
                }
            }
        });
        for height in 0..100 {
            block(&ledger, &[pay(1, height, 2, 1)]);
        }
        reader.join().unwrap();
    });
}

#[test]
fn by_default_a_proposal_is_what_fits() {
    let (_, ledger) = begun(&[]);
    let txs: [&[u8]; 4] = [&[1; 10], &[2; 20], &[3; 30], &[4; 1]];
    let prepare = |max_bytes| {
        let chosen =
            ledger.prepare_proposal(&PrepareProposal { height: 1, time_ms: 0, txs: &txs, max_bytes });
        chosen.iter().map(|tx| tx[0]).collect::<Vec<_>>()
    };
    assert_eq!(prepare(1000), [1, 2, 3, 4]);
    assert_eq!(prepare(60), [1, 2, 3]);
    assert_eq!(prepare(59), [1, 2], "what follows one that does not fit may build on it");
    assert!(prepare(9).is_empty());
}
