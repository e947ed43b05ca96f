//! An application in its place, brought through the sample blocks as a node does it.

use super::Place;
use super::instance::{Instance, Seen, ensure, fail};
use super::samples::Samples;
use super::trial::Trial;
use crate::{AppHash, CheckKind, CheckedTx, FinalizedBlock, Query, QueryResult, TxError};

/// A place and the instance that runs there.
pub(super) struct Chain<'a> {
    pub(super) samples: &'a Samples<'a>,
    place: Place,
    pub(super) app: Instance,
}

impl<'a> Chain<'a> {
    /// An application that has never run.
    pub(super) fn fresh(samples: &'a Samples<'a>) -> Seen<Self> {
        let place = samples.subject.place();
        Ok(Self { app: Instance::start(&place)?, samples, place })
    }

    /// One that has its genesis.
    pub(super) fn begun(samples: &'a Samples<'a>) -> Seen<Self> {
        let chain = Self::fresh(samples)?;
        chain.init()?;
        Ok(chain)
    }

    /// One that has executed so many blocks.
    pub(super) fn after(samples: &'a Samples<'a>, blocks: usize) -> Seen<Self> {
        let chain = Self::begun(samples)?;
        (0..blocks).try_for_each(|nth| chain.step(nth))?;
        Ok(chain)
    }

    /// A crash and a start.
    pub(super) fn restarted(self) -> Seen<Self> {
        let Self { samples, place, app } = self;
        drop(app);
        Ok(Self { app: Instance::start(&place)?, samples, place })
    }

    pub(super) fn init(&self) -> Seen<AppHash> {
        match self.app.init_chain(&self.samples.genesis)? {
            Ok(initial) => Ok(initial.app_hash),
            Err(error) => fail(format!("init_chain does not take the genesis: {error}")),
        }
    }

    pub(super) fn finalize(&self, nth: usize) -> Seen<FinalizedBlock> {
        let block = &self.samples.blocks[nth];
        match self.app.finalize_block(block)? {
            Ok(finalized) => Ok(finalized),
            Err(error) => fail(format!("finalize_block of height {} failed: {error}", block.height)),
        }
    }

    pub(super) fn commit(&self) -> Seen {
        self.app.commit()?.or_else(|error| fail(format!("commit failed: {error}")))
    }

    /// Finalizes and commits a block.
    pub(super) fn step(&self, nth: usize) -> Seen {
        self.finalize(nth)?;
        self.commit()
    }

    /// Finalizes a block, holds it to what the plain run gave, and commits it.
    pub(super) fn execute(&self, trial: &Trial<'_>, nth: usize, when: &str) -> Seen {
        trial.same_block(nth, &self.finalize(nth)?, when)?;
        self.commit()
    }

    /// What a node does at its start, whose store has the results of `executed` blocks (node/src/recovery.rs).
    pub(super) fn catch_up(&self, trial: &Trial<'_>, executed: usize, when: &str) -> Seen {
        let info = self.app.info()?;
        let committed = self.samples.committed(&info)?;
        ensure(committed <= executed, || {
            format!(
                "{when}: info names height {}, of which no commit was begun: a block became durable before its time",
                info.last_height
            )
        })?;
        let found = if info.initialised { info.app_hash } else { self.init()? };
        trial.same_hash(committed, &found, when)?;
        (committed..executed).try_for_each(|nth| self.execute(trial, nth, when))
    }

    /// The same, then all blocks that follow.
    pub(super) fn go_on(&self, trial: &Trial<'_>, executed: usize, when: &str) -> Seen {
        self.catch_up(trial, executed, when)?;
        (executed..self.samples.blocks.len()).try_for_each(|nth| self.execute(trial, nth, when))
    }

    /// The answers to all questions about the newest state.
    pub(super) fn answers(&self) -> Seen<Vec<QueryResult>> {
        self.samples.questions.iter().map(|q| self.app.query(q)).collect()
    }

    /// The answer to a question that has a proof, at a height (0: the newest).
    pub(super) fn proved(&self, q: &Query, height: u64) -> Seen<(Query, QueryResult)> {
        let q = Query { height, ..q.clone() };
        let answer = self.app.query(&q)?;
        Ok((q, answer))
    }

    /// What `check_tx` says of all sample transactions now, in words that can be compared.
    pub(super) fn verdicts(&self) -> Seen<Vec<String>> {
        let words = |verdict| match verdict {
            Ok(CheckedTx { next_sequence }) => {
                format!("accepts it, the next sequence being {next_sequence:?}")
            }
            Err(TxError { code, .. }) => format!("refuses it with code {code}"),
        };
        let txs = self.samples.txs();
        let alone = txs.iter().map(|tx| Ok(words(self.app.check_tx(tx, CheckKind::New)?)));
        let alone: Vec<String> = alone.collect::<Seen<_>>()?;
        let together = self.app.check_txs(&txs)?.into_iter().map(words);
        match alone.iter().zip(together).find(|(alone, together)| *alone != together) {
            Some((alone, together)) => {
                fail(format!("check_tx of a transaction {alone}, check_txs of all {together}"))
            }
            None => Ok(alone),
        }
    }
}
