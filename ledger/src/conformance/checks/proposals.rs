//! Blocks of the application's making.

use std::collections::BTreeSet;

use crate::Bytes;
use crate::conformance::chain::Chain;
use crate::conformance::instance::{Seen, ensure, fail};
use crate::conformance::samples::BlockSample;
use crate::conformance::trial::Trial;

/// All transactions of the samples, to be proposed at each height in turn.
fn pool(trial: &Trial<'_>, nth: usize) -> BlockSample {
    BlockSample { txs: trial.samples.txs(), ..trial.samples.blocks[nth].clone() }
}

/// Limits around those where one transaction more or less fits.
fn limits(txs: &[Bytes]) -> BTreeSet<usize> {
    let total: usize = txs.iter().map(Vec::len).sum();
    let first = txs.first().map_or(0, Vec::len);
    let around = |n: usize| [n.saturating_sub(1), n, n + 1];
    [0, first, total / 2, total].into_iter().flat_map(around).chain([usize::MAX]).collect()
}

pub(super) fn proposals_are_in_bounds(trial: &Trial<'_>) -> Seen {
    let chain = Chain::begun(&trial.samples)?;
    for nth in 0..trial.blocks.len() {
        let pool = pool(trial, nth);
        for max_bytes in limits(&pool.txs) {
            let chosen = chain.app.prepare_proposal(&pool, max_bytes)?;
            let what = format!("prepare_proposal for height {} and {max_bytes} bytes gave", pool.height);
            let bytes: usize = chosen.iter().map(Vec::len).sum();
            ensure(bytes <= max_bytes, || format!("{what} {bytes} bytes"))?;
            let distinct: BTreeSet<&Bytes> = chosen.iter().collect();
            ensure(distinct.len() == chosen.len(), || format!("{what} a transaction twice"))?;
            let verdicts = chain.app.precheck(&chosen)?;
            if let Some(refusal) = verdicts.iter().find_map(|verdict| verdict.as_ref().err()) {
                return fail(format!("{what} a transaction that precheck refuses: {refusal}"));
            }
        }
        chain.step(nth)?;
    }
    Ok(())
}

pub(super) fn proposals_are_accepted(trial: &Trial<'_>) -> Seen {
    let (leader, voter) = (Chain::begun(&trial.samples)?, Chain::begun(&trial.samples)?);
    for nth in 0..trial.blocks.len() {
        let pool = pool(trial, nth);
        for max_bytes in limits(&pool.txs) {
            let txs = leader.app.prepare_proposal(&pool, max_bytes)?;
            let block = BlockSample { txs, ..pool.clone() };
            for (who, chain) in [("another instance", &voter), ("the same instance", &leader)] {
                if let Err(reason) = chain.app.process_proposal(&block)? {
                    let (height, txs) = (pool.height, block.txs.len());
                    let what = format!("process_proposal on {who} refuses the {txs} transactions");
                    return fail(format!("{what} that prepare_proposal gave for height {height}: {reason}"));
                }
            }
        }
        // Blocks of others' making may be refused, but by all or by none.
        let block = &trial.samples.blocks[nth];
        let (here, there) = (leader.app.process_proposal(block)?, voter.app.process_proposal(block)?);
        ensure(here.is_ok() == there.is_ok(), || {
            format!(
                "process_proposal at height {} says {here:?} on one instance, {there:?} on another",
                block.height
            )
        })?;
        leader.step(nth)?;
        voter.step(nth)?;
    }
    Ok(())
}
