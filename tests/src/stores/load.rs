//! The two loads. *Chain* is what a validator writes into its store for each block, by the node's own code: the body before the vote, the
//! commit, the results with the transaction index and the index of events. *State* is what it would write if the application's state lay there
//! as a tree of 16 branches, each node a key: 2,000 transfers change 4,000 leaves and all nodes above them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{fs, io, process};

use althing_consensus::Height;
use althing_crypto::{Hash, TxHash, sha256_concat};
use althing_node::query::Query;
use althing_node::search::{Direction, Search};
use althing_node::storage::{Batch, ChainStore, Indexing, Store, StoreError, Table};
use serde::{Deserialize, Serialize};

use super::blocks::{Transfers, address};
use super::measured::{Done, Measured, nanos};
use super::{Backend, Failure};
use crate::processes::{peak_memory_kib, processor_time};
use crate::sim::Random;

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Blocks, results, index.
    Chain,
    /// Tree nodes.
    State,
}

/// How much of it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Size {
    /// Leaves of the tree; accounts that pay one another.
    pub accounts: u64,
    /// Blocks.
    pub blocks: u64,
    /// Transfers in each.
    pub txs: u64,
}

/// What a database did under one load.
#[derive(Debug, Serialize, Deserialize)]
pub struct Figures {
    /// Which database.
    pub backend: Backend,
    /// Which load.
    pub load: Kind,
    /// Durable batches, by what they were for.
    pub writes: BTreeMap<String, Done>,
    /// Reads after them, by what was read.
    pub reads: BTreeMap<String, Done>,
    /// The most memory that the process had resident until then.
    pub peak_rss_mb: u64,
    /// Processor time of all its threads until then.
    pub processor_ms: u64,
    /// Keys and values that the store holds at the end.
    pub live_mb: u64,
    /// What its files take of the disk, once closed.
    pub disk_mb: u64,
    /// Closing it.
    pub close_ms: u64,
    /// Opening it again, until the first read has its answer; the files are still in the system's memory.
    pub reopen_ms: u64,
}

