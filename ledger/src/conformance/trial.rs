//! The plain run, and how another is compared with it.

use super::Subject;
use super::chain::Chain;
use super::instance::{Seen, ensure};
use super::samples::Samples;
use crate::{AppHash, FinalizedBlock, Info, QueryResult, TxResult};

/// The samples, and what a first instance made of them without any disturbance.
pub(super) struct Trial<'s> {
    pub(super) samples: Samples<'s>,
    /// What `info` said before genesis, after it, and after each block.
    pub(super) infos: Vec<Info>,
    pub(super) genesis_hash: AppHash,
    pub(super) blocks: Vec<FinalizedBlock>,
    /// What the questions were answered after genesis and after each block.
    pub(super) answers: Vec<Vec<QueryResult>>,
}

impl<'s> Trial<'s> {
    pub(super) fn of(subject: &'s dyn Subject) -> Seen<Self> {
        let samples = Samples::of(subject);
        let (infos, genesis_hash, blocks) = plain(&samples)?;
        let answers = answers(&samples)?;
        Ok(Self { samples, infos, genesis_hash, blocks, answers })
    }

    /// The hash after so many blocks.
    pub(super) fn hash_after(&self, blocks: usize) -> &AppHash {
        blocks.checked_sub(1).map_or(&self.genesis_hash, |nth| &self.blocks[nth].app_hash)
    }

    /// Whether the hash after so many blocks is that of the plain run.
    pub(super) fn same_hash(&self, blocks: usize, found: &AppHash, when: &str) -> Seen {
        let expected = self.hash_after(blocks);
        ensure(found == expected, || {
            let height = self.samples.height_after(blocks);
            format!(
                "{when}: the application hash of height {height} is {found}, in a plain run it was {expected}"
            )
        })
    }

    /// Whether a block came to what it came to in the plain run, in all that validators vouch for.
    pub(super) fn same_block(&self, nth: usize, found: &FinalizedBlock, when: &str) -> Seen {
        let (expected, height) = (&self.blocks[nth], self.samples.blocks[nth].height);
        let (here, there) = (&found.tx_results, &expected.tx_results);
        ensure(here.len() == there.len(), || {
            format!("{when}: height {height} has {} results, in a plain run {}", here.len(), there.len())
        })?;
        for (tx, (here, there)) in here.iter().zip(there).enumerate() {
            ensure(here.results_leaf() == there.results_leaf(), || {
                let (here, there) = (shown(here), shown(there));
                format!("{when}: transaction {tx} of height {height} gave {here}, in a plain run {there}")
            })?;
        }
        ensure(found.validator_updates == expected.validator_updates, || {
            let (here, there) = (&found.validator_updates, &expected.validator_updates);
            format!("{when}: height {height} gave the validator updates {here:?}, in a plain run {there:?}")
        })?;
        ensure(found.param_updates == expected.param_updates, || {
            let (here, there) = (&found.param_updates, &expected.param_updates);
            format!("{when}: height {height} gave the parameter updates {here:?}, in a plain run {there:?}")
        })?;
        self.same_hash(nth + 1, &found.app_hash, when)
    }

    /// Whether these are the answers of the plain run after so many blocks.
    pub(super) fn same_answers(&self, blocks: usize, found: &[QueryResult], when: &str) -> Seen {
        let expected = &self.answers[blocks];
        for (nth, (here, there)) in found.iter().zip(expected).enumerate() {
            same_answer(here, there, || {
                let q = &self.samples.questions[nth];
                format!("{when}: the answer to {:?} at height {}", q.path, self.samples.height_after(blocks))
            })?;
        }
        Ok(())
    }
}

/// The run with which all others are compared: nothing is asked in it but `info`.
fn plain(samples: &Samples<'_>) -> Seen<(Vec<Info>, AppHash, Vec<FinalizedBlock>)> {
    let chain = Chain::fresh(samples)?;
    let mut infos = vec![chain.app.info()?];
    let genesis_hash = chain.init()?;
    infos.push(chain.app.info()?);
    let mut blocks = Vec::new();
    for nth in 0..samples.blocks.len() {
        blocks.push(chain.finalize(nth)?);
        chain.commit()?;
        infos.push(chain.app.info()?);
    }
    Ok((infos, genesis_hash, blocks))
}

/// What another instance answers, after genesis and after each block.
fn answers(samples: &Samples<'_>) -> Seen<Vec<Vec<QueryResult>>> {
    let chain = Chain::begun(samples)?;
    let mut answers = vec![chain.answers()?];
    for nth in 0..samples.blocks.len() {
        chain.step(nth)?;
        answers.push(chain.answers()?);
    }
    Ok(answers)
}

/// Whether two answers say the same; the words and the proof may differ.
pub(super) fn same_answer(here: &QueryResult, there: &QueryResult, what: impl FnOnce() -> String) -> Seen {
    let parts = |one: &QueryResult| (one.code, one.height, one.key.clone(), one.value.clone());
    ensure(parts(here) == parts(there), || {
        let shown = |one: &QueryResult| {
            let value = hex::encode(&one.value[..one.value.len().min(40)]);
            format!("code {}, height {}, value {value:?}", one.code, one.height)
        };
        format!("{} is {}, before it was {}", what(), shown(here), shown(there))
    })
}

fn shown(result: &TxResult) -> String {
    let TxResult { code, data, gas_wanted, gas_used, .. } = result;
    format!("code {code}, data {:?}, gas {gas_used} of {gas_wanted}", hex::encode(data))
}
