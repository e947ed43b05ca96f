//! What all others stand on: blocks execute, the same everywhere, and `info` says so.

use crate::conformance::chain::Chain;
use crate::conformance::instance::{Seen, ensure, fail};
use crate::conformance::trial::Trial;
use crate::{AppHash, Event, Info, TxResult};

/// The plain run is over: what is left to see is whether it shows anything.
pub(super) fn blocks_execute(trial: &Trial<'_>) -> Seen {
    let blocks = &trial.samples.blocks;
    ensure(blocks.len() >= 2, || format!("Subject::blocks gives {} blocks: give two or more", blocks.len()))?;
    let chain = Chain::begun(&trial.samples)?;
    for block in blocks {
        let verdicts = chain.app.precheck(&block.txs)?;
        for (nth, verdict) in verdicts.iter().enumerate() {
            if let Err(refusal) = verdict {
                let at = format!("transaction {nth} of height {}", block.height);
                return fail(format!("{at} can be in no block, as precheck refuses it: {refusal}"));
            }
        }
    }
    let mut results = trial.blocks.iter().flat_map(|block| &block.tx_results);
    ensure(results.any(|result| result.code == 0), || {
        "all transactions of Subject::blocks fail: give some that succeed".to_owned()
    })
}

pub(super) fn instances_agree(trial: &Trial<'_>) -> Seen {
    let when = "on a second instance";
    let chain = Chain::fresh(&trial.samples)?;
    trial.same_hash(0, &chain.init()?, when)?;
    (0..trial.blocks.len()).try_for_each(|nth| chain.execute(trial, nth, when))
}

pub(super) fn words_agree(trial: &Trial<'_>) -> Seen {
    let chain = Chain::begun(&trial.samples)?;
    for (nth, expected) in trial.blocks.iter().enumerate() {
        let found = chain.finalize(nth)?;
        chain.commit()?;
        let height = trial.samples.blocks[nth].height;
        let words = |result: &TxResult| -> (String, String, Vec<Event>) {
            (result.codespace.clone(), result.log.clone(), result.events.clone())
        };
        for (tx, (here, there)) in found.tx_results.iter().zip(&expected.tx_results).enumerate() {
            ensure(words(here) == words(there), || {
                let (here, there) = (words(here), words(there));
                format!("transaction {tx} of height {height} gave {here:?}, on another instance {there:?}")
            })?;
        }
        ensure(found.events == expected.events, || {
            let (here, there) = (&found.events, &expected.events);
            format!("height {height} gave the events {here:?}, on another instance {there:?}")
        })?;
    }
    Ok(())
}

pub(super) fn one_result_per_transaction(trial: &Trial<'_>) -> Seen {
    for (block, finalized) in trial.samples.blocks.iter().zip(&trial.blocks) {
        let (txs, results) = (block.txs.len(), finalized.tx_results.len());
        ensure(txs == results, || {
            format!("finalize_block of height {} gave {results} results for {txs} transactions", block.height)
        })?;
    }
    Ok(())
}

pub(super) fn info_is_true(trial: &Trial<'_>) -> Seen {
    let expect = |info: &Info, when: String, initialised: bool, height: u64, hash: &AppHash| {
        if height == 0 && !trial.samples.subject.tells_of_genesis() {
            let found = info.last_height;
            return ensure(found == 0, || format!("{when} info names height {found}, there is none yet"));
        }
        let found = (info.initialised, info.last_height, &info.app_hash);
        ensure(found == (initialised, height, hash), || {
            format!(
                "{when} info says initialised {}, height {}, hash {:?}; true is {initialised}, {height}, {hash:?}",
                found.0, found.1, found.2
            )
        })
    };
    let (before, after) = trial.infos.split_first().ok_or(()).or_else(|()| fail("there was no plain run"))?;
    expect(before, "before init_chain".to_owned(), false, 0, &AppHash::default())?;
    for (blocks, info) in after.iter().enumerate() {
        let height = trial.samples.height_after(blocks);
        let when = if blocks == 0 {
            "after init_chain".to_owned()
        } else {
            format!("after commit of height {height}")
        };
        expect(info, when, true, height, trial.hash_after(blocks))?;
    }
    Ok(())
}

pub(super) fn answers_name_their_height(trial: &Trial<'_>) -> Seen {
    for (blocks, answers) in trial.answers.iter().enumerate() {
        let height = trial.samples.height_after(blocks);
        for (q, answer) in trial.samples.questions.iter().zip(answers).filter(|(_, answer)| answer.code == 0)
        {
            ensure(answer.height == height, || {
                format!("after height {height}, the answer to {:?} names height {}", q.path, answer.height)
            })?;
        }
    }
    Ok(())
}
