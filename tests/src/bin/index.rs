//! Measures what the index of a chain costs, in keys, bytes and time, and what searches of it take.

#![allow(clippy::print_stdout)]

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use althing_consensus::{
    AppHash, Block, Epoch, Execution, Height, Phase, Position, QuorumCertificate, View, payload_root,
};
use althing_crypto::{Encoding, Hash, TxHash, bls, ed25519};
use althing_genesis::Genesis;
use althing_ledger::asset::{Address, Approval, COIN, Instruction, Transaction};
use althing_ledger::{Attribute, Event, TxResult};
use althing_node::body::Body;
use althing_node::new_chain;
use althing_node::query::Query;
use althing_node::search::{Direction, Search};
use althing_node::storage::{
    Batch, ChainStore, Entry, Indexing, RedbStore, Store, StoreError, StoredResults, Table,
};
use althing_tests::sim::Random;
use clap::Parser;
use serde_json::{Value, json};

const CHAIN_ID: &str = "index";

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

type Failure = Box<dyn std::error::Error>;

fn measure(arguments: &Arguments, indexing: Indexing) -> Result<Value, Failure> {
    let home = tempfile::tempdir()?;
    let path = home.path().join("chain.redb");
    let disk = Arc::new(Counting { store: RedbStore::create(&path)?, keys: AtomicUsize::new(0) });
    let chain = ChainStore::new(disk.clone()).indexed(indexing);
    let genesis = Body { block: genesis()?, txs: Vec::new() };
    chain.begin(Hash::ZERO, &genesis)?;
    let mut random = Random::new(1);
    let (mut commits, mut results) = (Duration::ZERO, Duration::ZERO);
    let before = disk.keys.load(Ordering::Relaxed);
    for height in (1..=arguments.blocks).map(Height) {
        let transfers: Vec<_> =
            (0..arguments.txs).map(|n| transfer(arguments, height, n, &mut random)).collect();
        let mut block = genesis.block.clone();
        block.txs = transfers.iter().map(|one| TxHash::of(&one.bytes)).collect();
        (block.header.height, block.header.epoch) = (height, Epoch(1));
        block.header.payload_root = payload_root(&block.txs);
        let certificate = certificate(&block);
        let txs = transfers.iter().map(|one| one.bytes.as_slice().into()).collect();
        let hashes = block.txs.clone();
        let begun = Instant::now();
        chain.commit(&[Arc::new(Body { block, txs })], &certificate)?;
        commits += begun.elapsed();
        let senders: Vec<_> = transfers.iter().map(|one| Some(one.sender.clone())).collect();
        let tx_results = transfers
            .into_iter()
            .map(|one| TxResult { events: vec![one.event], ..TxResult::default() })
            .collect();
        let execution = Execution { height, app_hash: AppHash::default(), results_root: Hash::ZERO };
        let stored = StoredResults { execution, next_epoch: Hash::ZERO, tx_results, events: Vec::new() };
        let begun = Instant::now();
        chain.put_sent_results(&hashes, &senders, &stored, None)?;
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

/// Block 0 of a chain of one validator.
fn genesis() -> Result<Block, Failure> {
    let identity = ed25519::SecretKey::from_seed([1; 32]);
    let vote = bls::SecretKey::from_seed(&bls::BLS, &[1; 32]);
    let validators = vec![new_chain::validator("v", &identity, &vote)];
    let document = new_chain::document(CHAIN_ID, validators, &[address(0)]);
    Ok(Genesis::new(document, &bls::BLS)?.block(AppHash::default()))
}

/// A certificate of its size; nobody checks it here.
fn certificate(block: &Block) -> QuorumCertificate {
    QuorumCertificate {
        phase: Phase::Commit,
        epoch: Epoch(1),
        view: View(block.header.height.0),
        block: block.hash(),
        signers: [Position(0)].into_iter().collect(),
        signature: bls::Signature::from_bytes([3; 96]),
    }
}

struct Transfer {
    bytes: Vec<u8>,
    sender: String,
    event: Event,
}

fn address(account: u64) -> Address {
    let mut bytes = [7; 20];
    bytes[..8].copy_from_slice(&account.to_be_bytes());
    Address::from_bytes(bytes)
}

/// A transfer as the asset ledger has it, with its event.
fn transfer(arguments: &Arguments, height: Height, n: u64, random: &mut Random) -> Transfer {
    let mut account = || address(random.below(arguments.accounts));
    let (from, to) = (account(), account());
    let (from_text, to_text) = (from.to_string(), to.to_string());
    let key = ed25519::PublicKey::from_bytes([9; 32]);
    let signature = ed25519::Signature::from_bytes([1; 64]);
    let instruction = Instruction::Transfer { asset: COIN, from, to, amount: 1 };
    let mut tx = Transaction::new(CHAIN_ID, from, height.0 * arguments.txs + n, vec![instruction]);
    tx.approvals.push(Approval::Key { key, signature });
    let attribute = |key: &str, value: String, index| Attribute { key: key.to_owned(), value, index };
    let attributes = vec![
        attribute("asset", COIN.to_string(), true),
        attribute("sender", from_text.clone(), true),
        attribute("recipient", to_text, true),
        attribute("amount", "1".to_owned(), false),
    ];
    let event = Event { kind: "transfer".to_owned(), attributes };
    Transfer { bytes: tx.encode(), sender: from_text, event }
}
