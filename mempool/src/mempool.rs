//! The state machine, and the questions a driver may ask it.

mod admission;
mod blocks;

use althing_crypto::TxHash;

use crate::in_flight::{Flight, InFlight, Stage};
use crate::pool::Pool;
use crate::recent::Recent;
use crate::rechecks::Rechecks;
use crate::{Action, Input, Limits, Refusal, Status, TxBytes};

/// The pool of pending transactions. See the [crate's documentation](crate) for its rules.
#[derive(Clone, Debug, Hash)]
pub struct Mempool {
    pool: Pool,
    in_flight: InFlight,
    rechecks: Rechecks,
    /// Refusals of `precheck`. They have a place of their own, so that garbage displaces nothing but garbage.
    refused: Recent<Refusal>,
    committed: Recent<u64>,
    dropped: Recent<Refusal>,
    /// The newest committed height, and the newest executed one.
    height: u64,
    executed: u64,
    had_work: bool,
}

impl Mempool {
    /// An empty pool. `height` is the newest executed block's (0 on a fresh chain); blocks that are committed beyond
    /// it, and older ones for the replay cache, are told by [`Input::Committed`].
    pub fn new(limits: Limits, height: u64) -> Self {
        let seed = limits.seed;
        Mempool {
            in_flight: InFlight::new(seed),
            rechecks: Rechecks::new(seed),
            refused: Recent::new(limits.verdict_cache, seed),
            committed: Recent::new(limits.replay_cache, seed),
            dropped: Recent::new(limits.dropped_cache, seed),
            pool: Pool::new(limits),
            height,
            executed: height,
            had_work: false,
        }
    }

    /// Takes in what happened and tells what is to be done, in this order.
    pub fn step(&mut self, input: Input) -> Vec<Action> {
        let mut out = Vec::with_capacity(match &input {
            Input::Prechecked { results } => results.len(),
            Input::Checked { results } => 2 * results.len(),
            _ => 0,
        });
        match input {
            Input::Submit { source, txs } => self.submit(source, txs, &mut out),
            Input::Prechecked { results } => {
                for (hash, result) in results {
                    self.prechecked_one(hash, result, &mut out);
                }
            }
            Input::Checked { results } => {
                for (hash, result) in results {
                    self.checked(hash, result, &mut out);
                }
            }
            Input::Committed { height, txs } => self.commit(height, &txs, &mut out),
            Input::Executed { height } => {
                self.executed = self.executed.max(height);
                self.height = self.height.max(height);
                self.rechecks.executed(height);
            }
            Input::MaxTxBytes(max) => self.pool.set_max_tx_bytes(max),
        }
        self.ask_rechecks(&mut out);
        for (hash, refusal) in self.pool.take_dropped() {
            self.dropped.insert(hash, refusal.clone());
            out.push(Action::Dropped { hash, refusal });
        }
        if self.has_work() != self.had_work {
            self.had_work = self.has_work();
            out.push(Action::WorkChanged(self.had_work));
        }
        out
    }

    /// The transactions for a block, in the order they are to have in it: at most `max_count`, whose bytes sum up to
    /// at most `max_bytes`. Those of a sender follow one another from its next sequence without a gap. What `exclude`
    /// names is already carried by an ancestor of the block: it is left out, and what follows it may be taken.
    pub fn batch(
        &self,
        max_bytes: usize,
        max_count: usize,
        exclude: &dyn Fn(&TxHash) -> bool,
    ) -> Vec<(TxHash, TxBytes)> {
        self.pool.batch(max_bytes, max_count, exclude)
    }

    /// The bytes of a transaction that is pending or awaits its verdict.
    pub fn get(&self, hash: &TxHash) -> Option<TxBytes> {
        let pending = self.pool.get(hash).map(|entry| &entry.bytes);
        pending.or_else(|| self.in_flight.get(hash).map(|flight| &flight.bytes)).cloned()
    }

    /// The bytes of a transaction that is pending or awaits its verdict, and whether it is known that it passed `precheck`.
    pub fn known(&self, hash: &TxHash) -> Option<(TxBytes, bool)> {
        match self.pool.get(hash) {
            Some(entry) => Some((entry.bytes.clone(), true)),
            None => self.in_flight.get(hash).map(|flight| (flight.bytes.clone(), is_prechecked(flight))),
        }
    }

    /// The remembered verdict of `precheck`, true if the transaction passed. `None`: it must be prechecked, and the
    /// verdict told by [`Input::Prechecked`].
    pub fn prechecked(&self, hash: &TxHash) -> Option<bool> {
        if self.pool.get(hash).is_some()
            || self.in_flight.get(hash).is_some_and(is_prechecked)
            || self.pool.admitted.get(hash).is_some()
        {
            return Some(true);
        }
        self.refused.get(hash).map(|_| false)
    }

    /// Where a transaction stands.
    pub fn status(&self, hash: &TxHash) -> Status {
        if let Some(height) = self.committed.get(hash) {
            return Status::Committed { height: *height };
        }
        if let Some(entry) = self.pool.get(hash) {
            return self.pool.missing(entry).map_or(Status::Ready, |missing| Status::Held { missing });
        }
        if self.in_flight.get(hash).is_some() {
            return Status::Checking;
        }
        self.dropped.get(hash).map_or(Status::Unknown, |refusal| Status::Dropped(refusal.clone()))
    }

    /// Whether a batch would hold anything.
    pub fn has_work(&self) -> bool {
        self.pool.has_ready()
    }

    /// Transactions in the pool.
    pub fn len(&self) -> usize {
        self.pool.used().txs
    }

    /// Whether the pool has no transaction.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of the transactions in the pool.
    pub fn bytes(&self) -> usize {
        self.pool.used().bytes
    }

    /// Transactions in the pool that wait for an earlier sequence of their sender.
    pub fn held(&self) -> usize {
        self.pool.held().txs
    }

    /// The most transactions in the pool that one sender has.
    pub fn largest_sender(&self) -> usize {
        self.pool.largest_sender()
    }

    /// Transactions that await the application's verdict.
    pub fn in_flight(&self) -> usize {
        self.in_flight.len()
    }

    /// The bounds it keeps.
    pub fn limits(&self) -> &Limits {
        self.pool.limits()
    }
}

fn is_prechecked(flight: &Flight) -> bool {
    matches!(flight.stage, Stage::Check { .. })
}

#[cfg(test)]
mod tests;
