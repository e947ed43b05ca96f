//! A state beside a naive model of it.

mod model;
mod program;
