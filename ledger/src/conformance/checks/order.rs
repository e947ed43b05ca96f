//! Calls that come at the wrong time.

use crate::InitChain;
use crate::conformance::chain::Chain;
use crate::conformance::instance::{Seen, Stop, fail};
use crate::conformance::samples::BlockSample;
use crate::conformance::trial::Trial;

pub(super) fn heights_are_contiguous(trial: &Trial<'_>) -> Seen {
    let samples = &trial.samples;
    let refused = |chain: &Chain<'_>, height: u64, nth: usize, when: &str| {
        let block = BlockSample { height, ..samples.blocks[nth].clone() };
        match chain.app.finalize_block(&block)? {
            Ok(_) => fail(format!("{when}: finalize_block takes height {height}")),
            Err(_) => Ok(()),
        }
    };
    // A node ends with the first error, so after each there is a restart.
    let mut chain = Chain::fresh(samples)?;
    refused(&chain, samples.blocks[0].height, 0, "before init_chain")?;
    for (nth, block) in samples.blocks.iter().enumerate() {
        let when = format!("height {} comes next", block.height);
        let wrong = [
            0,
            block.height - 1,
            block.height.saturating_add(1),
            block.height.saturating_add(1_000),
            u64::MAX,
        ];
        for height in wrong.into_iter().filter(|height| *height != block.height) {
            chain = chain.restarted()?;
            chain.catch_up(trial, nth, "after another height was refused")?;
            refused(&chain, height, nth, &when)?;
        }
        chain = chain.restarted()?;
        chain.catch_up(trial, nth, "after other heights were refused")?;
        chain.step(nth)?;
    }
    Ok(())
}

pub(super) fn commits_need_a_block(trial: &Trial<'_>) -> Seen {
    let refused = |chain: &Chain<'_>, when: &str| match chain.app.commit()? {
        Ok(()) => fail(format!("commit {when} succeeds, with nothing to commit")),
        Err(_) => Ok(()),
    };
    let chain = Chain::fresh(&trial.samples)?;
    refused(&chain, "before init_chain")?;
    let chain = chain.restarted()?;
    chain.init()?;
    refused(&chain, "after init_chain")?;
    let chain = chain.restarted()?;
    chain.catch_up(trial, 0, "after a commit was refused")?;
    chain.step(0)?;
    refused(&chain, "after a commit")?;
    let chain = chain.restarted()?;
    chain.catch_up(trial, 1, "after a commit was refused")?;
    chain.finalize(1)?;
    refused(&chain.restarted()?, "after a crash behind finalize_block")
}

pub(super) fn genesis_again_gives_the_same(trial: &Trial<'_>) -> Seen {
    let chain = Chain::begun(&trial.samples)?;
    let again = |chain: &Chain<'_>, when: &str| match chain.app.init_chain(&trial.samples.genesis)? {
        Ok(again) => trial.same_hash(0, &again.app_hash, when),
        Err(error) => fail(format!("{when}: init_chain with the same genesis is refused: {error}")),
    };
    again(&chain, "called twice in a row")?;
    let chain = chain.restarted()?;
    again(&chain, "after a restart")?;
    let other = BlockSample { txs: Vec::new(), ..trial.samples.blocks[0].clone() };
    if let Err(error) = chain.app.finalize_block(&other)? {
        return fail(format!("finalize_block of an empty first block failed: {error}"));
    }
    again(&chain, "after a block was finalized and not committed")?;
    chain.go_on(trial, 0, "after init_chain was called again")
}

pub(super) fn other_genesis_is_refused(trial: &Trial<'_>) -> Seen {
    let Some(other) = trial.samples.subject.other_genesis() else {
        return Err(Stop::NotOffered("it does not tell one genesis from another"));
    };
    let chain = Chain::fresh(&trial.samples)?;
    if let Err(error) = chain.app.init_chain(&other)? {
        return fail(format!(
            "Subject::other_genesis is to be one that a fresh application accepts: {error}"
        ));
    }
    let mut chain = Chain::begun(&trial.samples)?;
    for when in ["after init_chain", "after a restart"] {
        if chain.app.init_chain(&other)?.is_ok() {
            return fail(format!("{when} with one genesis, init_chain accepts another"));
        }
        chain = chain.restarted()?;
        chain.catch_up(trial, 0, "after another genesis was refused")?;
    }
    chain.go_on(trial, 0, "after another genesis was refused")
}

pub(super) fn genesis_after_a_block_is_refused(trial: &Trial<'_>) -> Seen {
    let chain = Chain::after(&trial.samples, 1)?;
    let genesis: &InitChain = &trial.samples.genesis;
    if chain.app.init_chain(genesis)?.is_ok() {
        return fail(format!(
            "height {} is committed, and init_chain is accepted",
            trial.samples.height_after(1)
        ));
    }
    chain.restarted()?.go_on(trial, 1, "after init_chain was refused")
}
