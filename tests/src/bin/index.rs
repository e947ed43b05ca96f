//! Measures what the index of a chain costs, in keys, bytes and time, and what searches of it take.

#![allow(clippy::print_stdout)]

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use althing_consensus::Height;
use althing_crypto::Hash;
use althing_ledger::asset::COIN;
use althing_node::query::Query;
use althing_node::search::{Direction, Search};
use althing_node::storage::{Batch, ChainStore, Entry, Indexing, RedbStore, Store, StoreError, Table};
use althing_tests::stores::Failure;
use althing_tests::stores::blocks::{Transfers, address};
use clap::Parser;
use serde_json::{Value, json};

/// Stores blocks of transfers between random accounts in redb, without the index and with it, and then searches.
#[derive(Parser)]
struct Arguments {
    /// Blocks.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    blocks: u64,
    /// Transfers in each.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u64).range(1..=5_000))]
    txs: u64,
    /// Accounts that pay one another.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(2..=10_000_000))]
    accounts: u64,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let measured =
        measure(&arguments, Indexing::Off).and_then(|off| Ok((off, measure(&arguments, Indexing::On)?)));
    match measured {
        Ok((off, on)) => {
            println!("{:#}", json!({ "index off": off, "index on": on }));
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

/// A store that counts what is written.
struct Counting {
    store: RedbStore,
    keys: AtomicUsize,
}

impl Store for Counting {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        self.store.get(table, key)
    }

    fn range(
        &self,
        table: Table,
        from: &[u8],
        to: &[u8],
        limit: usize,
        reverse: bool,
    ) -> Result<Vec<Entry>, StoreError> {
        self.store.range(table, from, to, limit, reverse)
    }

    fn write(&self, batch: Batch) -> Result<(), StoreError> {
        self.keys.fetch_add(batch.len(), Ordering::Relaxed);
        self.store.write(batch)
    }
}

/// The bytes of all keys, values and checksums in these tables. What the database takes for them beside depends on how full its pages are.
fn stored_bytes(store: &RedbStore, tables: &[Table]) -> Result<u128, StoreError> {
    const CHECKSUM: u128 = 8;
    let mut bytes = 0;
    for table in tables {
        let mut from = Vec::new();
        loop {
            let entries = store.range(*table, &from, &[], 1_000, false)?;
            let Some((last, _)) = entries.last() else { break };
            from = [&last[..], &[0]].concat();
            bytes +=
                entries.iter().map(|(key, value)| (key.len() + value.len()) as u128 + CHECKSUM).sum::<u128>();
        }
    }
    Ok(bytes)
}

fn measure(arguments: &Arguments, indexing: Indexing) -> Result<Value, Failure> {
    let home = tempfile::tempdir()?;
    let path = home.path().join("chain.redb");
    let disk = Arc::new(Counting { store: RedbStore::create(&path)?, keys: AtomicUsize::new(0) });
    let chain = ChainStore::new(disk.clone()).indexed(indexing);
    let mut transfers = Transfers::new(arguments.accounts)?;
    chain.begin(Hash::ZERO, transfers.genesis())?;
    let (mut commits, mut results) = (Duration::ZERO, Duration::ZERO);
    let before = disk.keys.load(Ordering::Relaxed);
    for _ in 0..arguments.blocks {
        let block = transfers.block(arguments.txs);
        let begun = Instant::now();
        chain.commit(&[block.body], &block.certificate)?;
        commits += begun.elapsed();
        let begun = Instant::now();
        chain.put_sent_results(&block.hashes, &block.senders, &block.results, None)?;
        results += begun.elapsed();
    }
    let txs = (arguments.blocks * arguments.txs) as u128;
    let per_block = |time: Duration| (time / u32::try_from(arguments.blocks).unwrap_or(u32::MAX)).as_micros();
    let keys = (disk.keys.load(Ordering::Relaxed) - before) as u128;
    let mut row = json!({
        "transactions": txs as u64,
        "keys written for each, in hundredths": (keys * 100 / txs) as u64,
        "bytes stored for each": (stored_bytes(&disk.store, &Table::ALL)? / txs) as u64,
        "of these in the index": (stored_bytes(&disk.store, &[Table::Index])? / txs) as u64,
        "µs to commit a block": per_block(commits) as u64,
        "µs to store its results": per_block(results) as u64,
    });
    if indexing == Indexing::On {
        row["searches"] = searches(arguments, &chain)?;
    }
    drop((chain, disk));
    Ok(row)
}

/// How long each search takes, and how many it finds.
fn searches(arguments: &Arguments, chain: &ChainStore) -> Result<Value, Failure> {
    let (one, last) = (address(1), arguments.blocks);
    let texts = [
        format!("transfer.sender = '{one}'"),
        format!("tx.sender = '{one}' AND transfer.recipient EXISTS"),
        format!("transfer.asset = '{COIN}'"),
        "tx.height > 0".to_owned(),
        format!("transfer.recipient CONTAINS 'qq' AND tx.height > {}", last.saturating_sub(20)),
    ];
    let mut rows = Vec::new();
    for text in texts {
        let query = Query::parse(&text)?;
        let (begun, mut longest) = (Instant::now(), Duration::ZERO);
        let mut search = Search::txs(chain, &query, Height(last), Direction::Descending, 0..30)?;
        loop {
            let step = Instant::now();
            let done = search.step(chain)?;
            longest = longest.max(step.elapsed());
            if done {
                break;
            }
        }
        rows.push(json!({
            "query": text,
            "found": search.total(),
            "µs": begun.elapsed().as_micros() as u64,
            "µs of its longest step": longest.as_micros() as u64,
        }));
    }
    Ok(rows.into())
}
