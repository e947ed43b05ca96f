//! A block that is finalized is not yet there.

use crate::conformance::chain::Chain;
use crate::conformance::instance::{Seen, ensure, fail};
use crate::conformance::samples::BlockSample;
use crate::conformance::trial::Trial;

pub(super) fn finalizing_again_gives_the_same(trial: &Trial<'_>) -> Seen {
    let chain = Chain::begun(&trial.samples)?;
    for (nth, block) in trial.samples.blocks.iter().enumerate() {
        trial.same_block(nth, &chain.finalize(nth)?, "finalized the first time")?;
        trial.same_block(nth, &chain.finalize(nth)?, "finalized again")?;
        let other = BlockSample { txs: Vec::new(), ..block.clone() };
        if let Err(error) = chain.app.finalize_block(&other)? {
            return fail(format!(
                "finalize_block of another block for height {} failed: {error}",
                block.height
            ));
        }
        chain.execute(trial, nth, "finalized after another block for that height")?;
        trial.same_hash(
            nth + 1,
            &chain.app.info()?.app_hash,
            "committed, having been finalized three times",
        )?;
    }
    trial.same_answers(trial.blocks.len(), &chain.answers()?, "with all blocks finalized three times")
}

pub(super) fn nothing_shows_before_commit(trial: &Trial<'_>) -> Seen {
    let chain = Chain::begun(&trial.samples)?;
    for (nth, block) in trial.samples.blocks.iter().enumerate() {
        let (info, verdicts) = (chain.app.info()?, chain.verdicts()?);
        chain.finalize(nth)?;
        let when = format!("height {} is finalized and not committed", block.height);
        let now = chain.app.info()?;
        ensure(now == info, || format!("{when}: info says {now:?}, before it said {info:?}"))?;
        trial.same_answers(nth, &chain.answers()?, &when)?;
        for (here, there) in chain.verdicts()?.iter().zip(&verdicts) {
            ensure(here == there, || format!("{when}: check_tx of a transaction {here}; before it {there}"))?;
        }
        chain.commit()?;
    }
    Ok(())
}
