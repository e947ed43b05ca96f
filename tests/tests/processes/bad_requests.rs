//! Clients that send what they should not: each is told what is wrong, and nothing is lost.

use althing_crypto::{Encoding, ed25519::SecretKey};
use althing_ledger::asset::{self, Address, Transaction};
use althing_mempool as mempool;
use althing_node::client::Client;
use althing_tests::processes::{Chain, Outcome, post};
use serde_json::{Value, json};

/// One validator alone is a chain, too.
#[tokio::test(flavor = "multi_thread")]
async fn requests_that_are_none_get_an_error_object() {
    let mut chain = Chain::running(1).await;
    let address = chain.ports().rpc(0);
    let request = |method: &str, params: Value| {
        json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params }).to_string().into_bytes()
    };
    let cases: [(&str, Vec<u8>, u16, i64, &str); 6] = [
        ("malformed JSON", b"{\"jsonrpc\": \"2.0\", \"id\"".to_vec(), 200, -32700, "EOF"),
        ("not text at all", vec![0xff; 64], 200, -32700, "expected value"),
        ("oversized body", vec![b' '; (1 << 20) + 1], 413, -32600, "rpc.max_body_bytes, 1048576"),
        ("unknown method", request("broadcast_tx_now", json!({})), 200, -32601, "broadcast_tx_now"),
        ("bad base64", request("broadcast_tx_sync", json!({ "tx": "%%%" })), 200, -32602, "not base64"),
        ("no such height", request("block", json!({ "height": "999" })), 200, -32603, "999"),
    ];
    for (what, body, status, code, words) in cases {
        let (found, answer) = post(address, &body).await;
        let error = &answer["error"];
        assert_eq!((found, error["code"].as_i64()), (status, Some(code)), "{what}: {answer}");
        let data = error["data"].as_str().unwrap_or_default();
        assert!(data.contains(words), "{what}: {words:?} expected in {data:?}");
    }
    // Nothing of it did any harm.
    let (from, to) = (chain.account(0), Address::of(&chain.account(1).public_key()));
    let tx = Transaction::transfer(chain.genesis().chain_id(), &from, 0, 0, to, 5, "").encode();
    assert_eq!(chain.node(0).commit(&tx).await.code, 0);
}

/// A transaction that must be refused, and how.
struct Refused {
    what: &'static str,
    tx: Vec<u8>,
    codespace: &'static str,
    code: u32,
    words: &'static str,
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_transactions_get_their_code_and_move_nothing() {
    let mut chain = Chain::running(1).await;
    let chain_id = chain.genesis().chain_id().to_owned();
    let (from, to) = (chain.account(0), Address::of(&chain.account(1).public_key()));
    let transfer = |key: &SecretKey, sequence, expiry, amount| {
        Transaction::transfer(&chain_id, key, sequence, expiry, to, amount, "").encode()
    };
    let sender = Address::of(&from.public_key());
    let mut client = Client::new(chain.url(0));

    // The first sequence is used, so that there is one to be used again.
    assert_eq!(chain.node(0).commit(&transfer(&from, 0, 0, 5)).await.code, 0);
    let holds = asset::Question::Balance { asset: asset::COIN, account: sender };
    let before: asset::BalanceView = client.ask(&holds).await.expect("a balance");
    assert_eq!(client.account(&sender).await.expect("an account").sequence, 1);

    let mut forged = transfer(&from, 1, 0, 5);
    *forged.last_mut().expect("not empty") ^= 1;
    let other_chain = Transaction::transfer("another-chain", &from, 1, 0, to, 5, "").encode();
    let stranger = SecretKey::from_seed([9; 32]);
    let ledger = |what, tx, code: asset::Code, words| Refused {
        what,
        tx,
        codespace: asset::CODESPACE,
        code: code.number(),
        words,
    };
    let pool = |what, tx, code: mempool::Code, words| Refused {
        what,
        tx,
        codespace: mempool::CODESPACE,
        code: code as u32,
        words,
    };
    let cases = [
        ledger("no transaction", b"hello".to_vec(), asset::Code::Malformed, "docs/transactions.md"),
        ledger("wrong chain id", other_chain, asset::Code::WrongChain, "\"another-chain\""),
        ledger("bad signature", forged, asset::Code::BadSignature, "signature"),
        ledger("no funds", transfer(&stranger, 0, 0, 5), asset::Code::InsufficientBalance, "holds 0 COIN"),
        ledger("used sequence", transfer(&from, 0, 0, 6), asset::Code::WrongSequence, "1"),
        pool("sequence far ahead", transfer(&from, 1_000_000, 0, 5), mempool::Code::SequenceGap, "1000000"),
        ledger("overdraft", transfer(&from, 1, 0, u128::MAX), asset::Code::InsufficientBalance, "holds"),
        pool("expired", transfer(&from, 1, 1, 5), mempool::Code::Expired, "up to height 1"),
        pool("too large", vec![1; (64 << 10) + 1], mempool::Code::TooLarge, "65537"),
        pool("empty", Vec::new(), mempool::Code::Empty, ""),
    ];
    for Refused { what, tx, codespace, code, words } in cases {
        let outcome = chain.node(0).commit(&tx).await;
        let Outcome { codespace: found, code: number, log, height } = &outcome;
        assert_eq!(
            (found.as_str(), *number, *height),
            (codespace, u64::from(code), 0),
            "{what}: {outcome:?}"
        );
        assert!(log.contains(words), "{what}: {words:?} expected in {log:?}");
        eprintln!("{what}: {log}");
    }

    // Refused is not remembered against the sender: sequence 1 is still free.
    assert_eq!(client.account(&sender).await.expect("an account").sequence, 1);
    assert_eq!(client.ask::<asset::BalanceView>(&holds).await.expect("a balance"), before);
    assert_eq!(chain.node(0).commit(&transfer(&from, 1, 0, 5)).await.code, 0);
    let after: asset::BalanceView = client.ask(&holds).await.expect("a balance");
    assert_eq!(after.amount, before.amount - 5);
}
