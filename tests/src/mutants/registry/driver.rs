//! Slips in the driver and its workers.

use super::Mutant;

pub(super) const ALL: &[Mutant] = &[
    Mutant {
        name: "later_commit_stored_first",
        slip: "A commit whose payloads are at hand is stored before an earlier one that waits for its own.",
        places: &["node/src/driver/commit.rs"],
        expected: "driver",
    },
    Mutant {
        name: "fetch_dropped_on_failure",
        slip: "A fetch whose first answer failed is neither continued nor ended.",
        places: &["node/src/driver/fetch.rs"],
        expected: "driver",
    },
    Mutant {
        name: "sync_ends_with_a_failure",
        slip: "After a question that failed no run of blocks is asked for any more.",
        places: &["node/src/driver/sync.rs"],
        expected: "driver",
    },
    Mutant {
        name: "fetched_block_unchecked",
        slip: "An answer to a fetch may be another block than the one asked for.",
        places: &["node/src/workers/verifier.rs"],
        expected: "answers",
    },
    Mutant {
        name: "gathered_transactions_unchecked",
        slip: "Transactions gathered for a proposal are not compared with its hashes.",
        places: &["node/src/workers/verifier.rs"],
        expected: "answers",
    },
    Mutant {
        name: "mempool_not_told_of_commits",
        slip: "The mempool is not told which transactions were committed.",
        places: &["node/src/driver/mempool.rs"],
        expected: "rest",
    },
    Mutant {
        name: "no_recheck_after_a_block",
        slip: "The mempool is not told of executed blocks, and checks nothing again.",
        places: &["node/src/driver/mempool.rs"],
        expected: "stale_pending",
    },
    Mutant {
        name: "end_of_the_epoch_not_told",
        slip: "Who is in an older epoch is not told of its end.",
        places: &["node/src/driver/epochs.rs"],
        expected: "told",
    },
    Mutant {
        name: "run_across_epochs",
        slip: "A run of blocks goes on into the next epoch, whose certificate its receiver cannot check.",
        places: &["node/src/workers/server.rs"],
        expected: "changes",
    },
    Mutant {
        name: "possession_unproven",
        slip: "A vote key enters the set without a proof of possession.",
        places: &["node/src/membership.rs"],
        expected: "epochs",
    },
    Mutant {
        name: "doors_of_the_first_set",
        slip: "Messages of every epoch are checked under the first set.",
        places: &["node/src/epochs.rs"],
        expected: "changes",
    },
    Mutant {
        name: "updates_count_too_early",
        slip: "Updates between the height that an epoch's end vouches for and that end count for the next epoch.",
        places: &["node/src/epochs.rs"],
        expected: "one_by_one",
    },
    Mutant {
        name: "half_of_the_updates_count",
        slip: "Of updates of which one is impossible the others count.",
        places: &["node/src/membership.rs"],
        expected: "epochs",
    },
];
