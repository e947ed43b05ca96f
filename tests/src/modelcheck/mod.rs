//! Model checking.

mod automaton;
mod blocks;
mod forge;
mod laws;
mod local;
mod model;
mod possible;
mod said;
mod stimulus;
mod walk;

pub use model::{Bound, Happens, State, Votes};
pub use walk::{Walked, walk};
