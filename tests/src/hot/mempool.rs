//! 500 transactions in and out of the pool, where precheck and check cost nothing.

use althing_crypto::TxHash;
use althing_mempool::{Action, Admission, CheckedTx, Input, Limits, Mempool, Source, Tx};

use super::inputs::{BLOCK, transfers};
use super::{Row, Run, run};

pub(super) const PATHS: &[Row] =
    &[("mempool.insert_500", insert), ("mempool.propose_500", propose), ("mempool.commit_500", commit)];

fn empty() -> Mempool {
    Mempool::new(Limits::default(), 0)
}

/// Hands all in, and gives every verdict that is asked for.
fn fill(pool: &mut Mempool, txs: Vec<Vec<u8>>) {
    let txs = txs.into_iter().map(Tx::from).collect();
    let submit = Input::Submit { source: Source::Local { ticket: 1 }, txs };
    for action in pool.step(submit) {
        let Action::Precheck(batch) = action else { continue };
        let verdict = |(hash, _): &(TxHash, _)| {
            // Every sender is another, and this its first.
            let sender = Some(hash.0.as_bytes()[..20].to_vec());
            (*hash, Ok(Admission { sender, sequence: 0, priority: 0, expiry_height: Some(100) }))
        };
        let results = batch.iter().map(verdict).collect();
        let asked = pool.step(Input::Prechecked { results }).into_iter().filter_map(|action| {
            let Action::Check(hash, _) = action else { return None };
            Some((hash, Ok(CheckedTx { next_sequence: Some(0) })))
        });
        let results = asked.collect();
        pool.step(Input::Checked { results });
    }
}

fn full() -> Mempool {
    let mut pool = empty();
    fill(&mut pool, transfers(BLOCK));
    assert_eq!(pool.len(), BLOCK);
    pool
}

fn insert() -> Run {
    let (mut pool, txs) = (empty(), transfers(BLOCK));
    run(move || {
        fill(&mut pool, txs);
        pool
    })
}

fn propose() -> Run {
    let pool = full();
    run(move || {
        let batch = pool.batch(1 << 20, BLOCK, &|_| false);
        assert_eq!(batch.len(), BLOCK);
        (pool, batch)
    })
}

fn commit() -> Run {
    let mut pool = full();
    let txs = transfers(BLOCK).iter().map(|tx| TxHash::of(tx)).collect();
    run(move || {
        pool.step(Input::Committed { height: 1, txs });
        pool.step(Input::Executed { height: 1 });
        assert!(pool.is_empty());
        pool
    })
}
