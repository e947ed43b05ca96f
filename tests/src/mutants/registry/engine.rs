//! Slips in the engine: certificates, commits, votes, evidence, help (rules R1 to R9, V1 to V9, L1 to L4, T1, E1 to E4).

use super::Mutant;

pub(super) const ALL: &[Mutant] = &[
    Mutant {
        name: "votes_commit",
        slip: "A QC of votes commits its block.",
        places: &["consensus/src/engine/certificates.rs"],
        expected: "engine",
    },
    Mutant {
        name: "fork_ignored",
        slip: "Two certificates of one view for different blocks do not stop the node.",
        places: &["consensus/src/engine/certificates.rs"],
        expected: "engine",
    },
    Mutant {
        name: "divergence_ignored",
        slip: "A node whose execution differs from what a quorum vouched for goes on.",
        places: &["consensus/src/engine/commit.rs"],
        expected: "engine",
    },
    Mutant {
        name: "tc_not_forwarded",
        slip: "A TC is not passed on.",
        places: &["consensus/src/engine/certificates.rs"],
        expected: "engine",
    },
    Mutant {
        name: "timeouts_of_others_not_joined",
        slip: "Timeout votes from more than a third do not make a validator give the view up.",
        places: &["consensus/src/engine/timeout.rs"],
        expected: "engine",
    },
    Mutant {
        name: "timeout_vote_not_repeated",
        slip: "Past its timer a validator repeats all but its timeout vote.",
        places: &["consensus/src/engine/repeat.rs"],
        expected: "stalled",
    },
    Mutant {
        name: "repeats_only_once",
        slip: "Past its timer a validator repeats itself once and not again.",
        places: &["consensus/src/engine/work.rs"],
        expected: "stalled",
    },
    Mutant {
        name: "pending_not_sent_again",
        slip: "While the chain is stuck, pending transactions are not sent to all.",
        places: &["consensus/src/engine/repeat.rs"],
        expected: "gossip_lost",
    },
    Mutant {
        name: "status_only_once",
        slip: "A validator says where it stands at its start and not again.",
        places: &["consensus/src/engine/work.rs"],
        expected: "cut_off",
    },
    Mutant {
        name: "no_help_for_the_late",
        slip: "Who shows that it lacks a certificate is not sent it.",
        places: &["consensus/src/engine/help.rs"],
        expected: "engine",
    },
    Mutant {
        name: "no_closing_block",
        slip: "No block is made only to vouch for the last execution.",
        places: &["consensus/src/engine/propose.rs"],
        expected: "rest",
    },
    Mutant {
        name: "timer_never_doubles",
        slip: "The view timer does not grow with failed views.",
        places: &["consensus/src/pacemaker.rs"],
        expected: "slow_network",
    },
    Mutant {
        name: "timer_never_shrinks",
        slip: "The view timer does not return to its base after progress.",
        places: &["consensus/src/pacemaker.rs"],
        expected: "timer_shrinks",
    },
    Mutant {
        name: "double_vote_missed",
        slip: "Two votes of one view for different blocks do not become evidence.",
        places: &["consensus/src/engine/certificates.rs"],
        expected: "engine",
    },
    Mutant {
        name: "double_proposal_missed",
        slip: "Two proposals of one view for different blocks do not become evidence.",
        places: &["consensus/src/engine/evidence.rs"],
        expected: "engine",
    },
    Mutant {
        name: "honest_timeout_convicted",
        slip: "A commit vote beside a timeout vote that names its very QC counts as evidence.",
        places: &["consensus/src/engine/evidence.rs", "consensus/src/verify/evidence.rs"],
        expected: "evidence",
    },
    Mutant {
        name: "proposer_unchecked",
        slip: "A proposal by another member than the leader gets a vote.",
        places: &["consensus/src/engine/candidate.rs"],
        expected: "validity",
    },
    Mutant {
        name: "time_may_go_back",
        slip: "A block whose time is not above its parent's gets a vote.",
        places: &["consensus/src/engine/validity.rs"],
        expected: "validity",
    },
    Mutant {
        name: "ancestors_transactions_again",
        slip: "A block with a transaction of its unexecuted ancestors gets a vote.",
        places: &["consensus/src/engine/validity.rs"],
        expected: "validity",
    },
    Mutant {
        name: "absent_list_unchecked",
        slip: "A block with any absent list gets a vote.",
        places: &["consensus/src/engine/validity.rs"],
        expected: "validity",
    },
    Mutant {
        name: "vouched_execution_unchecked",
        slip: "What a block vouches for is not compared with this node's execution.",
        places: &["consensus/src/engine/validity.rs"],
        expected: "validity",
    },
    Mutant {
        name: "no_back_pressure",
        slip: "Blocks carry transactions however far ordering is ahead of execution.",
        places: &["consensus/src/engine/validity.rs"],
        expected: "validity",
    },
    Mutant {
        name: "turns_ignore_power",
        slip: "Every member leads equally often, whatever its power.",
        places: &["consensus/src/leader.rs"],
        expected: "leader",
    },
    Mutant {
        name: "a_third_left_out",
        slip: "A third of the power and more may be left out of the turns.",
        places: &["consensus/src/leader.rs"],
        expected: "leader",
    },
    Mutant {
        name: "proposer_stays_absent",
        slip: "A member that proposes again stays on the absent list.",
        places: &["consensus/src/leader.rs"],
        expected: "validity",
    },
    Mutant {
        name: "child_of_an_epoch_ending_block",
        slip: "A block that ends the epoch has children in it.",
        places: &["consensus/src/engine/candidate.rs", "consensus/src/engine/propose.rs"],
        expected: "epoch_end",
    },
    Mutant {
        name: "epoch_ending_block_not_proposed_again",
        slip: "A certified block that ends the epoch is not proposed again.",
        places: &["consensus/src/engine/propose.rs"],
        expected: "lost_commit",
    },
    Mutant {
        name: "next_epoch_unchecked",
        slip: "A block may name another set than execution gives.",
        places: &["consensus/src/engine/validity.rs"],
        expected: "epoch_end",
    },
];
