use std::collections::BTreeMap;
use std::sync::Arc;

use althing_consensus::{AppHash, Execution};
use althing_crypto::{BlockHash, Hash};
use althing_ledger::TxResult;

use super::super::Fact;
use super::*;
use crate::query::TX_SENDER;
use crate::storage::{MemoryStore, Store};

mod limits;

/// A chain of results without blocks, and what must be found in it.
struct Chain {
    disk: Arc<MemoryStore>,
    store: ChainStore,
    height: u64,
    oldest: u64,
    random: u64,
    /// By sender and height.
    senders: BTreeMap<String, BTreeMap<u64, Vec<u32>>>,
    /// By number, in the order of heights: height, place, whether it succeeded.
    txs: BTreeMap<u64, Vec<(u64, u32, bool)>>,
}

impl Chain {
    fn new(random: u64) -> Self {
        let disk = Arc::new(MemoryStore::new());
        let store = ChainStore::new(disk.clone()).indexed(Indexing::On);
        Self { disk, store, height: 0, oldest: 1, random, senders: BTreeMap::new(), txs: BTreeMap::new() }
    }

    /// Below `end`: a multiplicative generator modulo a prime (Park and Miller, 1988).
    fn below(&mut self, end: u64) -> u64 {
        self.random = self.random * 48_271 % 0x7fff_ffff;
        self.random % end
    }

    fn grow(&mut self, count: u64) {
        let mut txs: Vec<(u64, String, bool)> = Vec::new();
        for place in 0..count {
            // Some come twice.
            let number = if self.below(9) == 0 { self.below(50) } else { (self.height + 1) << 20 | place };
            if number >= 50 || txs.iter().all(|(other, ..)| *other != number) {
                txs.push((number, format!("s{}", self.below(6)), self.below(4) > 0));
            }
        }
        self.put(&txs);
    }

    /// Grows by a block of these: number, sender, whether it succeeds.
    fn put(&mut self, txs: &[(u64, String, bool)]) {
        self.height += 1;
        let (mut hashes, mut senders, mut tx_results) = (Vec::new(), Vec::new(), Vec::new());
        for (place, (number, sender, succeeded)) in (0u32..).zip(txs) {
            self.senders.entry(sender.clone()).or_default().entry(self.height).or_default().push(place);
            self.txs.entry(*number).or_default().push((self.height, place, *succeeded));
            hashes.push(tx(*number));
            senders.push(Some(sender.clone()));
            tx_results.push(TxResult { code: u32::from(!succeeded), ..TxResult::default() });
        }
        let height = Height(self.height);
        let execution = Execution { height, app_hash: AppHash::default(), results_root: Hash::ZERO };
        let results = StoredResults { execution, next_epoch: Hash::ZERO, tx_results, events: Vec::new() };
        let mut batch = Batch::new();
        batch.put(Table::BlockIndex, height_key(height), Fact(BlockHash(Hash::ZERO)).encode());
        self.disk.write(batch).unwrap();
        self.store.put_sent_results(&hashes, &senders, &results, None).unwrap();
    }

    fn prune(&mut self, end: u64) {
        self.store.prune(Height(end), usize::MAX).unwrap();
        self.oldest = self.oldest.max(end);
    }

    /// Asks at random, and compares.
    fn compare(&mut self) {
        for _ in 0..20 {
            let (low, high) = (self.oldest + self.below(self.height), self.below(self.height + 2));
            let (limit, reverse) = (1 + self.below(40) as usize, self.below(2) == 0);
            let sender = format!("s{}", self.below(7));
            let none = BTreeMap::new();
            let all = self.senders.get(&sender).unwrap_or(&none);
            let mut expected: Vec<_> =
                all.iter().filter(|(height, _)| (low..=high).contains(height)).collect();
            if reverse {
                expected.reverse();
            }
            expected.truncate(limit);
            let term = Term::is(Subject::Txs, TX_SENDER, &sender);
            let found = self.store.entries(&term, Height(low), Height(high), limit, reverse).unwrap();
            let places =
                |(height, places): (&u64, &Vec<u32>)| (Height(*height), Places::These(places.clone()));
            assert_eq!(found, expected.into_iter().map(places).collect::<Vec<_>>());
        }
        for _ in 0..20 {
            let number = if self.below(2) == 0 { self.below(60) } else { self.below(self.height + 2) << 20 };
            let known = self.txs.get(&number).map(|all| &all[..]).unwrap_or_default();
            let here = || known.iter().filter(|(height, ..)| *height >= self.oldest);
            let expected = here().find(|(.., succeeded)| *succeeded).or_else(|| here().next());
            let found = self.store.tx_location(&tx(number)).unwrap();
            assert_eq!(
                found.map(|at| (at.height.0, at.index)),
                expected.map(|(height, at, _)| (*height, *at))
            );
        }
    }
}