/// Measures a database in `directory`, which is empty. The process should do nothing else before: its memory is measured.
pub fn measure(directory: &Path, backend: Backend, load: Kind, size: Size) -> Result<Figures, Failure> {
    let path = directory.join("database");
    let store = Arc::new(Measured::new(backend.create(&path)?));
    let reads = match load {
        Kind::Chain => chain(&store, size)?,
        Kind::State => state(&store, size)?,
    };
    let peak_rss_mb = peak_memory_kib(process::id()).unwrap_or(0) * 1024 / 1_000_000;
    let processor_ms = millis(processor_time(process::id()));
    let live_mb = live_bytes(&*store)? / 1_000_000;
    let writes = store.writes();
    let began = Instant::now();
    drop(store);
    let close_ms = millis(began.elapsed());
    let disk_mb = disk_bytes(&path)? / 1_000_000;
    let began = Instant::now();
    let store = backend.open(&path)?;
    store.range(Table::Index, &[], &[], 1, true)?.first().ok_or("what was written is gone")?;
    let reopen_ms = millis(began.elapsed());
    Ok(Figures {
        backend,
        load,
        writes,
        reads,
        peak_rss_mb,
        processor_ms,
        live_mb,
        disk_mb,
        close_ms,
        reopen_ms,
    })
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Says every few seconds how far it is.
struct Progress(Instant);

impl Progress {
    fn say(&mut self, what: &str, done: u64, of: u64) {
        if self.0.elapsed() > Duration::from_secs(2) {
            eprintln!("    {what} {done} of {of}");
            self.0 = Instant::now();
        }
    }
}

/// So many reads, each timed.
fn timed(
    count: u64,
    mut read: impl FnMut() -> Result<bool, Failure>,
    what: &'static str,
) -> Result<Done, Failure> {
    let mut progress = Progress(Instant::now());
    let mut each = Vec::new();
    for done in 0..count {
        let began = Instant::now();
        if !read()? {
            return Err(format!("one of the {what} is not there").into());
        }
        each.push((1, 0, nanos(began)));
        progress.say(what, done, count);
    }
    Ok(Done::of(each))
}

fn chain(store: &Arc<Measured>, size: Size) -> Result<BTreeMap<String, Done>, Failure> {
    let chain = ChainStore::new(store.clone()).indexed(Indexing::On);
    let mut transfers = Transfers::new(size.accounts)?;
    store.now("genesis");
    chain.begin(Hash::ZERO, transfers.genesis())?;
    let mut progress = Progress(Instant::now());
    let (mut random, mut some) = (Random::new(2), Vec::<TxHash>::new());
    for height in 1..=size.blocks {
        let block = transfers.block(size.txs);
        store.now("body");
        chain.put_body(&block.body)?;
        store.now("commit");
        chain.commit(&[block.body], &block.certificate)?;
        store.now("results and index");
        chain.put_sent_results(&block.hashes, &block.senders, &block.results, None)?;
        some.extend(block.hashes.iter().step_by(20));
        progress.say("blocks", height, size.blocks);
    }
    let transaction = || Ok(chain.tx_location(&some[random.index(some.len())])?.is_some());
    let transactions = timed(20_000, transaction, "transactions")?;
    let block = || Ok(chain.block(Height(1 + random.below(size.blocks)))?.is_some());
    let blocks = timed(200, block, "blocks read")?;
    let search = || {
        let query = Query::parse(&format!("transfer.sender = '{}'", address(random.below(size.accounts))))?;
        let newest = Height(size.blocks);
        let mut search = Search::txs(&chain, &query, newest, Direction::Descending, 0..30)?;
        while !search.step(&chain)? {}
        Ok(true)
    };
    let searches = timed(2_000, search, "searches")?;
    Ok([("transactions", transactions), ("blocks", blocks), ("searches", searches)].map(named).into())
}

fn named((name, done): (&str, Done)) -> (String, Done) {
    (name.to_owned(), done)
}

/// Levels of inner nodes over 10^6 leaves: 16^5 places for them.
const LEVELS: usize = 5;
/// A balance with its key's hash.
const LEAF_BYTES: usize = 96;
/// The hashes of 16 children.
const INNER_BYTES: usize = 512;
const FILL: u64 = 10_000;

fn leaf(account: u64) -> Hash {
    sha256_concat(&[b"account", &account.to_be_bytes()])
}

/// A leaf's key has its level and its place; that of an inner node the level and one byte for each branch on the way.
fn leaf_key(place: &Hash) -> Vec<u8> {
    [&[LEVELS as u8], place.as_bytes().as_slice()].concat()
}

fn inner_key(place: &Hash, level: usize) -> Vec<u8> {
    let branch = |depth: usize| (place.as_bytes()[depth / 2] >> (4 * (1 - depth % 2))) & 15;
    [level as u8].into_iter().chain((0..level).map(branch)).collect()
}

fn value(key: &[u8], round: u64, bytes: usize) -> Vec<u8> {
    sha256_concat(&[key, &round.to_be_bytes()]).as_bytes().repeat(bytes / 32)
}

/// These leaves and all nodes above them.
fn nodes(leaves: impl Iterator<Item = u64>, round: u64) -> Batch {
    let mut keys = BTreeSet::new();
    for account in leaves {
        let place = leaf(account);
        keys.extend((0..LEVELS).map(|level| (inner_key(&place, level), INNER_BYTES)));
        keys.insert((leaf_key(&place), LEAF_BYTES));
    }
    let mut batch = Batch::new();
    for (key, bytes) in keys {
        let value = value(&key, round, bytes);
        batch.put(Table::Index, key, value);
    }
    batch
}

fn state(store: &Arc<Measured>, size: Size) -> Result<BTreeMap<String, Done>, Failure> {
    let mut progress = Progress(Instant::now());
    store.now("first leaves");
    for first in (0..size.accounts).step_by(FILL as usize) {
        let mut batch = Batch::new();
        for account in first..size.accounts.min(first + FILL) {
            let key = leaf_key(&leaf(account));
            let value = value(&key, 0, LEAF_BYTES);
            batch.put(Table::Index, key, value);
        }
        store.write(batch)?;
        progress.say("leaves", first, size.accounts);
    }
    let mut random = Random::new(3);
    store.now("blocks' nodes");
    for round in 1..=size.blocks {
        let changed: Vec<u64> = (0..2 * size.txs).map(|_| random.below(size.accounts)).collect();
        store.write(nodes(changed.into_iter(), round))?;
        progress.say("blocks", round, size.blocks);
    }
    let read = || Ok(store.get(Table::Index, &leaf_key(&leaf(random.below(size.accounts))))?.is_some());
    Ok([named(("leaves", timed(200_000, read, "leaves read")?))].into())
}

/// The bytes of all keys and values.
fn live_bytes(store: &dyn Store) -> Result<u64, StoreError> {
    let mut bytes = 0;
    for table in Table::ALL {
        let mut from = Vec::new();
        loop {
            // Blocks are large.
            let some = if matches!(table, Table::Blocks | Table::Results) { 10 } else { 1_000 };
            let entries = store.range(table, &from, &[], some, false)?;
            let Some((last, _)) = entries.last() else { break };
            from = [&last[..], &[0]].concat();
            bytes += entries.iter().map(|(key, value)| (key.len() + value.len()) as u64).sum::<u64>();
        }
    }
    Ok(bytes)
}

/// What a file or directory takes of the disk, which is less than its length where it has holes.
fn disk_bytes(path: &Path) -> io::Result<u64> {
    use std::os::unix::fs::MetadataExt;
    let metadata = fs::symlink_metadata(path)?;
    let mut bytes = metadata.blocks() * 512;
    if metadata.is_dir() {
        for entry in fs::read_dir(path)? {
            bytes += disk_bytes(&entry?.path())?;
        }
    }
    Ok(bytes)
}
