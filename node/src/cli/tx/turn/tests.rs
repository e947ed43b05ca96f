use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use althing_ledger::asset::Address;
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use clap::Parser;
use serde_json::Value;

use althing_ledger::asset::Code;

use super::*;
use crate::cli::{testing::scripted, tx::source::from_base64};

#[derive(clap::Parser)]
struct Waiting {
    #[command(flatten)]
    wait: Wait,
}

fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed([seed; 32])
}

/// The payment that is made again and again, as each call of the command makes it.
fn payment(sequence: u64) -> Transaction {
    let to = Address::of(&key(9).public_key());
    let tx = Transaction::transfer("test-1", &key(1), sequence, 0, to, 5, "");
    Transaction { idempotency_key: Some(fresh_key()), approvals: Vec::new(), ..tx }.approved_by(&key(1))
}

fn account(sequence: u64) -> Value {
    let sequence = sequence.to_string();
    let account = json!({ "address": Address::of(&key(1).public_key()), "sequence": sequence, "roles": [] });
    json!({ "response": { "code": 0, "height": "9", "value": BASE64.encode(account.to_string()) } })
}

fn handed_in(params: &Value) -> Transaction {
    let tx = Transaction::decode(&from_base64(params["tx"].as_str().unwrap()).unwrap()).unwrap();
    crate::cli::tx::approvals::expect_good(&tx).unwrap();
    tx
}

fn answer(code: u32, codespace: &str, log: &str) -> Value {
    json!({ "code": code, "log": log, "codespace": codespace })
}

fn not_found() -> Value {
    json!({ "error": { "code": -32603, "message": "Internal error", "data": "tx (00) not found" } })
}

async fn submitted(
    tx: &mut Transaction,
    key: Option<&SecretKey>,
    node: impl Fn(&str, &Value) -> Option<Value> + Send + Sync + 'static,
) -> Outcome {
    let wait = Waiting::try_parse_from(["wait"]).unwrap().wait;
    submit_once(tx, key, &mut scripted(node).await, &wait, &Output::new(true)).await.unwrap()
}

#[tokio::test]
async fn what_a_proxy_hands_in_twice_is_paid_once_and_the_same_payment_again_is_another() {
    let pool = Arc::new(Mutex::new(Vec::<Transaction>::new()));
    for paid in 1..=3 {
        let pending = Arc::clone(&pool);
        let node = move |method: &str, params: &Value| {
            let mut pool = pending.lock().unwrap();
            Some(match method {
                // The first answer is lost on the way; the proxy asks again.
                "broadcast_tx_sync" => {
                    pool.push(handed_in(params));
                    answer(0, "", "already pending")
                }
                "tx" => not_found(),
                "unconfirmed_txs" => json!({ "txs": [] }),
                _ => account(9),
            })
        };
        let outcome = submitted(&mut payment(5), Some(&key(1)), node).await.told_as_first();
        assert!(!outcome.is_failure() && outcome.text().ends_with(" accepted"), "{}", outcome.text());
        let pool = pool.lock().unwrap();
        assert_eq!(pool.len(), paid);
        let keys: BTreeSet<_> = pool.iter().map(|tx| tx.idempotency_key.clone()).collect();
        assert_eq!(keys.len(), paid, "bytes of its own");
    }
}

#[tokio::test]
async fn whatever_a_node_says_all_copies_have_one_key_and_are_three_at_most() {
    let used = Code::WrongSequence as u32;
    for (code, codespace, log, copies) in [
        (0, "", "already pending", 1),
        (0, "", "already committed", 1),
        (used, "ledger", "sequence used", COPIES),
        (6, "mempool", "taken", COPIES),
        (7, "mempool", "used", COPIES),
        (4, "mempool", "full", 1),
    ] {
        for free in [true, false] {
            let given = Arc::new(Mutex::new(Vec::<Transaction>::new()));
            let taken = Arc::clone(&given);
            let liar = move |method: &str, params: &Value| {
                let mut given = taken.lock().unwrap();
                Some(match method {
                    "broadcast_tx_sync" => {
                        given.push(handed_in(params));
                        answer(code, codespace, log)
                    }
                    "tx" => not_found(),
                    "unconfirmed_txs" => json!({ "txs": [] }),
                    _ => account(10 + given.len() as u64),
                })
            };
            let first = payment(5);
            let own = Some(key(1)).filter(|_| free);
            let outcome = submitted(&mut first.clone(), own.as_ref(), liar).await;
            assert_eq!(outcome.is_failure(), code != 0, "{log}");
            let given = given.lock().unwrap();
            assert_eq!(given.len(), if free { copies } else { 1 }, "{log}: a sequence that is given stays");
            for copy in given.iter() {
                let Transaction { sequence, approvals, .. } = copy.clone();
                assert_eq!(*copy, Transaction { sequence, approvals, ..first.clone() });
            }
        }
    }
}

/// A chain where what is committed is for a while in nobody's account.
#[derive(Default)]
struct Lagging {
    committed: Vec<Transaction>,
    asked: usize,
}

#[tokio::test]
async fn so_many_equal_payments_are_so_many_payments() {
    let chain = Arc::new(Mutex::new(Lagging::default()));
    for calls in 1..=4 {
        let shared = Arc::clone(&chain);
        let node = move |method: &str, params: &Value| {
            let mut chain = shared.lock().unwrap();
            Some(match method {
                "broadcast_tx_sync" => {
                    let tx = handed_in(params);
                    if chain.committed.iter().any(|one| one.sequence == tx.sequence) {
                        return Some(answer(7, "mempool", "used"));
                    }
                    chain.asked = 0;
                    chain.committed.push(tx);
                    answer(0, "", "")
                }
                "tx" => not_found(),
                "unconfirmed_txs" => json!({ "txs": [] }),
                _ => {
                    chain.asked += 1;
                    let hidden = usize::from(chain.asked < 3);
                    account((chain.committed.len() - hidden) as u64)
                }
            })
        };
        // What the node said of the sequence when it still hid the last.
        let mut tx = payment((calls as u64 - 1).saturating_sub(1));
        assert!(!submitted(&mut tx, Some(&key(1)), node).await.is_failure());
        assert_eq!(chain.lock().unwrap().committed.len(), calls);
    }
    let chain = chain.lock().unwrap();
    assert_eq!(chain.committed.iter().map(|tx| tx.sequence).collect::<Vec<_>>(), [0, 1, 2, 3]);
}

#[tokio::test]
async fn a_copy_that_comes_after_its_original_tells_what_became_of_that() {
    let first = payment(5);
    for on_chain_at_once in [true, false] {
        let (hash, original) = (upper(&hash_of(&first)), first.clone());
        let copied = Mutex::new(false);
        let node = move |method: &str, params: &Value| {
            let mut copied = copied.lock().unwrap();
            Some(match method {
                "broadcast_tx_sync" if handed_in(params) == original => answer(7, "mempool", "used"),
                "broadcast_tx_sync" => {
                    *copied = true;
                    answer(36, "ledger", "the key was used")
                }
                "tx" if (on_chain_at_once || *copied) && params["hash"] == *hash => {
                    json!({ "height": "7", "tx_result": { "code": 0, "log": "", "codespace": "" } })
                }
                "tx" => not_found(),
                "unconfirmed_txs" => json!({ "txs": [] }),
                _ => account(6),
            })
        };
        let mut tx = first.clone();
        let outcome = submitted(&mut tx, Some(&key(1)), node).await;
        assert!(outcome.text().ends_with(" committed at height 7"), "{}", outcome.text());
        assert_eq!(tx, first, "a lock's id is that of the original");
    }
}
