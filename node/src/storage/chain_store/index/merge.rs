//! Makes one run of several, a little with every block: so no block waits for a long merge.

use std::sync::Arc;

use super::run::{Cursor, Heights, Rank, Run, Writer};
use crate::storage::{Batch, Store, StoreError};

/// So many runs of a level become one of the next: an entry is written as often as the logarithm to this base of the number of blocks.
pub(super) const RUNS: usize = 8;

/// Runs next to one another, being merged.
pub(super) struct Merge {
    inputs: Vec<Arc<Run>>,
    /// Those with an entry at hand, and its rank.
    cursors: Vec<(Rank, Cursor)>,
    /// Those that have not been looked at.
    fresh: Vec<Cursor>,
    output: Writer,
}

impl Merge {
    /// Begins to merge these, ascending.
    pub(super) fn new(inputs: &[Arc<Run>], level: u8) -> Self {
        let (first, last) = (inputs.first().expect("there are some"), inputs.last().expect("there are some"));
        let heights = Heights { from: first.heights.from, to: last.heights.to };
        let hashes = inputs.iter().map(|run| run.summary.hashes).sum();
        let bytes = bytes_of(inputs);
        let fresh = inputs.iter().cloned().map(Cursor::new).collect();
        let output = Writer::new(heights, level, bytes, hashes);
        Self { inputs: inputs.to_vec(), cursors: Vec::new(), fresh, output }
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
        bytes_of(&self.inputs)
    }

    /// Merges so many bytes of entries. True: that was all.
    pub(super) fn step(
        &mut self,
        store: &dyn Store,
        batch: &mut Batch,
        bytes: u64,
    ) -> Result<bool, StoreError> {
        for mut cursor in std::mem::take(&mut self.fresh) {
            if let Some(rank) = cursor.fill(store)? {
                self.cursors.push((rank, cursor));
            }
        }
        let mut done = 0;
        while done < bytes {
            // No two have a key in common, as no two runs have a height in common.
            let Some(next) = (0..self.cursors.len()).min_by_key(|nth| self.cursors[*nth].0) else {
                return Ok(true);
            };
            let (rank, cursor) = &mut self.cursors[next];
            if let Some(entry) = cursor.peek() {
                self.output.put(batch, entry);
                done += entry.len();
            }
            cursor.pass();
            match cursor.fill(store)? {
                Some(following) => *rank = following,
                None => drop(self.cursors.swap_remove(next)),
            }
        }
        Ok(false)
    }

    /// The run, after the last step.
    pub(super) fn end(self, batch: &mut Batch) -> Run {
        self.output.end(batch)
    }
}

fn bytes_of(runs: &[Arc<Run>]) -> u64 {
    runs.iter().fold(0, |bytes, run| bytes.saturating_add(run.summary.bytes))
}
