//! Slips at the door: what a peer sends is taken unchecked, or counted wrongly.

use super::Mutant;

pub(super) const ALL: &[Mutant] = &[
    Mutant {
        name: "bad_signature_accepted",
        slip: "Single signatures are not checked.",
        places: &["consensus/src/verify/door.rs"],
        expected: "door",
    },
    Mutant {
        name: "aggregate_unchecked",
        slip: "The aggregate signatures of certificates are not checked.",
        places: &["consensus/src/verify/certificates.rs"],
        expected: "door",
    },
    Mutant {
        name: "relayed_vote_unchecked",
        slip: "A vote that comes from another than its signer is pooled unchecked.",
        places: &["consensus/src/verify/door.rs"],
        expected: "door",
    },
    Mutant {
        name: "known_certificate_whatever_its_signature",
        slip: "A certificate counts as checked before if only its signature differs from one that was.",
        places: &["consensus/src/verify/certificates.rs"],
        expected: "door",
    },
    Mutant {
        name: "quorum_of_exactly_two_thirds",
        slip: "`>=` for `>`: exactly two thirds of the power are a quorum.",
        places: &["consensus/src/validator_set.rs"],
        expected: "door",
    },
    Mutant {
        name: "maximum_of_the_tc_unchecked",
        slip: "A TC may carry another QC than the highest that its signers name.",
        places: &["consensus/src/verify/certificates.rs"],
        expected: "door",
    },
    Mutant {
        name: "tc_names_its_own_view",
        slip: "A TC may name a QC of the view that it gives up.",
        places: &["consensus/src/verify/certificates.rs"],
        expected: "door",
    },
    Mutant {
        name: "timeout_without_its_certificate",
        slip: "A timeout vote is taken without the certificate of the view before.",
        places: &["consensus/src/verify/messages.rs"],
        expected: "door",
    },
    Mutant {
        name: "sync_certificate_unchecked",
        slip: "A run of blocks is taken on a certificate that nobody checked.",
        places: &["consensus/src/verify/door.rs"],
        expected: "door",
    },
    Mutant {
        name: "bad_share_stays",
        slip: "A bad signature found among good ones stays in the aggregate.",
        places: &["consensus/src/aggregate.rs"],
        expected: "door",
    },
    Mutant {
        name: "other_epochs_let_in",
        slip: "Messages of another epoch are let in.",
        places: &["consensus/src/verify/door.rs"],
        expected: "epochs",
    },
];
