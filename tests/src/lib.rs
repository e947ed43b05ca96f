//! tests

pub mod processes;
