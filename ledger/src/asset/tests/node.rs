//! What a node may rely on: order of calls, what shows when, crashes, damage.

use std::collections::BTreeSet;

use super::*;
use crate::PrepareProposal;

#[test]
fn precheck_tells_the_pool_what_it_needs_and_keeps_the_order() {
    let chain = Chain::with(&[(1, 100)]);
    let policy = Policy::new(2, [1, 2, 3].map(|n| key(n).public_key()).to_vec()).unwrap();
    let transfer = Instruction::Transfer { asset: COIN, from: policy.address(), to: address(1), amount: 1 };
    let mut shared = Transaction::new(CHAIN, policy.address(), 5, vec![transfer]);
    assert!(shared.add_signature(&policy, &key(3)) && shared.add_signature(&policy, &key(1)));
    assert!(!shared.add_signature(&policy, &key(4)), "not one of its keys");
    let mut forged = pay(2, 0, 1, 1);
    *forged.last_mut().unwrap() ^= 1;
    let mut half_forged = shared.encode();
    *half_forged.last_mut().unwrap() ^= 1;
    let txs = [pay_until(8, 1, 3, 2, 1), vec![9], forged, half_forged, shared.encode(), pay(2, 0, 1, 1)];
    let verdicts = chain.ledger.precheck(&txs.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let expected = |sender: Address, sequence, expiry_height| {
        Ok(Admission { sender: Some(sender.as_bytes().to_vec()), sequence, priority: 0, expiry_height })
    };
    assert_eq!(verdicts.len(), 6);
    assert_eq!(verdicts[0], expected(address(1), 3, Some(8)));
    assert_eq!(verdicts[1].as_ref().unwrap_err().code, Code::Malformed.number());
    for (forged, whose) in [(2, address(2)), (3, policy.address())] {
        let refusal = verdicts[forged].as_ref().unwrap_err();
        assert_eq!(refusal.code, Code::BadSignature.number());
        assert!(refusal.log.contains(&whose.to_string()), "{refusal}");
    }
    assert_eq!(verdicts[4], expected(policy.address(), 5, None));
    assert_eq!(verdicts[5], expected(address(2), 0, None));
    assert!(chain.ledger.precheck(&[]).is_empty());
}

#[test]
fn check_tells_the_senders_next_sequence_and_tries_only_what_is_next() {
    let chain = Chain::with(&[(1, 100)]);
    chain.block(&[pay(1, 0, 2, 1), pay(1, 1, 2, 1)]);
    for kind in [CheckKind::New, CheckKind::Recheck] {
        assert_eq!(
            chain.ledger.check_tx(&pay(1, 7, 2, 1000), kind),
            Ok(CheckedTx { next_sequence: Some(2) })
        );
        assert_eq!(chain.ledger.check_tx(&pay(1, 2, 2, 98), kind), Ok(CheckedTx { next_sequence: Some(2) }));
        let refusal = chain.ledger.check_tx(&pay(1, 2, 2, 99), kind).unwrap_err();
        assert_eq!(refusal.code, Code::InsufficientBalance.number());
    }
    assert_eq!(chain.account(1), (98, 2), "trying changes nothing");
}

#[test]
fn several_are_checked_together_as_each_would_be_alone() {
    let chain = Chain::with(&[(1, 100), (3, 5)]);
    chain.block(&[pay(1, 0, 2, 1)]);
    // Of one sender more than it holds, twice what it could pay once, from and to accounts that are not there, and no transactions.
    let txs = [pay(1, 1, 2, 99), pay(1, 1, 2, 100), pay(1, 1, 4, 98), pay(1, 0, 2, 1), pay(3, 0, 1, 5)];
    let txs = [&txs[..], &[pay(3, 0, 9, 5), pay(3, 1, 1, 5), pay(9, 0, 1, 1), vec![], vec![7; 99]]].concat();
    let asked: Vec<_> = txs.iter().map(|tx| (&tx[..], CheckKind::New)).collect();
    let alone: Vec<_> = asked.iter().map(|(tx, kind)| chain.ledger.check_tx(tx, *kind)).collect();
    assert_eq!(chain.ledger.check_txs(&asked), alone);
    let good: Vec<_> = (0..txs.len()).filter(|nth| alone[*nth].is_ok()).collect();
    assert_eq!(good, [0, 2, 4, 5, 6]);
    assert_eq!(chain.ledger.check_txs(&[]), []);
    let unborn = Chain::empty().ledger.check_txs(&asked);
    assert!(unborn.len() == txs.len() && unborn.iter().all(Result::is_err));
}

#[test]
fn the_sender_is_read_from_the_beginning_of_the_bytes() {
    let chain = Chain::with(&[]);
    let tx = pay(1, 0, 2, 1);
    assert_eq!(chain.ledger.sender(&tx), Some(address(1).to_string()));
    assert_eq!(Chain::empty().ledger.sender(&tx), None);
    let end =
        tx.windows(Address::BYTES).position(|part| part == address(1).as_bytes()).unwrap() + Address::BYTES;
    assert!(chain.ledger.sender(&tx[..end]).is_some() && chain.ledger.sender(&tx[..end - 1]).is_none());
    for at in 0..end - Address::BYTES {
        let mut other = tx.clone();
        other[at] ^= 1;
        assert_eq!(chain.ledger.sender(&other), None, "byte {at}");
    }
}

#[test]
fn nothing_shows_before_commit() {
    let chain = Chain::with(&[(1, 100)]);
    let before = chain.ledger.info().unwrap();
    let done = chain.finalize(1, &[pay(1, 0, 2, 10)]).unwrap();
    assert_eq!(chain.ledger.info().unwrap(), before);
    assert_eq!((chain.account(1), chain.account(2)), ((100, 0), (0, 0)));
    assert!(chain.ledger.check_tx(&pay(1, 0, 2, 100), CheckKind::New).is_ok());
    chain.ledger.commit().unwrap();
    assert_eq!(
        (chain.ledger.info().unwrap().last_height, chain.ledger.info().unwrap().app_hash),
        (1, done.app_hash)
    );
    assert_eq!((chain.account(1), chain.account(2)), ((90, 1), (10, 0)));
}

#[test]
fn finalizing_again_gives_the_same_and_the_last_call_counts() {
    let chain = Chain::with(&[(1, 100)]);
    let txs = [pay(1, 0, 2, 10), pay(1, 0, 2, 10)];
    let first = chain.finalize(1, &txs).unwrap();
    let other = chain.finalize(1, &[]).unwrap();
    assert_ne!(first.app_hash, other.app_hash);
    assert_eq!(chain.finalize(1, &txs).unwrap(), first);
    chain.ledger.commit().unwrap();
    assert_eq!(chain.ledger.info().unwrap().app_hash, first.app_hash);
    assert!(matches!(chain.ledger.commit(), Err(AppError::NothingToCommit)));
}

#[test]
fn blocks_come_in_order() {
    let chain = Chain::with(&[(1, 100)]);
    for wrong in [0, 2, u64::MAX] {
        let error = chain.finalize(wrong, &[]).unwrap_err();
        assert!(matches!(error, AppError::WrongHeight { expected: 1, found } if found == wrong), "{error}");
    }
    chain.block(&[]);
    assert!(matches!(chain.finalize(1, &[]), Err(AppError::WrongHeight { expected: 2, found: 1 })));
    let fresh = Chain::empty();
    assert!(matches!(fresh.finalize(1, &[]), Err(AppError::NotInitialised)));
    assert!(matches!(fresh.ledger.commit(), Err(AppError::NothingToCommit)));
}

#[test]
fn a_chain_may_begin_at_a_later_height_and_end_at_the_last() {
    let chain = Chain::begin(&InitChain { initial_height: 10, ..init_with(&[(1, 100)]) });
    assert_eq!(chain.ledger.info().unwrap().last_height, 0);
    assert!(matches!(chain.finalize(1, &[]), Err(AppError::WrongHeight { expected: 10, .. })));
    let expired = chain.ledger.check_tx(&pay_until(9, 1, 0, 2, 1), CheckKind::New).unwrap_err();
    assert_eq!(expired.code, Code::Expired.number());
    for height in 10..15 {
        chain.finalize(height, &[pay(1, height - 10, 2, 1)]).unwrap();
        chain.ledger.commit().unwrap();
    }
    assert_eq!((chain.account(1), chain.ledger.info().unwrap().last_height), ((95, 5), 14));

    let chain = Chain::begin(&InitChain { initial_height: u64::MAX, ..init_with(&[(1, 100)]) });
    chain.finalize(u64::MAX, &[]).unwrap();
    chain.ledger.commit().unwrap();
    assert!(matches!(chain.finalize(u64::MAX, &[]), Err(AppError::WrongHeight { .. })));
    assert!(chain.ledger.check_tx(&pay(1, 0, 2, 1), CheckKind::New).is_ok());
}

#[test]
fn init_chain_again_is_the_same_until_a_block_is_committed() {
    let mut chain = Chain::empty();
    let unborn = chain.ledger.info().unwrap();
    assert_eq!((unborn.initialised, unborn.last_height, unborn.app_hash), (false, 0, AppHash::default()));
    let init = init_with(&[(1, 100), (2, 50)]);
    let first = chain.ledger.init_chain(&init).unwrap();
    assert_eq!(
        (chain.ledger.info().unwrap().initialised, chain.ledger.info().unwrap().app_hash),
        (true, first.app_hash.clone())
    );
    // In the same process, after a restart, and with a block executed but not committed.
    assert_eq!(chain.ledger.init_chain(&init).unwrap(), first);
    chain.restart();
    chain.finalize(1, &[pay(1, 0, 2, 1)]).unwrap();
    assert_eq!(chain.ledger.init_chain(&init).unwrap(), first);
    assert_eq!(chain.account(1), (100, 0));

    for (other, reason) in [
        (init_with(&[(1, 100), (2, 51)]), "application hash"),
        (InitChain { chain_id: "other".into(), ..init.clone() }, "chain id is \"test-chain\""),
        (InitChain { initial_height: 2, ..init.clone() }, "first height is 1"),
    ] {
        let error = chain.ledger.init_chain(&other).unwrap_err();
        assert!(
            matches!(error, AppError::OtherGenesis { .. }) && error.to_string().contains(reason),
            "{error}"
        );
    }
    chain.ledger.commit().unwrap();
    let error = chain.ledger.init_chain(&init).unwrap_err();
    assert!(error.to_string().contains("stands at height 1"), "{error}");
}

#[test]
fn an_unacceptable_genesis_names_its_field_and_leaves_nothing() {
    let chain = Chain::empty();
    let good = init_with(&[(1, 1)]);
    for (init, field) in [
        (InitChain { chain_id: String::new(), ..good.clone() }, "chain_id"),
        (InitChain { chain_id: "x".repeat(51), ..good.clone() }, "chain_id"),
        (InitChain { initial_height: 0, ..good.clone() }, "initial_height"),
        (InitChain { app_state: b"{}".to_vec(), ..good.clone() }, "app_state"),
        (init_with(&[(1, u128::MAX), (2, 1)]), "balances[1].amount"),
    ] {
        match chain.ledger.init_chain(&init) {
            Err(AppError::Genesis { field: found, .. }) => assert_eq!(found, field),
            other => panic!("{field}: {other:?}"),
        }
    }
    assert!(!chain.ledger.info().unwrap().initialised);
    chain.ledger.init_chain(&good).unwrap();
}

#[test]
fn a_failing_disk_stops_the_node_and_loses_nothing() {
    let mut chain = Chain::with(&[(1, 100)]);
    chain.block(&[pay(1, 0, 2, 1)]);
    let before = chain.ledger.info().unwrap();
    let txs = [pay(1, 1, 2, 1)];
    let done = chain.finalize(2, &txs).unwrap();
    chain.files.set_failing(true);
    assert!(matches!(chain.ledger.commit(), Err(AppError::Store(_))));
    assert_eq!(chain.ledger.info().unwrap(), before);
    assert!(matches!(open(&chain.files), Err(AppError::Store(_))));
    chain.files.set_failing(false);
    chain.restart();
    assert_eq!(chain.ledger.info().unwrap(), before);
    assert_eq!(chain.finalize(2, &txs).unwrap(), done);
    chain.ledger.commit().unwrap();
    assert_eq!(chain.account(2), (2, 0));
}

#[test]
fn an_answer_belongs_to_its_height_also_beside_a_commit() {
    let chain = Chain::with(&[(1, 1000)]);
    let q = Question::Balance { asset: COIN, account: address(2) }.query();
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            loop {
                let answer = chain.ledger.query(&q);
                let view: BalanceView = serde_json::from_slice(&answer.value).unwrap();
                assert_eq!(view.amount, u128::from(answer.height), "each block pays 1");
                if answer.height == 100 {
                    break;
                }
            }
        });
        for height in 0..100 {
            chain.block(&[pay(1, height, 2, 1)]);
        }
        reader.join().unwrap();
    });
}

