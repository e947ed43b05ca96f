//! Slips in the mempool.

use super::Mutant;

pub(super) const ALL: &[Mutant] = &[
    Mutant {
        name: "committed_admitted_again",
        slip: "A transaction committed before is admitted again.",
        places: &["mempool/src/mempool/admission.rs"],
        expected: "mempool",
    },
    Mutant {
        name: "pending_lost_on_recheck",
        slip: "A re-check drops the sender's next transaction with those that are used up.",
        places: &["mempool/src/mempool/blocks.rs"],
        expected: "mempool",
    },
    Mutant {
        name: "expired_stays_pending",
        slip: "An expired transaction stays in the pool.",
        places: &["mempool/src/pool.rs"],
        expected: "mempool",
    },
    Mutant {
        name: "gap_in_a_sequence_is_ready",
        slip: "Transactions behind a gap in their sender's sequence are ready.",
        places: &["mempool/src/pool/queue.rs"],
        expected: "mempool",
    },
    Mutant {
        name: "no_bound_per_sender",
        slip: "One sender may fill the whole pool.",
        places: &["mempool/src/pool/rules.rs"],
        expected: "mempool",
    },
    Mutant {
        name: "no_bound_per_peer",
        slip: "One peer may have any number of transactions checked at once.",
        places: &["mempool/src/in_flight.rs"],
        expected: "mempool",
    },
    Mutant {
        name: "ancestors_transactions_chosen_again",
        slip: "A block takes transactions that its ancestors carry already.",
        places: &["mempool/src/pool/batch.rs"],
        expected: "mempool",
    },
];