fn tx(number: u64) -> TxHash {
    TxHash::of(&number.to_be_bytes())
}

/// Entries of the table that belong to runs.
fn left(disk: &MemoryStore) -> usize {
    disk.range(Table::Index, &[RUN], &[], usize::MAX, false).unwrap().len()
}

#[test]
fn what_is_found_is_what_was_put_whatever_was_merged_pruned_or_cut_short() {
    for seed in 1..=6 {
        let mut chain = Chain::new(seed);
        for _ in 0..500 {
            let count = [0, 0, 1, 2, 5, 40, 900][chain.below(7) as usize];
            let rare = count == 900 && chain.below(4) > 0;
            chain.grow(if rare { 3 } else { count });
            if chain.below(40) == 0 {
                chain.compare();
            }
            // A crash forgets the merges under way.
            if chain.below(30) == 0 {
                chain.store = ChainStore::new(chain.disk.clone()).indexed(Indexing::On);
            }
            if chain.below(60) == 0 {
                let end = chain.oldest + chain.below(chain.height - chain.oldest + 1) / 4;
                chain.prune(end);
            }
        }
        chain.compare();
        let runs = chain.store.runs.list(&*chain.disk).unwrap();
        assert!(runs.len() < 3 * 2 * merge::RUNS, "{} runs", runs.len());
        assert!(runs.windows(2).all(|two| two[0].heights.to < two[1].heights.from), "they do not overlap");
        assert!(runs.iter().any(|run| run.chunks() > 1 && run.summary.level > 1), "there are long ones");
        // All of it goes in the end, what merges left unfinished as well.
        chain.prune(chain.height + 1);
        (0..500).for_each(|_| chain.grow(0));
        assert_eq!(left(&chain.disk), 0);
    }
}

#[test]
fn who_reads_while_runs_are_merged_and_pruned_finds_all() {
    let mut chain = Chain::new(7);
    chain.grow(1);
    let (store, done) = (chain.store.clone(), std::sync::atomic::AtomicBool::new(false));
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            for asked in 0.. {
                // Once more when all is there.
                let last = done.load(std::sync::atomic::Ordering::Acquire);
                let newest = store.executed().unwrap();
                let span = store.index_span().unwrap().unwrap();
                let found =
                    store.entries(&Term::any_tx(), Height(1), newest, usize::MAX, asked % 2 == 0).unwrap();
                let mut heights: Vec<u64> = found.iter().map(|(height, _)| height.0).collect();
                heights.sort_unstable();
                assert!(heights.windows(2).all(|two| two[0] + 1 == two[1]), "a gap in {heights:?}");
                // Each block has a transaction. Entries are shown once they are written: those of the newest block may just not be yet.
                let oldest = store.oldest().unwrap().expect("the newer half stays").0;
                let due = oldest..newest.0 + u64::from(last);
                let missing: Vec<_> = due.filter(|height| heights.binary_search(height).is_err()).collect();
                assert!(missing.is_empty(), "{missing:?} of {oldest} to {newest}");
                assert!(span.to >= newest);
                if last {
                    assert!(heights.len() > 300, "{heights:?}");
                    return;
                }
            }
        });
        for n in 0..600 {
            chain.grow(1 + n % 3);
            if n % 50 == 49 {
                chain.prune(chain.height / 2);
            }
        }
        done.store(true, std::sync::atomic::Ordering::Release);
        reader.join().unwrap();
    });
}

#[test]
fn a_chunk_that_is_missing_or_malformed_is_damage() {
    let mut chain = Chain::new(3);
    chain.grow(2);
    let key = chain.disk.range(Table::Index, &[CHUNK], &[CHUNK + 1], 9, false).unwrap()[0].0.clone();
    let ask =
        |chain: &Chain| chain.store.entries(&Term::any_tx(), Height(1), Height(1), 9, false).unwrap_err();
    let mut batch = Batch::new();
    batch.put(Table::Index, key.clone(), vec![1, 2, 3]);
    chain.disk.write(batch).unwrap();
    assert!(ask(&chain).to_string().contains("a chunk of the index is malformed"));
    let mut batch = Batch::new();
    batch.delete(Table::Index, key);
    chain.disk.write(batch).unwrap();
    assert!(ask(&chain).to_string().contains("the index lacks a chunk"));
}
