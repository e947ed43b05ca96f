//! Slips with what blocks carry beside transactions (V4, V10, V11, K1 to K3).

use super::Mutant;

pub(super) const ALL: &[Mutant] = &[
    Mutant {
        name: "evidence_counted_twice",
        slip: "A conviction that the chain has carried is carried again.",
        places: &["consensus/src/notice.rs"],
        expected: "notices",
    },
    Mutant {
        name: "evidence_of_any_epoch",
        slip: "Evidence is carried however long ago its epoch ended.",
        places: &["consensus/src/notice.rs"],
        expected: "notices",
    },
    Mutant {
        name: "notices_root_unchecked",
        slip: "A block carries other notices than its evidence root is of.",
        places: &["consensus/src/block.rs"],
        expected: "notices",
    },
    Mutant {
        name: "sponsor_unchecked",
        slip: "Anybody stands for a registration.",
        places: &["consensus/src/verify/notice.rs"],
        expected: "notices",
    },
    Mutant {
        name: "forged_registration",
        slip: "A registration need not be signed by its identity.",
        places: &["consensus/src/verify/notice.rs"],
        expected: "notices",
    },
    Mutant {
        name: "registration_without_possession",
        slip: "A key is registered without a proof that somebody holds it.",
        places: &["consensus/src/verify/notice.rs"],
        expected: "notices",
    },
    Mutant {
        name: "key_of_another_registered",
        slip: "The key of one identity is registered for another.",
        places: &["node/src/membership.rs"],
        expected: "notices",
    },
    Mutant {
        name: "evidence_by_the_newest_set",
        slip: "Evidence is judged by the set of the newest epoch instead of its own.",
        places: &["node/src/workers/verifier.rs"],
        expected: "notices",
    },
    Mutant {
        name: "own_evidence_not_kept",
        slip: "Evidence that was found is lost in a restart.",
        places: &["node/src/storage/chain_store/notices.rs"],
        expected: "notices",
    },
    Mutant {
        name: "notices_unverified_by_voters",
        slip: "Voters do not look at the signatures of notices.",
        places: &["node/src/driver/notices.rs"],
        expected: "notices_at_a_node",
    },
    Mutant {
        name: "checks_of_notices_unbounded",
        slip: "A peer has as many notices checked as it sends.",
        places: &["node/src/driver/notices.rs"],
        expected: "notices_at_a_node",
    },
    Mutant {
        name: "known_notice_checked_again",
        slip: "What is known is checked each time that it comes.",
        places: &["node/src/driver/notices.rs"],
        expected: "notices_at_a_node",
    },
    Mutant {
        name: "forged_notice_costs_nothing",
        slip: "Whoever sends forged notices goes on doing so.",
        places: &["node/src/driver/notices.rs"],
        expected: "notices_at_a_node",
    },
    Mutant {
        name: "notices_are_no_work",
        slip: "A notice waits until there is other work.",
        places: &["node/src/driver/notices.rs"],
        expected: "notices_at_a_node",
    },
    Mutant {
        name: "notice_kept_to_oneself",
        slip: "A new notice is told to nobody.",
        places: &["node/src/driver/notices.rs"],
        expected: "notices_at_a_node",
    },
    Mutant {
        name: "notices_not_sent_again",
        slip: "Notices are not sent again while the chain is stuck.",
        places: &["node/src/driver/notices.rs"],
        expected: "notices_at_a_node",
    },
    Mutant {
        name: "carried_notices_kept",
        slip: "What a committed block carries waits on in the pool.",
        places: &["node/src/driver/notices.rs"],
        expected: "notices_at_a_node",
    },
];
