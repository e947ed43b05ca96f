use super::*;

fn init(initial_height: u64) -> InitChain {
    let app_state = br#"{"apple":"red","plum":"blue"}"#.to_vec();
    InitChain { chain_id: "kv".to_owned(), initial_height, time_ms: 1, app_state, ..Default::default() }
}

fn set(key: &str, value: &str) -> Transaction {
    Transaction { nonce: 7, key: key.into(), operation: Operation::Set(value.into()) }
}

fn swap(key: &str, expected: Option<&str>, value: &str) -> Transaction {
    let operation = Operation::CompareAndSet(expected.map(Into::into), value.into());
    Transaction { operation, ..set(key, value) }
}

/// Executes a block and commits it: the codes of its transactions.
fn block(kv: &KeyValue, height: u64, txs: Vec<Transaction>) -> Vec<u32> {
    let txs: Vec<Vec<u8>> = txs.iter().map(Transaction::encode).collect();
    let txs: Vec<&[u8]> = txs.iter().map(Vec::as_slice).collect();
    let finalized = kv.finalize_block(&FinalizeBlock { height, txs: &txs, ..Default::default() }).unwrap();
    kv.commit().unwrap();
    assert_eq!((kv.info().unwrap().last_height, kv.info().unwrap().app_hash), (height, finalized.app_hash));
    finalized.tx_results.iter().map(|result| result.code).collect()
}

fn ask(kv: &KeyValue, path: &str, data: &str, height: u64) -> (Query, QueryResult) {
    let q = Query { path: path.to_owned(), data: data.into(), height, prove: true };
    let answered = kv.query(&q);
    (q, answered)
}

#[test]
fn keys_are_set_deleted_and_compared_in_the_order_of_the_block() {
    let files = Arc::new(MemoryFiles::new());
    let kv = KeyValue::open(files.clone(), 10).unwrap();
    assert!(!kv.info().unwrap().initialised);
    let first = kv.init_chain(&init(1)).unwrap();
    assert_eq!(kv.init_chain(&init(1)).unwrap(), first, "again after a crash");
    assert!(kv.init_chain(&InitChain { app_state: b"{}".to_vec(), ..init(1) }).is_err(), "another");
    assert_eq!((kv.info().unwrap().last_height, kv.info().unwrap().initialised), (0, true));

    let delete = Transaction { operation: Operation::Delete, ..set("plum", "") };
    let txs = vec![
        set("pear", "green"),
        swap("apple", Some("blue"), "x"),
        swap("apple", Some("red"), "gold"),
        delete,
    ];
    assert_eq!(block(&kv, 1, txs), [0, Code::OtherValue as u32, 0, 0]);
    assert_eq!(block(&kv, 2, vec![swap("plum", None, "black"), swap("plum", None, "white")]), [0, 3]);

    let again = KeyValue::open(files, 10).unwrap();
    assert_eq!(again.info().unwrap(), kv.info().unwrap(), "after a restart");
    let (_, answered) = ask(&again, "range", r#"["70","706d"]"#, 0);
    assert_eq!(answered.value, br#"[["70656172","677265656e"],["706c756d","626c61636b"]]"#);
    assert!(kv.init_chain(&init(1)).is_err(), "the chain has gone on");
}

#[test]
fn a_block_may_be_finalized_again_and_counts_once_committed() {
    let kv = KeyValue::open(Arc::new(MemoryFiles::new()), 10).unwrap();
    assert!(kv.init_chain(&init(5)).is_err());
    kv.init_chain(&init(1)).unwrap();
    let (before, tx) = (kv.info().unwrap(), set("a", "b").encode());
    let b = FinalizeBlock { height: 1, txs: &[&tx], ..Default::default() };
    let finalized = kv.finalize_block(&b).unwrap();
    assert_eq!((kv.info().unwrap(), kv.finalize_block(&b).unwrap()), (before, finalized), "nothing shows");
    assert!(kv.finalize_block(&FinalizeBlock { height: 2, ..b }).is_err());
    kv.commit().unwrap();
    assert!(kv.commit().is_err(), "once");
}

#[test]
fn every_answer_is_proved_at_every_kept_height_and_any_change_is_found() {
    let kv = KeyValue::open(Arc::new(MemoryFiles::new()), 10).unwrap();
    kv.init_chain(&init(1)).unwrap();
    // Neither key nor value need be text, and a value may be empty.
    let odd = Transaction { key: vec![255], operation: Operation::Set(vec![0, 254]), ..set("", "") };
    block(&kv, 1, vec![set("pear", "green"), set("plum", ""), odd]);
    let root = kv.info().unwrap().app_hash;
    block(&kv, 2, vec![set("pear", "brown")]);
    for (path, data, expected) in [
        ("get", "pear", r#""677265656e""#),
        ("get", "plum", r#""""#),
        ("get", "cherry", "null"),
        ("range", r#"["62",""]"#, r#"[["70656172","677265656e"],["706c756d",""],["ff","00fe"]]"#),
        ("range", r#"["78","7a"]"#, "[]"),
    ] {
        let (q, answered) = ask(&kv, path, data, 1);
        assert_eq!((answered.value.as_slice(), answered.height), (expected.as_bytes(), 1));
        assert!(verify(&q, &answered, &root), "{path} {data}");
        assert!(!verify(&q, &answered, &kv.info().unwrap().app_hash), "of another height");
        assert!(!verify(&Query { height: 2, ..q.clone() }, &answered, &root), "not the height asked for");
        assert!(!verify(&q, &QueryResult { value: b"other".to_vec(), ..answered.clone() }, &root));
        let proof = answered.proof.clone().unwrap();
        for bit in 0..proof.len() * 8 {
            let mut proof = proof.clone();
            proof[bit / 8] ^= 1 << (bit % 8);
            assert!(!verify(&q, &QueryResult { proof: Some(proof), ..answered.clone() }, &root), "bit {bit}");
        }
    }
}

#[test]
fn what_is_wrong_is_refused_with_a_reason() {
    let kv = KeyValue::open(Arc::new(MemoryFiles::new()), 10).unwrap();
    kv.init_chain(&init(1)).unwrap();
    let (key, value) = ("x".repeat(MAX_KEY + 1), "v".repeat(MAX_VALUE + 1));
    let too_long = [set("", "v"), set(&key, "v"), set("k", &value)].map(|tx| (tx.encode(), 2));
    for (tx, code) in too_long.into_iter().chain([(vec![], 1), (vec![1, 2, 3], 1)]) {
        let verdict = kv.precheck(&[&tx]).remove(0).unwrap_err();
        assert_eq!((verdict.code, verdict.codespace.as_str()), (code, CODESPACE), "{verdict}");
    }
    assert_eq!(kv.check_tx(&swap("apple", None, "x").encode(), CheckKind::New).unwrap_err().code, 3);
    assert!(kv.check_tx(&swap("apple", Some("red"), "x").encode(), CheckKind::New).is_ok());
    for (path, data, height) in
        [("fly", "", 0), ("range", "no json", 0), ("range", r#"["a","z"]"#, 0), ("get", "apple", 9)]
    {
        assert_ne!(ask(&kv, path, data, height).1.code, 0, "{path}");
    }
}
