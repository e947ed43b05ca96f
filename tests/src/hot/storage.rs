//! A block of 500 on its way to the disk, in the store that a node has if nothing else is said: only what the node itself works for that
//! is counted, the disk's time is not.

use std::sync::Arc;

use althing_consensus::Phase;
use althing_crypto::Hash;
use althing_node::body::Body;
use althing_node::storage::{BackendKind, ChainStore, DataDirectory, Indexing};
use tempfile::TempDir;

use super::inputs::{blocks, certificate, results};
use super::{Row, Run, run};

pub(super) const PATHS: &[Row] = &[
    ("storage.put_body_500", put_body),
    ("storage.commit_500", commit),
    ("storage.put_results_and_index_500", put_results),
];

/// A chain that has begun, and the block to store. Dropped in this order: the directory last.
struct Stored {
    chain: ChainStore,
    _data: DataDirectory,
    _home: TempDir,
    body: Arc<Body>,
}

impl Stored {
    fn new() -> Self {
        let home = tempfile::tempdir().expect("a directory for temporary files");
        let data = DataDirectory::open(home.path(), BackendKind::default()).expect("a new directory");
        let chain = ChainStore::new(Arc::clone(&data.chain)).indexed(Indexing::On);
        let [genesis, first] = blocks();
        chain.begin(Hash::ZERO, &genesis).expect("an empty store");
        Self { chain, _data: data, _home: home, body: Arc::new(first) }
    }

    fn put_body(&self) {
        self.chain.put_body(&self.body).expect("the disk works");
    }

    fn commit(&self) {
        let certificate = certificate(Phase::Commit, &self.body.block);
        self.chain.commit(&[Arc::clone(&self.body)], &certificate).expect("the disk works");
    }
}

/// Before a vote for it leaves.
fn put_body() -> Run {
    let stored = Stored::new();
    run(move || {
        stored.put_body();
        stored
    })
}

fn commit() -> Run {
    let stored = Stored::new();
    stored.put_body();
    run(move || {
        stored.commit();
        stored
    })
}

fn put_results() -> Run {
    let stored = Stored::new();
    stored.put_body();
    stored.commit();
    let (results, senders) = results(&stored.body);
    run(move || {
        let txs = &stored.body.block.txs;
        stored.chain.put_sent_results(txs, &senders, &results, None).expect("the disk works");
        (stored, results, senders)
    })
}
