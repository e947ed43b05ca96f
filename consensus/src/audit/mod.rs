//! Fork accountability: two certified chains of one genesis that contradict each other name members of more than a third of the power,
//! each of whom signed two messages that no correct member signs both of.
//!
//! Say block B has a commit certificate of view v, and another committed chain does not contain B; of its blocks that do not, take the
//! first that was certified in a view w ≥ v. If w = v, two certificates of one view name different blocks, and those who signed both
//! voted twice (E1). If w > v, that block was proposed on a certificate of a view below v, so with the timeout certificate of view w − 1,
//! in which nobody names a view as high as v: whoever signed it and the commit certificate has forgotten what it commit-voted for (E3).
//! Either way two quorums share more than a third of the power.
//!
//! So nodes keep, beside each block, by which certificates it could be proposed ([`Justification`]), and a [`Dossier`] holds these with
//! the headers and certificates of a span of heights. [`audit`] compares two, and gathers from all that it is given every pair of
//! certificates that contradict each other. Each pair stands alone: it convicts those whom both name, whatever else is true. So an audit
//! of damaged or forged dossiers may find less, never an innocent member.
//!
//! An aggregate convicts as well as a single signature does: nobody can make one that verifies under the key of a member that did not
//! sign its message, as keys come with proofs of possession. (For evidence in blocks, of one member each, single signatures are wanted.)

mod contradiction;
mod dossier;
mod missing;
mod report;
#[cfg(test)]
mod tests;

pub use contradiction::{Contradiction, Kind};
pub use dossier::{Dossier, Justification, Link};
pub use report::{Conflict, Report, Side, audit};
