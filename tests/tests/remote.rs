//! An application behind a socket under the conformance kit.

use std::{
    os::unix::net::UnixListener,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use althing_crypto::Encoding;
use althing_ledger::{
    AppHash, Application, Bytes, InitChain, Query, QueryResult,
    abci::{Address, RemoteApplication},
    conformance::{Place, Report, Subject, report},
    kv::{self, KeyValue, Operation, Transaction},
    state::MemoryFiles,
};
use althing_tests::abci::{HashChain, serve};
use tempfile::TempDir;

/// Serves an instance at a socket of its own: each is a process that has just begun.
fn behind_a_socket(directory: &Path, application: Arc<dyn Application>) -> Arc<dyn Application> {
    static SOCKETS: AtomicU64 = AtomicU64::new(0);
    let path = directory.join(SOCKETS.fetch_add(1, Ordering::Relaxed).to_string());
    let listener = UnixListener::bind(&path).expect("a path of its own");
    thread::spawn(move || serve(&application, &listener));
    Arc::new(RemoteApplication::new(Address::Unix(path)))
}

fn init(app_state: &str) -> InitChain {
    InitChain {
        chain_id: "remote".to_owned(),
        initial_height: 1,
        app_state: app_state.into(),
        ..Default::default()
    }
}

/// The key-value sample, elsewhere.
struct Kv(TempDir);

impl Subject for Kv {
    fn place(&self) -> Place {
        let (files, directory) = (Arc::new(MemoryFiles::new()), self.0.path().to_owned());
        Box::new(move || Ok(behind_a_socket(&directory, Arc::new(KeyValue::open(files.clone(), 3)?))))
    }

    fn genesis(&self) -> InitChain {
        init(r#"{"apple":"red"}"#)
    }

    fn other_genesis(&self) -> Option<InitChain> {
        Some(init(r#"{"apple":"green"}"#))
    }

    fn blocks(&self) -> Vec<Vec<Bytes>> {
        let tx = |nonce, key: &str, operation| Transaction { nonce, key: key.into(), operation }.encode();
        vec![
            vec![
                tx(1, "pear", Operation::Set("green".into())),
                tx(2, "apple", Operation::CompareAndSet(Some("blue".into()), "black".into())),
            ],
            vec![tx(3, "plum", Operation::Set("blue".into()))],
            vec![],
            vec![tx(4, "pear", Operation::Delete)],
        ]
    }

    fn questions(&self) -> Vec<Query> {
        let get = |key: &str| Query { path: "get".into(), data: key.into(), prove: true, ..Query::default() };
        vec![get("apple"), get("cherry")]
    }

    /// Over ABCI a proof is a list of steps; the sample's has one.
    fn verify(&self, asked: &Query, answer: &QueryResult, app_hash: &AppHash) -> Result<(), String> {
        let [step] = &answer.proof_ops[..] else { return Err("a proof of one step".to_owned()) };
        let answer = QueryResult { proof: Some(step.data.clone()), proof_ops: Vec::new(), ..answer.clone() };
        match kv::verify(asked, &answer, app_hash) {
            true => Ok(()),
            false => Err("the answer is not what a state with this hash gives".to_owned()),
        }
    }

    fn tells_of_genesis(&self) -> bool {
        false
    }
}

/// An application without proofs that makes snapshots, and whose state is a file.
struct Hashes(TempDir);

impl Subject for Hashes {
    fn place(&self) -> Place {
        let state: PathBuf = tempfile::tempdir_in(self.0.path()).expect("a directory").keep().join("state");
        let directory = self.0.path().to_owned();
        Box::new(move || {
            let chain = HashChain::open(&state, None).expect("a file of its own");
            Ok(behind_a_socket(&directory, Arc::new(chain)))
        })
    }

    fn genesis(&self) -> InitChain {
        init("{}")
    }

    fn blocks(&self) -> Vec<Vec<Bytes>> {
        vec![vec![b"a=1".to_vec(), b"b=2".to_vec()], vec![], vec![b"c=3".to_vec()]]
    }

    fn makes_snapshots(&self) -> bool {
        true
    }

    fn tells_of_genesis(&self) -> bool {
        false
    }
}

/// The word for each check: what one application does not offer, the other may.
fn together(reports: &[Report]) -> Vec<(&'static str, &'static str)> {
    let cell = |nth: usize| {
        let words: Vec<_> = reports.iter().map(|report| report.lines[nth].outcome.word()).collect();
        let offered = words.iter().find(|word| **word != "not offered");
        (reports[0].lines[nth].check, offered.copied().unwrap_or("not offered"))
    };
    (0..reports[0].lines.len()).map(cell).collect()
}

#[test]
fn applications_behind_a_socket_conform_as_the_table_says() {
    let directory = || tempfile::tempdir().expect("a directory");
    let reports = [report(&Kv(directory())), report(&Hashes(directory()))];
    for report in &reports {
        assert!(report.passed(), "{report}");
    }
    let rows =
        include_str!("../../ledger/README.md").lines().skip_while(|line| !line.starts_with("| check |"));
    let rows = rows.skip(2).take_while(|line| line.starts_with('|'));
    let cells = rows.map(|row| row.trim_matches('|').split(" | ").map(str::trim).collect::<Vec<_>>());
    let found: Vec<_> = cells.map(|cells| (cells[0].trim_matches('`'), cells[4])).collect();
    assert_eq!(found, together(&reports), "the column of remote applications in ledger/README.md");
}
