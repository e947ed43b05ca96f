use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use althing_crypto::ed25519::SecretKey;
use clap::Parser;
use serde_json::Value;
use tokio::time::Instant;

use super::{
    envelope::next_sequence,
    submit::{Outcome, committed},
    *,
};
use crate::cli::testing::{Script, scripted};

fn key(seed: u8) -> SecretKey {
    SecretKey::from_seed([seed; 32])
}

fn transfer(seed: u8, sequence: u64) -> String {
    let to = Address::of(&key(9).public_key());
    BASE64.encode(Transaction::transfer("test-1", &key(seed), sequence, 0, to, 5, "").encode())
}

/// A chain where account 1 has used the sequences up to 4.
fn account() -> Value {
    let account = json!({ "address": Address::of(&key(1).public_key()), "sequence": "5", "roles": [] });
    json!({ "response": { "code": 0, "height": "9", "value": BASE64.encode(account.to_string()) } })
}

#[tokio::test]
async fn the_next_sequence_is_behind_what_is_pending() {
    let idle = |method: &str, _: &Value| match method {
        "unconfirmed_txs" => Some(json!({ "txs": [transfer(2, 80), "AQ==", "?"] })),
        _ => Some(account()),
    };
    let busy = |method: &str, _: &Value| match method {
        "unconfirmed_txs" => Some(json!({ "txs": [transfer(1, 5), transfer(2, 80), transfer(1, 6)] })),
        _ => Some(account()),
    };
    let behind = |method: &str, _: &Value| match method {
        "unconfirmed_txs" => Some(json!({ "txs": [transfer(1, 4)] })),
        _ => Some(account()),
    };
    let scripts: [(Script, u64); 3] = [(idle, 5), (busy, 7), (behind, 5)];
    for (script, expected) in scripts {
        let next = next_sequence(&mut scripted(script).await, &Address::of(&key(1).public_key())).await;
        assert_eq!(next.unwrap(), expected);
    }
}

const HASH: TxHash = TxHash(althing_crypto::Hash::from_bytes([7; 32]));

#[tokio::test]
async fn a_wait_ends_in_time_and_says_what_is_known() {
    let silent = |_: &str, _: &Value| None;
    let accepted = |method: &str, _: &Value| {
        (method == "broadcast_tx_sync").then(|| json!({ "code": 0, "log": "", "codespace": "" }))
    };
    let started = Instant::now();
    let error = committed(&mut scripted(silent).await, HASH, json!({}), 1).await.unwrap_err().to_string();
    assert!(error.starts_with("the node did not say within 1 s whether it accepts 0707"), "{error}");
    let outcome = committed(&mut scripted(accepted).await, HASH, json!({}), 1).await.unwrap();
    assert!(outcome.is_pending());
    assert!(outcome.text().starts_with("0707"));
    let said = outcome.text();
    assert!(said.contains(" accepted, not committed within 1 s; it may still be executed"), "{said}");
    assert!(said.contains("ask again with `althing tx show 07"), "{said}");
    assert!(started.elapsed() < Duration::from_secs(30), "far below what the client waits for one answer");
}

fn fate(status: &str, is_final: bool, height: Option<&str>, code: u64, codespace: &str) -> Value {
    json!({ "status": status, "final": is_final, "height": height, "code": code, "codespace": codespace, "reason": "why" })
}

