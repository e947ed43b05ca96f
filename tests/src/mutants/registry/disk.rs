//! Slips in what is written when: safety file, chain store, application.

use super::Mutant;

pub(super) const ALL: &[Mutant] = &[
    Mutant {
        name: "signed_before_the_sync",
        slip: "A signature leaves when the record is written and not yet synced.",
        places: &["node/src/storage/safety_store.rs"],
        expected: "safety_file",
    },
    Mutant {
        name: "one_slot_written",
        slip: "Only the first slot of the safety file is written.",
        places: &["node/src/storage/safety_store.rs"],
        expected: "safety_file",
    },
    Mutant {
        name: "slots_not_repaired",
        slip: "A broken slot of the safety file is left broken at the start.",
        places: &["node/src/storage/safety_store.rs"],
        expected: "safety_file",
    },
    Mutant {
        name: "first_slot_always_read",
        slip: "At the start the first slot counts, even if the second is newer.",
        places: &["node/src/storage/safety_store.rs"],
        expected: "safety_file",
    },
    Mutant {
        name: "commit_vote_not_stored",
        slip: "Commit votes leave without the record being written.",
        places: &["node/src/workers/signer.rs"],
        expected: "durable_first",
    },
    Mutant {
        name: "body_not_stored_first",
        slip: "Proposals and votes leave before the block with its payload is stored.",
        places: &["node/src/workers/signer.rs"],
        expected: "durable_first",
    },
    Mutant {
        name: "bodies_swept_too_early",
        slip: "A commit sweeps stored blocks above it that are not committed yet.",
        places: &["node/src/storage/chain_store.rs"],
        expected: "chain_store",
    },
    Mutant {
        name: "certificate_stored_apart",
        slip: "Blocks are stored in one write and their certificate in the next.",
        places: &["node/src/storage/chain_store.rs"],
        expected: "chain_store",
    },
    Mutant {
        name: "certificate_not_stored",
        slip: "Blocks are stored without their certificate.",
        places: &["node/src/storage/chain_store.rs"],
        expected: "chain_store",
    },
    Mutant {
        name: "certificate_not_read_back",
        slip: "A restarted node does not take in the certificate of its newest block.",
        places: &["node/src/recovery.rs"],
        expected: "chain_store",
    },
    Mutant {
        name: "application_commits_before_the_results",
        slip: "The application commits before the results of the block are stored.",
        places: &["node/src/workers/executor.rs"],
        expected: "crashes",
    },
    Mutant {
        name: "executed_again_after_a_restart",
        slip: "The last block is executed again after every restart.",
        places: &["node/src/workers/executor.rs"],
        expected: "crashes",
    },
    Mutant {
        name: "no_replay_after_a_restart",
        slip: "A block whose results were stored before the application committed is not executed again.",
        places: &["node/src/workers/executor.rs"],
        expected: "crashes",
    },
    Mutant {
        name: "epoch_entered_and_not_stored",
        slip: "The record of an epoch's beginning is not stored.",
        places: &["node/src/workers/signer.rs"],
        expected: "changes",
    },
];
