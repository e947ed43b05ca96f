//! Makes one run of several, a little with every block: so no block waits for a long merge.

use std::sync::Arc;

use super::run::{Cursor, Heights, Run, Writer, entry_bytes};
use crate::storage::{Batch, Store, StoreError};

/// So many runs of a level become one of the next: an entry is written as often as the logarithm to this base of the number of blocks.
pub(super) const RUNS: usize = 8;

/// Runs next to one another, being merged.
pub(super) struct Merge {
    inputs: Vec<Arc<Run>>,
    cursors: Vec<Cursor>,
    output: Writer,
}

impl Merge {
    /// Begins to merge these, ascending.
    pub(super) fn new(inputs: &[Arc<Run>], level: u8) -> Self {
        let (first, last) = (inputs.first().expect("there are some"), inputs.last().expect("there are some"));
        let heights = Heights { from: first.heights.from, to: last.heights.to };
        let hashes = inputs.iter().map(|run| run.summary.hashes).sum();
        let cursors = inputs.iter().cloned().map(Cursor::new).collect();
        Self { inputs: inputs.to_vec(), cursors, output: Writer::new(heights, level, hashes) }
    }

    /// The heights of the run that it makes.
    pub(super) fn heights(&self) -> Heights {
        self.output.heights()
    }

    /// What becomes of these.
    pub(super) fn inputs(&self) -> &[Arc<Run>] {
        &self.inputs
    }

    /// Bytes of all entries.
    pub(super) fn bytes(&self) -> u64 {
        self.inputs.iter().fold(0, |bytes, run| bytes.saturating_add(run.summary.bytes))
    }

    /// Merges so many bytes of entries. True: that was all.
    pub(super) fn step(
        &mut self,
        store: &dyn Store,
        batch: &mut Batch,
        bytes: u64,
    ) -> Result<bool, StoreError> {
        for cursor in &mut self.cursors {
            cursor.fill(store)?;
        }
        self.cursors.retain(|cursor| cursor.peek().is_some());
        let mut done = 0;
        while done < bytes {
            // No two have a key in common, as no two runs have a height in common.
            let key = |cursor: &Cursor| cursor.peek().map(|entry| *entry.key());
            let Some(next) = (0..self.cursors.len()).min_by_key(|nth| key(&self.cursors[*nth])) else {
                return Ok(true);
            };
            let cursor = &mut self.cursors[next];
            if let Some(entry) = cursor.peek() {
                self.output.put(batch, entry.key(), entry.value());
                done += entry_bytes(entry.value());
            }
            cursor.pass();
            cursor.fill(store)?;
            if cursor.peek().is_none() {
                self.cursors.remove(next);
            }
        }
        Ok(false)
    }

    /// The run, after the last step.
    pub(super) fn end(self, batch: &mut Batch) -> Run {
        self.output.end(batch)
    }
}
