//! How much there is to read, and to delete, whatever the blocks are like.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::storage::Hooked;

/// The most runs of one level.
fn widest(chain: &Chain) -> usize {
    let runs = chain.store.runs.list(&*chain.disk).unwrap();
    runs.chunk_by(|one, other| one.summary.level == other.summary.level).map(<[_]>::len).max().unwrap_or(0)
}

#[test]
fn a_transaction_that_fails_in_every_block_is_found_by_few_reads() {
    let mut chain = Chain::new(1);
    for _ in 0..4_700 {
        chain.put(&[(7, "s".to_owned(), false)]);
    }
    let gets = Arc::new(AtomicUsize::new(0));
    let count = {
        let gets = gets.clone();
        move |_| _ = gets.fetch_add(1, Ordering::Relaxed)
    };
    let store =
        ChainStore::new(Arc::new(Hooked { get: Box::new(count), ..Hooked::over(chain.disk.clone()) }));
    let runs = store.runs.list(&*chain.disk).unwrap().len();
    let reads = |number: u64| {
        let before = gets.load(Ordering::Relaxed);
        let found = store.tx_location(&tx(number)).unwrap().map(|at| at.height.0);
        (found, gets.load(Ordering::Relaxed) - before)
    };
    let (found, read) = reads(7);
    assert_eq!(found, Some(1));
    assert!(read <= runs + 1, "{read} reads for {runs} runs");
    assert_eq!(reads(8), (None, 0));
}

#[test]
fn small_blocks_after_large_ones_leave_no_more_runs_than_others() {
    let mut chain = Chain::new(2);
    (0..9).for_each(|_| chain.grow(6_000));
    for _ in 0..150 {
        chain.grow(1);
        let most = widest(&chain);
        assert!(most <= 2 * merge::RUNS, "{most} runs of a level at height {}", chain.height);
    }
    chain.compare();
}

#[test]
fn little_is_left_behind_while_every_block_lets_one_go() {
    for (kept, blocks, txs) in [(1, 40, 30), (9, 60, 100), (20, 120, 300), (70, 300, 20)] {
        let mut chain = Chain::new(kept + 10);
        for _ in 0..blocks {
            chain.grow(txs);
            chain.prune(chain.height.saturating_sub(kept) + 1);
            if chain.height.is_multiple_of(20) {
                chain.compare();
            }
            // A crash in the middle of merges that pruning cuts short later.
            if chain.height.is_multiple_of(31) {
                chain.store = ChainStore::new(chain.disk.clone()).indexed(Indexing::On);
            }
            let live: usize =
                chain.store.runs.list(&*chain.disk).unwrap().iter().map(|run| run.chunks()).sum();
            let all = left(&chain.disk);
            assert!(all <= 3 * live + 64, "{all} for {live} chunks that are needed");
        }
        chain.prune(chain.height + 1);
        (0..100).for_each(|_| chain.grow(0));
        assert_eq!(left(&chain.disk), 0);
    }
}

#[test]
fn runs_that_overlap_are_damage() {
    let mut chain = Chain::new(5);
    (0..3).for_each(|_| chain.grow(2));
    let run = |from: u64, to: u64| run_key(Heights { from: Height(from), to: Height(to) });
    let summary = chain.disk.get(Table::Index, &run(2, 2)).unwrap().unwrap();
    let mut batch = Batch::new();
    batch.put(Table::Index, run(1, 2), summary);
    chain.disk.write(batch).unwrap();
    let found = ChainStore::new(chain.disk.clone()).tx_location(&tx(1)).unwrap_err();
    assert!(found.to_string().contains("runs of the index overlap"), "{found}");
}
