//! Restarts and crashes between any two calls.

use crate::conformance::chain::Chain;
use crate::conformance::instance::{Seen, Stop, ensure};
use crate::conformance::trial::Trial;

pub(super) fn restarts_change_nothing(trial: &Trial<'_>) -> Seen {
    let mut chain = Chain::begun(&trial.samples)?.restarted()?;
    for nth in 0..trial.blocks.len() {
        let when = format!("restarted {} times", nth + 1);
        // An application that kept nothing is brought here again, one that kept all executes one block.
        chain.catch_up(trial, nth, &when)?;
        chain.execute(trial, nth, &when)?;
        chain = chain.restarted()?;
    }
    chain.go_on(trial, trial.blocks.len(), "restarted after the last block")
}

pub(super) fn crashes_are_replayed(trial: &Trial<'_>) -> Seen {
    let samples = &trial.samples;
    Chain::fresh(samples)?.restarted()?.go_on(trial, 0, "started twice before init_chain")?;
    Chain::begun(samples)?.restarted()?.go_on(trial, 0, "after a crash behind init_chain")?;
    for nth in 0..trial.blocks.len() {
        let height = samples.blocks[nth].height;
        let chain = Chain::after(samples, nth)?;
        chain.finalize(nth)?;
        // Twice: the second start finds what the first one and its crash left.
        let chain = chain.restarted()?;
        let when = format!("after a crash behind finalize_block of height {height}");
        chain.catch_up(trial, nth, &when)?;
        chain.finalize(nth)?;
        chain.restarted()?.go_on(trial, nth, &when)?;

        let when = format!("after a crash behind commit of height {height}");
        Chain::after(samples, nth + 1)?.restarted()?.go_on(trial, nth + 1, &when)?;
    }
    Ok(())
}

pub(super) fn commits_are_durable(trial: &Trial<'_>) -> Seen {
    if !trial.samples.subject.keeps_state() {
        return Err(Stop::NotOffered("its state does not outlive a restart"));
    }
    let mut chain = Chain::begun(&trial.samples)?;
    for blocks in 0..=trial.blocks.len() {
        let height = trial.samples.height_after(blocks);
        chain = chain.restarted()?;
        if blocks == 0 && !trial.samples.subject.tells_of_genesis() {
            chain.catch_up(trial, 0, "after a restart")?;
            chain.step(0)?;
            continue;
        }
        let info = chain.app.info()?;
        ensure(info.initialised && info.last_height == height, || {
            let (initialised, found) = (info.initialised, info.last_height);
            format!(
                "height {height} was committed; after a restart info says initialised {initialised}, height {found}"
            )
        })?;
        trial.same_hash(blocks, &info.app_hash, "after a restart")?;
        trial.same_answers(blocks, &chain.answers()?, "after a restart")?;
        if blocks < trial.blocks.len() {
            chain.step(blocks)?;
        }
    }
    Ok(())
}
