//! Proofs of answers.

use crate::conformance::chain::Chain;
use crate::conformance::instance::{Seen, Stop, ensure, fail, guard};
use crate::conformance::trial::Trial;
use crate::{AppHash, Query, QueryResult};

/// What the subject's client says of an answer.
pub(super) fn verify(
    trial: &Trial<'_>,
    q: &Query,
    answer: &QueryResult,
    hash: &AppHash,
) -> Seen<Result<(), String>> {
    guard("Subject::verify", || trial.samples.subject.verify(q, answer, hash))
}

/// The questions whose answers have proofs.
pub(super) fn provable<'t>(trial: &'t Trial<'_>) -> Seen<Vec<&'t Query>> {
    let provable: Vec<_> = trial.samples.questions.iter().filter(|q| q.prove).collect();
    if provable.is_empty() { Err(Stop::NotOffered("no proofs are offered")) } else { Ok(provable) }
}

pub(super) fn proofs_verify(trial: &Trial<'_>) -> Seen {
    let provable = provable(trial)?;
    let mut chain = Chain::begun(&trial.samples)?;
    let newest_verifies = |chain: &Chain<'_>, blocks: usize, when: &str| -> Seen {
        for q in &provable {
            let answer = chain.app.query(q)?;
            if answer.code == 0 {
                holds(trial, q, &answer, blocks, when)?;
            }
        }
        Ok(())
    };
    for blocks in 0..=trial.blocks.len() {
        if blocks > 0 {
            chain.step(blocks - 1)?;
        }
        newest_verifies(&chain, blocks, "asked for the newest state")?;
    }
    for restarted in [false, true] {
        if restarted {
            chain = chain.restarted()?;
            chain.catch_up(trial, trial.blocks.len(), "after a restart")?;
            newest_verifies(&chain, trial.blocks.len(), "asked for the newest state after a restart")?;
        }
        for (nth, block) in trial.samples.blocks.iter().enumerate() {
            for q in &provable {
                // What is not kept is refused, and that is no fault.
                let (q, answer) = chain.proved(q, block.height)?;
                if answer.code == 0 {
                    holds(trial, &q, &answer, nth + 1, "asked for an older height")?;
                }
            }
        }
    }
    let answered = trial.samples.questions.iter().zip(&trial.answers[trial.blocks.len()]);
    match answered
        .filter(|(q, answer)| q.prove && answer.code != 0)
        .map(|(q, answer)| (q, &answer.log))
        .next()
    {
        Some((q, log)) => fail(format!("the question {:?} with a proof is not answered: {log}", q.path)),
        None => Ok(()),
    }
}

fn holds(trial: &Trial<'_>, q: &Query, answer: &QueryResult, blocks: usize, when: &str) -> Seen {
    let height = trial.samples.height_after(blocks);
    ensure(answer.proof.is_some() || !answer.proof_ops.is_empty(), || {
        format!("{when}: {:?} is answered for height {height} without a proof", q.path)
    })?;
    match verify(trial, q, answer, trial.hash_after(blocks))? {
        Ok(()) => Ok(()),
        Err(reason) => {
            fail(format!("{when}: the answer to {:?} for height {height} does not verify: {reason}", q.path))
        }
    }
}
