//! What holds the node to its promises: a deterministic simulation of whole clusters, and helpers for tests on real processes.

pub mod abci;
pub mod bare;
pub mod cheap_votes;
pub mod door;
pub mod execution;
pub mod forks;
pub mod fuzzing;
pub mod hot;
pub mod light;
pub mod members;
pub mod message_delays;
pub mod modelcheck;
pub mod mutants;
pub mod processes;
pub mod side_by_side;
pub mod sim;
pub mod stores;
pub mod twins;