#[tokio::test]
async fn what_was_accepted_is_refused_only_if_nothing_can_come_of_it() {
    let taken = || Some(json!({ "code": 0, "log": "", "codespace": "" }));
    let handed_in = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&handed_in);
    let poor = move |method: &str, _: &Value| match method {
        "broadcast_tx_sync" => {
            count.fetch_add(1, Ordering::Relaxed);
            taken()
        }
        "althing_tx_wait" => Some(match count.load(Ordering::Relaxed) {
            1 => fate("failed", false, None, 12, "ledger"),
            _ => fate("committed", true, Some("7"), 0, ""),
        }),
        _ => None,
    };
    let outcome = committed(&mut scripted(poor).await, HASH, json!({}), 30).await.unwrap();
    assert!(outcome.text().ends_with("committed at height 7"), "a block held it: {}", outcome.text());
    assert_eq!(handed_in.load(Ordering::Relaxed), 2, "once more after it was dropped");
    let expired = move |method: &str, _: &Value| match method {
        "broadcast_tx_sync" => taken(),
        "althing_tx_wait" => Some(fate("expired", true, None, 10, "mempool")),
        _ => None,
    };
    let outcome = committed(&mut scripted(expired).await, HASH, json!({}), 30).await.unwrap();
    assert!(outcome.is_failure() && outcome.text().contains("refused: why"), "{}", outcome.text());
    let late = move |method: &str, _: &Value| match method {
        "broadcast_tx_sync" => taken(),
        "althing_tx_wait" | "althing_tx_status" => Some(fate("failed", false, None, 11, "ledger")),
        _ => None,
    };
    let outcome = committed(&mut scripted(late).await, HASH, json!({}), 30).await.unwrap();
    assert!(outcome.is_late(), "executed blocks have passed its sequence: a copy is signed");
}

/// Whether it counts as done, and what is said.
async fn submitted_again(script: Script, wait: bool) -> (bool, String) {
    let arguments = ["wait", "--wait"];
    let wait = Waiting::try_parse_from(&arguments[..1 + usize::from(wait)]).unwrap().wait;
    let outcome = submit(&mut scripted(script).await, b"tx", &wait).await.unwrap();
    (outcome.report(b"tx", &Output::new(true)) == ExitCode::SUCCESS, outcome.text())
}

#[derive(clap::Parser)]
struct Waiting {
    #[command(flatten)]
    wait: Wait,
}

#[tokio::test]
async fn what_is_submitted_twice_has_the_outcome_that_it_had() {
    let done = |method: &str, _: &Value| match method {
        "broadcast_tx_sync" => Some(json!({ "code": 0, "log": "already committed", "codespace": "" })),
        "tx" => Some(json!({ "height": "7", "tx_result": { "code": 0, "log": "", "codespace": "" } })),
        _ => None,
    };
    let failed = |method: &str, _: &Value| match method {
        "broadcast_tx_sync" => Some(json!({ "code": 0, "log": "already committed", "codespace": "" })),
        "tx" => {
            Some(json!({ "height": "7", "tx_result": { "code": 12, "log": "poor", "codespace": "ledger" } }))
        }
        _ => None,
    };
    let other = |method: &str, _: &Value| {
        let refused = json!({ "code": 36, "log": "the key was used", "codespace": "ledger" });
        (method == "broadcast_tx_sync").then_some(refused)
    };
    let scripts: [(Script, bool, &str); 3] = [
        (done, true, "was sent before, and committed at height 7: it is done once"),
        (failed, false, "failed before at height 7: poor (code 12, codespace ledger)"),
        (other, false, "refused: the key was used (code 36, codespace ledger)"),
    ];
    for (script, done, expected) in scripts {
        for wait in [false, true] {
            let (success, text) = submitted_again(script, wait).await;
            assert!(text.ends_with(expected), "{text}");
            assert_eq!(success, done, "{text}");
        }
    }
}

#[test]
fn an_outcome_is_told_in_words() {
    let outcome = |height, code, log: &str| {
        let result = json!({ "code": code, "codespace": "mempool", "log": log });
        Outcome::new(HASH, height, &result).unwrap().text()
    };
    for (height, code, log, expected) in [
        (0, 0, "", " accepted"),
        (0, 0, "already pending", " already pending"),
        (3, 0, "", " committed at height 3"),
        (0, 6, "taken", " refused: taken (code 6, codespace mempool)"),
        (3, 6, "poor", " failed at height 3: poor (code 6, codespace mempool)"),
    ] {
        assert_eq!(outcome(height, code, log).strip_prefix(&upper(&HASH)), Some(expected));
    }
}

#[test]
fn what_is_shown_is_a_hash_or_a_transaction() {
    assert!(matches!(upper(&HASH).parse(), Ok(Shown::Committed(HASH))));
    assert!(matches!(transfer(1, 4).parse(), Ok(Shown::Made(tx)) if tx.sequence == 4));
    for text in ["00", "AQ==", "", "0x07"] {
        assert!(text.parse::<Shown>().is_err(), "{text:?}");
    }
}