#[test]
fn by_default_a_proposal_is_what_fits() {
    let chain = Chain::with(&[]);
    let txs: [&[u8]; 4] = [&[1; 10], &[2; 20], &[3; 30], &[4; 1]];
    let prepare = |max_bytes| {
        let chosen = chain.ledger.prepare_proposal(&PrepareProposal {
            height: 1,
            time_ms: 0,
            txs: &txs,
            max_bytes,
            ..Default::default()
        });
        chosen.iter().map(|tx| tx[0]).collect::<Vec<_>>()
    };
    assert_eq!(prepare(1000), [1, 2, 3, 4]);
    assert_eq!(prepare(60), [1, 2, 3]);
    assert_eq!(prepare(59), [1, 2], "what follows one that does not fit may build on it");
    assert!(prepare(9).is_empty());
}

/// Whatever comes over the boundary is answered.
#[test]
fn garbage_is_refused_everywhere() {
    let chain = Chain::with(&[(1, 100)]);
    let before = chain.ledger.info().unwrap().app_hash;
    let garbage: Vec<Bytes> =
        (0..300u32).map(|n| sha256(&n.to_be_bytes()).as_bytes()[..(n % 33) as usize].to_vec()).collect();
    assert!(
        chain
            .ledger
            .precheck(&garbage.iter().map(Vec::as_slice).collect::<Vec<_>>())
            .iter()
            .all(Result::is_err)
    );
    let paths: BTreeSet<&str> =
        ["account", "balance", "holders", "history", "lock", "", "Account", "assets/"].into();
    for bytes in &garbage {
        assert!(chain.ledger.check_tx(bytes, CheckKind::New).is_err());
        for path in &paths {
            let q = Query { path: (*path).into(), data: bytes.clone(), height: 0, prove: true };
            assert_eq!(
                chain.ledger.query(&q).code == 0,
                *path == "account" && bytes.len() == 20,
                "{path} {bytes:?}"
            );
        }
        let init = InitChain { app_state: bytes.clone(), ..init_with(&[]) };
        assert!(Chain::empty().ledger.init_chain(&init).is_err());
    }
    assert_eq!(chain.block(&garbage).app_hash, before);
}

#[test]
fn a_transaction_is_over_once_its_turn_or_its_time_is_past() {
    let chain = Chain::begin(&init_with(&[(1, 100)]));
    let (first, other, next) = (pay(1, 0, 2, 5), pay(1, 0, 2, 6), pay(1, 1, 2, 1_000));
    let (until_1, until_2) = (pay_until(1, 1, 9, 2, 1), pay_until(2, 1, 9, 2, 1));
    let over = |tx: &Bytes| chain.ledger.is_over(tx).unwrap();
    assert!([&first, &other, &next, &until_1, &until_2].into_iter().all(|tx| !over(tx)));
    chain.block(std::slice::from_ref(&first));
    assert_eq!([over(&first), over(&other), over(&next)], [true, true, false]);
    assert_eq!([over(&until_1), over(&until_2)], [true, false], "the next block is the second");
    assert_ne!(chain.block(std::slice::from_ref(&next)).tx_results[0].code, 0);
    assert!(over(&next), "it failed, and its sequence is used");
    assert_eq!(chain.ledger.is_over(b"no transaction"), None);
}
