//! What a block, or a direct resend, takes from the pool.

use std::collections::BTreeSet;

use althing_crypto::{TxHash, mutant};

use super::Pool;
use crate::TxBytes;
use crate::sender::Sender;

/// How many transactions that do not fit into the rest of a batch are passed over in search of smaller ones.
const MAX_PASSED_OVER: usize = 16;

impl Pool {
    pub(crate) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// See [`Mempool::batch`](crate::Mempool::batch).
    pub(crate) fn batch(
        &self,
        max_bytes: usize,
        max_count: usize,
        exclude: &dyn Fn(&TxHash) -> bool,
    ) -> Vec<(TxHash, TxBytes)> {
        let mut batch = Vec::new();
        let mut rest = max_bytes;
        let mut passed_over = 0;
        let mut stopped: BTreeSet<&Sender> = BTreeSet::new();
        for slot in self.ready.values() {
            let entry = &self.entries[*slot];
            let ordered_by = entry.sender.as_ref().filter(|_| entry.sequence.is_some());
            if batch.len() == max_count || passed_over == MAX_PASSED_OVER {
                break;
            }
            if ordered_by.is_some_and(|sender| stopped.contains(sender))
                || (exclude(&entry.hash) && !mutant!("ancestors_transactions_chosen_again"))
            {
                continue;
            }
            if entry.bytes.len() <= rest {
                rest -= entry.bytes.len();
                batch.push((entry.hash, entry.bytes.clone()));
                continue;
            }
            // What follows it in its sender's order must not overtake it.
            stopped.extend(ordered_by);
            // One larger than any batch must not stop those behind it for ever.
            if entry.bytes.len() <= max_bytes {
                passed_over += 1;
            }
        }
        batch
    }
}
