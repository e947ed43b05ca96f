//! The engine: everything of the protocol but signing.

mod input;

pub use input::{
    Action, Aggregated, BuildPayload, Event, Halt, Input, Misdeed, OwnMessages, Recovered,
};

/// The engine.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Engine;
