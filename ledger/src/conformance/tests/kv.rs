//! The key-value sample under the kit.

use althing_crypto::Encoding;

use super::*;
use crate::kv::{self, KeyValue, Operation, Transaction};
use crate::state::MemoryFiles;

/// The key-value sample.
pub(super) struct Kv;

#[test]
fn conforms() {
    run(&Kv);
}

fn init(app_state: &str) -> InitChain {
    InitChain {
        chain_id: "kv".into(),
        initial_height: 1,
        time_ms: 7,
        app_state: app_state.into(),
        ..Default::default()
    }
}

fn block(operations: &[(&str, Operation)], height: u64) -> Vec<Bytes> {
    let tx = |(nth, (key, operation)): (u64, &(&str, Operation))| {
        Transaction { nonce: 100 * height + nth, key: key.as_bytes().to_vec(), operation: operation.clone() }
            .encode()
    };
    (0..).zip(operations).map(tx).collect()
}

fn question(path: &str, data: &str, prove: bool) -> Query {
    Query { path: path.into(), data: data.into(), prove, ..Query::default() }
}

impl Subject for Kv {
    fn place(&self) -> Place {
        let files = Arc::new(MemoryFiles::new());
        Box::new(move || Ok(Arc::new(KeyValue::open(files.clone(), 3)?)))
    }

    fn genesis(&self) -> InitChain {
        init(r#"{"apple":"red","plum":"blue"}"#)
    }

    fn other_genesis(&self) -> Option<InitChain> {
        Some(init(r#"{"apple":"red"}"#))
    }

    /// Among them a block of two, an empty one and one that changes nothing: some faults show in no other.
    fn blocks(&self) -> Vec<Vec<Bytes>> {
        let set = |value: &str| Operation::Set(value.into());
        let swap = |from: &str, to: &str| Operation::CompareAndSet(Some(from.into()), to.into());
        vec![
            block(
                &[("pear", set("green")), ("pear", swap("green", "brown")), ("apple", swap("blue", "black"))],
                1,
            ),
            block(&[("plum", Operation::Delete), ("plum", swap("blue", "white"))], 2),
            block(&[], 3),
            block(&[("apple", swap("red", "gold")), ("fig", set("")), ("pear", Operation::Delete)], 4),
            block(&[("fig", swap("x", "y"))], 5),
        ]
    }

    fn questions(&self) -> Vec<Query> {
        vec![
            question("get", "apple", true),
            question("get", "pear", true),
            question("range", r#"["",""]"#, true),
            question("range", r#"["61","70"]"#, false),
            question("get", "cherry", true),
        ]
    }

    fn verify(&self, asked: &Query, answer: &QueryResult, app_hash: &AppHash) -> Result<(), String> {
        match kv::verify(asked, answer, app_hash) {
            true => Ok(()),
            false => Err("the answer is not what a state with this hash gives".to_owned()),
        }
    }
}
