//! Model checking: all that the real engine and safety rules can be made to sign in a few views, and whether that forks.
//!
//! The adversary holds the keys of the faulty members, leads every view, sees each signature at once, and shows each correct member
//! whatever certificates can be made, in any order, or nothing. So loss, delay, repetition and reordering of messages need no mention. A
//! member may crash between any two events and after any write to its disk, and starts again from that.
//!
//! What the search leaves out, and why nothing is lost by it:
//!
//! - *Memory.* A state is what each correct member has signed. Whatever a member in any reached condition can sign next, those
//!   who have signed the same are taken to be able to sign (`automaton`): more than is possible, so what never happens here never happens.
//! - *Conditions* that differ only in what bears on nothing (`local`, `essence`) are run once. That is the one thing believed; a test
//!   compares with a search in which nothing is left out, where that is small enough.
//! - *Who is who.* Members have equal power and do the same on the same certificates, whoever signed those.
//! - *Names* of blocks of one view and parent are exchangeable: they are given in the order of the first votes.
//! - *Correct leaders* propose nothing that the adversary does not.
//! - *The end of the last view* (`Bound::whole`). Each member is held to its promises there, but the laws do not count its commit votes
//!   and timeout votes, as nobody can do anything with them within the bound.
//!
//! Beyond the bound [`walk`] goes at random, with messages one by one, lost, repeated and reordered.

mod automaton;
mod blocks;
mod forge;
mod laws;
mod local;
mod model;
mod possible;
mod retrace;
mod said;
mod search;
mod stimulus;
mod walk;

pub use local::Event;
pub use model::{Bound, Signs, State, Votes};
pub use retrace::Deed;
pub use search::{Limits, Searched, search};
pub use walk::{Walked, walk};

#[cfg(test)]
mod tests;
