//! How large a proof is over so many epochs, and how long it takes to check.

use std::time::Instant;

use althing_consensus::Height;
use althing_consensus::light::{Claim, LightProof, Start};
use althing_crypto::Encoding;
use serde::Serialize;

use super::LightChain;

/// One line of the table.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    /// Epochs passed.
    pub epochs: usize,
    /// Validators in each.
    pub validators: usize,
    /// Of the whole proof: ends of epochs, one header with its certificate.
    pub bytes: usize,
    /// To decode and check it, in microseconds: the fastest of some attempts.
    pub verify_us: u128,
}

/// Measures the proof of a header behind so many epochs, at each end of which one of the validators is replaced.
pub fn measure(validators: usize, epochs: usize, attempts: usize) -> Figure {
    let mut chain = LightChain::new(validators);
    (0..epochs).for_each(|_| chain.replace_one());
    let header = chain.child(&[], &[]);
    let claim = Claim::Header(Height(header.height.0));
    let proof = LightProof {
        start: Start::Genesis,
        ends: chain.ends.clone(),
        runs: vec![chain.run(vec![header])],
        claim,
    };
    let (bytes, anchor) = (proof.encode(), chain.anchor());
    let once = || {
        let begun = Instant::now();
        let proof = LightProof::decode(&bytes).expect("its own encoding");
        let shown = proof.verify(&anchor).expect("a good proof");
        assert_eq!(shown.passed, epochs, "all epochs are passed");
        begun.elapsed().as_micros()
    };
    let verify_us = (0..attempts.max(1)).map(|_| once()).min().unwrap_or_default();
    Figure { epochs, validators, bytes: bytes.len(), verify_us }
}
