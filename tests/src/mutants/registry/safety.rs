//! Slips in the safety rules and in what they remember (rules S1 to S8).

use super::Mutant;

pub(super) const ALL: &[Mutant] = &[
    Mutant {
        name: "commit_vote_after_timeout",
        slip: "A commit vote is given for a view that was given up before, or for one below it.",
        places: &["consensus/src/engine/certificates.rs", "consensus/src/safety_rules.rs"],
        expected: "rules",
    },
    Mutant {
        name: "commit_vote_in_the_view_given_up",
        slip: "`>=` for `>`: a commit vote is given for the very view that was given up last.",
        places: &["consensus/src/safety_rules.rs"],
        expected: "rules",
    },
    Mutant {
        name: "second_commit_vote_in_a_view",
        slip: "`>=` for `>`: a second commit vote is given in one view.",
        places: &["consensus/src/safety_rules.rs"],
        expected: "rules",
    },
    Mutant {
        name: "second_vote_in_a_view",
        slip: "`>=` for `>`: a second vote is given in one view.",
        places: &["consensus/src/safety_rules.rs"],
        expected: "rules",
    },
    Mutant {
        name: "vote_in_a_view_given_up",
        slip: "`>=` for `>`: a vote is given in the view that was given up last.",
        places: &["consensus/src/engine/candidate.rs", "consensus/src/safety_rules.rs"],
        expected: "rules",
    },
    Mutant {
        name: "vote_in_an_older_view",
        slip: "The last voted view is not asked for, and goes back.",
        places: &["consensus/src/safety_rules.rs"],
        expected: "rules",
    },
    Mutant {
        name: "timeout_in_an_older_view",
        slip: "The last timeout view is not asked for, and goes back.",
        places: &["consensus/src/safety_rules.rs"],
        expected: "rules",
    },
    Mutant {
        name: "timeout_names_a_lower_qc",
        slip: "A timeout vote names a lower QC than the one held.",
        places: &["consensus/src/safety_rules.rs"],
        expected: "rules",
    },
    Mutant {
        name: "commit_vote_leaves_the_high_qc",
        slip: "A commit vote does not raise the high QC to the certificate that it is for.",
        places: &["consensus/src/safety_rules.rs"],
        expected: "rules",
    },
    Mutant {
        name: "high_qc_lowered",
        slip: "The high QC is replaced by any other, also by a lower one.",
        places: &["consensus/src/safety_record.rs"],
        expected: "rules",
    },
    Mutant {
        name: "commit_certificate_is_no_qc",
        slip: "A commit certificate does not count as a QC of its view.",
        places: &["consensus/src/engine/certificates.rs", "consensus/src/safety_record.rs"],
        expected: "engine",
    },
    Mutant {
        name: "views_in_the_tc_ignored",
        slip: "A vote does not ask whether the justify QC is as high as every view that the TC names.",
        places: &["consensus/src/safety_rules.rs"],
        expected: "rules",
    },
    Mutant {
        name: "tc_of_another_view",
        slip: "A vote takes the TC of any view, not of the view before.",
        places: &["consensus/src/safety_rules.rs"],
        expected: "rules",
    },
    Mutant {
        name: "old_justify_without_tc",
        slip: "A vote takes an old justify QC without a TC.",
        places: &["consensus/src/safety_rules.rs"],
        expected: "rules",
    },
    Mutant {
        name: "crash_loses_the_proposal",
        slip: "After a restart the record does not know the last proposal.",
        places: &["consensus/src/safety_rules.rs"],
        expected: "rules",
    },
    Mutant {
        name: "crash_loses_the_vote",
        slip: "After a restart the record does not know the last voted view.",
        places: &["consensus/src/safety_rules.rs"],
        expected: "rules",
    },
    Mutant {
        name: "crash_loses_the_commit_vote",
        slip: "After a restart the record does not know the last commit-voted view.",
        places: &["consensus/src/safety_rules.rs"],
        expected: "rules",
    },
    Mutant {
        name: "crash_loses_the_timeout",
        slip: "After a restart the record does not know the last timeout view.",
        places: &["consensus/src/safety_rules.rs"],
        expected: "rules",
    },
    Mutant {
        name: "crash_loses_the_high_qc",
        slip: "After a restart the record does not know the high QC.",
        places: &["consensus/src/safety_rules.rs"],
        expected: "rules",
    },
    Mutant {
        name: "sign_before_resuming",
        slip: "A validator signs at once after a restart, before others have answered what they hold of its key.",
        places: &["consensus/src/engine/mod.rs", "consensus/src/safety_rules.rs"],
        expected: "rules",
    },
    Mutant {
        name: "floor_ignored",
        slip: "A validator with a stale record signs in views below its floor.",
        places: &["consensus/src/engine/resume.rs", "consensus/src/safety_rules.rs"],
        expected: "rules",
    },
    Mutant {
        name: "resume_without_a_quorum",
        slip: "The first answer is enough for a restarted validator to sign.",
        places: &["consensus/src/engine/resume.rs"],
        expected: "engine",
    },
    Mutant {
        name: "stale_record_counts_itself",
        slip: "A validator that was shown to have a stale record counts itself among the quorum that answered.",
        places: &["consensus/src/engine/resume.rs"],
        expected: "engine",
    },
    Mutant {
        name: "resume_ignores_a_shown_proposal",
        slip: "A proposal that others show to a restarted validator sets no floor.",
        places: &["consensus/src/engine/resume.rs"],
        expected: "engine",
    },
    Mutant {
        name: "resume_ignores_a_shown_vote",
        slip: "A vote that others show to a restarted validator sets no floor.",
        places: &["consensus/src/engine/resume.rs"],
        expected: "engine",
    },
    Mutant {
        name: "resume_ignores_a_shown_commit_vote",
        slip: "A commit vote that others show to a restarted validator sets no floor.",
        places: &["consensus/src/engine/resume.rs"],
        expected: "engine",
    },
    Mutant {
        name: "resume_ignores_a_shown_timeout",
        slip: "A timeout vote that others show to a restarted validator sets no floor.",
        places: &["consensus/src/engine/resume.rs"],
        expected: "engine",
    },
    Mutant {
        name: "restart_forgets_the_tc",
        slip: "After a restart the engine begins above its high QC, and not above its newest TC.",
        places: &["consensus/src/engine/mod.rs"],
        expected: "engine",
    },
];
