//! Chains as a light client sees them: ends of epochs with real signatures, and nothing in between.

mod chain;
mod figures;
#[cfg(test)]
mod tests;

pub use chain::LightChain;
pub use figures::{Figure, measure};
