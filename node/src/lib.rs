//! The Althing node: everything with a disk, a network or a clock, around the pure rooms.

pub mod application;
pub mod bench;
pub mod body;
pub mod cli;
pub mod client;
pub mod config;
pub mod driver;
pub mod epochs;
pub mod handle;
pub mod home;
pub mod journal;
pub mod light;
pub mod membership;
pub mod meters;
pub mod new_chain;
pub mod passing;
pub mod query;
pub mod recovery;
pub mod rpc;
pub mod run;
pub mod search;
pub mod session;
mod shell;
pub mod storage;
#[cfg(test)]
mod testing;
pub mod testnet;
pub mod wire;
pub mod workers;

pub use run::{run, run_until};
