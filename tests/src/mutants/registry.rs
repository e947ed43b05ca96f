//! What faults there are.

/// A fault that the product code can be told to make.
#[derive(Clone, Copy, Debug)]
pub struct Mutant {
    /// Its name in `mutant!("name")`.
    pub name: &'static str,
    /// The one source file that it stands in, from the repository's root.
    pub place: &'static str,
    /// What goes wrong, in one sentence.
    pub slip: &'static str,
    /// The checker, scenario or tool that is expected to find it.
    pub expected: &'static str,
}

/// Every fault, by area and in the order of the table.
pub fn all() -> impl Iterator<Item = &'static Mutant> {
    SAFETY_RULES.iter()
}

const SAFETY_RULES: &[Mutant] = &[Mutant {
    name: "commit_vote_after_timeout",
    place: "consensus/src/safety_rules.rs",
    slip: "A commit vote is signed for a view that was given up before.",
    expected: "commit_vote_after_timeout",
}];
