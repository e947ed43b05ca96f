//! Whoever asks changes nothing.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::CheckKind;
use crate::conformance::chain::Chain;
use crate::conformance::instance::{Seen, Stop, ensure, fail};
use crate::conformance::trial::{Trial, same_answer};

/// Executes all blocks with `ask` called wherever a node might, and holds results and answers to the plain run.
fn amid(trial: &Trial<'_>, method: &str, ask: impl Fn(&Chain<'_>) -> Seen) -> Seen {
    let when = format!("with {method} called in between");
    let chain = Chain::begun(&trial.samples)?;
    ask(&chain)?;
    for nth in 0..trial.blocks.len() {
        trial.same_block(nth, &chain.finalize(nth)?, &when)?;
        ask(&chain)?;
        chain.commit()?;
        trial.same_hash(nth + 1, &chain.app.info()?.app_hash, &when)?;
        ask(&chain)?;
    }
    trial.same_answers(trial.blocks.len(), &chain.answers()?, &when)
}

pub(super) fn check_tx_changes_nothing(trial: &Trial<'_>) -> Seen {
    let txs = trial.samples.txs();
    amid(trial, "check_tx", |chain| {
        let first = chain.verdicts()?;
        for tx in &txs {
            let _verdict = chain.app.check_tx(tx, CheckKind::Recheck)?;
        }
        let (first, second) = (first, chain.verdicts()?);
        match first.iter().zip(&second).find(|(first, second)| first != second) {
            Some((first, second)) => {
                fail(format!("check_tx of a transaction first {first}, asked again {second}"))
            }
            None => Ok(()),
        }
    })
}

pub(super) fn precheck_changes_nothing(trial: &Trial<'_>) -> Seen {
    let txs = trial.samples.txs();
    amid(trial, "precheck", |chain| {
        chain.app.precheck(&txs)?;
        chain.app.precheck(&txs).map(|_| ())
    })
}

pub(super) fn query_changes_nothing(trial: &Trial<'_>) -> Seen {
    if trial.samples.questions.is_empty() {
        return Err(Stop::NotOffered("no questions to ask"));
    }
    amid(trial, "query", |chain| {
        let (first, second) = (chain.answers()?, chain.answers()?);
        for (q, (first, second)) in trial.samples.questions.iter().zip(first.iter().zip(&second)) {
            same_answer(second, first, || format!("asked {:?} again, the answer", q.path))?;
        }
        Ok(())
    })
}

pub(super) fn proposals_change_nothing(trial: &Trial<'_>) -> Seen {
    amid(trial, "prepare_proposal and process_proposal", |chain| {
        let committed = trial.samples.committed(&chain.app.info()?)?;
        for block in trial.samples.blocks.iter().skip(committed).take(1) {
            for max_bytes in [0, 100, usize::MAX] {
                chain.app.prepare_proposal(block, max_bytes)?;
                let _verdict = chain.app.process_proposal(block)?;
            }
        }
        Ok(())
    })
}

pub(super) fn questions_beside_execution(trial: &Trial<'_>) -> Seen {
    if trial.samples.questions.is_empty() {
        return Err(Stop::NotOffered("no questions to ask"));
    }
    let chain = Chain::begun(&trial.samples)?;
    let (over, rounds) = (AtomicBool::new(false), AtomicU64::new(0));
    let (app, questions) = (&chain.app, &trial.samples.questions);
    let ask = || -> Seen {
        while !over.load(Ordering::SeqCst) {
            for (nth, q) in questions.iter().enumerate() {
                let answer = app.query(q)?;
                let of_height = |blocks: &usize| trial.samples.height_after(*blocks) == answer.height;
                match (0..=trial.blocks.len()).find(of_height) {
                    _ if answer.code != 0 => {}
                    Some(blocks) => same_answer(&answer, &trial.answers[blocks][nth], || {
                        format!(
                            "asked beside a commit, the answer to {:?} for height {}",
                            q.path, answer.height
                        )
                    })?,
                    None => fail(format!("an answer to {:?} names height {}", q.path, answer.height))?,
                }
            }
            rounds.fetch_add(1, Ordering::SeqCst);
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let asking: Vec<_> = (0..2).map(|_| scope.spawn(ask)).collect();
        let executed = (0..trial.blocks.len()).try_for_each(|nth| {
            // The block comes while all are at it.
            let asked = rounds.load(Ordering::SeqCst);
            while rounds.load(Ordering::SeqCst) < asked + 2 && !asking.iter().any(|one| one.is_finished()) {
                std::thread::yield_now();
            }
            chain.execute(trial, nth, "with questions asked by other threads")
        });
        over.store(true, Ordering::SeqCst);
        let answered = asking.into_iter().try_for_each(|asking| {
            asking.join().unwrap_or_else(|_| fail("a thread that asks questions panicked"))
        });
        executed.and(answered)
    })?;
    let last = trial.blocks.len();
    ensure(chain.app.info()?.last_height == trial.samples.height_after(last), || {
        "with questions asked by other threads, info does not name the last height".to_owned()
    })
}
