//! Named faults in the product code, and the command that proves that each is found.
//!
//! A fault stands in the sources as `mutant!("name")` (see [`althing_crypto::mutant`]); [`all`] lists every one of them with
//! what it slips on, and a test holds the list to the sources.

mod registry;

pub use registry::{Mutant, all};

#[cfg(test)]
mod tests;
