//! A block of 500 on its way to the disk, in the store that a node has if nothing else is said: only what the node itself works for that
//! is counted, the disk's time is not.

use std::ops::Range;
use std::sync::Arc;

use althing_consensus::{Height, Phase};
use althing_crypto::{Hash, TxHash};
use althing_node::body::Body;
use althing_node::storage::{BackendKind, ChainStore, DataDirectory, Indexing, StoredResults};
use tempfile::TempDir;

use super::inputs::{BLOCK, blocks, certificate, results};
use super::{Row, Run, run};

pub(super) const PATHS: &[Row] = &[
    ("storage.put_body_500", put_body),
    ("storage.commit_500", commit),
    ("storage.put_results_and_index_500", put_results),
    ("storage.put_results_merging_8x500", put_results_merging),
    ("storage.find_500_new_txs", find_new),
];

/// Blocks whose results are stored before what counts: eight of them merged into one run of the index, and seven runs that wait for an eighth.
const BEFORE: u64 = 15;
/// Within so many more blocks those are merged, from beginning to end.
const MERGING: u64 = 8;

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

/// What executing a block gave.
struct Executed {
    txs: Vec<TxHash>,
    senders: Vec<Option<String>>,
    results: StoredResults,
}

/// Of so many transfers, which no other height has.
fn txs(height: u64) -> Vec<TxHash> {
    (0..BLOCK).map(|place| TxHash::of(&[height, place as u64].map(u64::to_be_bytes).concat())).collect()
}

impl Stored {
    /// Blocks of these heights, which all did the same.
    fn executed(&self, heights: Range<u64>) -> Vec<Executed> {
        let (results, senders) = results(&self.body);
        let at = |height| {
            let mut results = results.clone();
            results.execution.height = Height(height);
            Executed { txs: txs(height), senders: senders.clone(), results }
        };
        heights.map(at).collect()
    }

    fn put_results(&self, blocks: &[Executed]) {
        for Executed { txs, senders, results } in blocks {
            self.chain.put_sent_results(txs, senders, results, None).expect("the disk works");
        }
    }
}

fn put_results_merging() -> Run {
    let stored = Stored::new();
    let mut before = stored.executed(1..1 + BEFORE + MERGING);
    let merging = before.split_off(BEFORE as usize);
    stored.put_results(&before);
    run(move || {
        stored.put_results(&merging);
        (stored, merging)
    })
}

/// As for every transaction that a node takes.
fn find_new() -> Run {
    let stored = Stored::new();
    stored.put_results(&stored.executed(1..1 + BEFORE));
    let (old, new) = (txs(BEFORE), txs(BEFORE + 1));
    let found = |txs: &[TxHash]| stored.chain.tx_locations(txs).expect("the disk works");
    assert!(found(&old).iter().all(Option::is_some), "they are there");
    run(move || {
        let found = stored.chain.tx_locations(&new).expect("the disk works");
        assert!(found.iter().all(Option::is_none), "nobody has put them in");
        (stored, new, found)
    })
}
