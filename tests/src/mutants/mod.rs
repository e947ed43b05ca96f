//! Named faults in the product code, and the command that proves that each is found.
//!
//! A fault stands in the sources as `mutant!("name")` (see [`mod@althing_crypto::mutant`]); [`all`] lists every one of them with
//! what it slips on, and a test holds the list to the sources.

pub mod build;
pub mod child;
pub mod hunt;
pub mod look;
mod registry;
pub mod scenarios;
pub mod table;

pub use registry::{Mutant, all};

#[cfg(test)]
mod tests;
