//! A whole proof, as it goes into a file.

use std::sync::Arc;

use althing_crypto::Encoding;
use althing_crypto::bls::VoteScheme;
use borsh::{BorshDeserialize, BorshSerialize};

use super::claim::Certified;
use super::{Claim, Committed, EpochEnd, Flaw, Run, Start, Trail, Trusted};
use crate::{ConsensusParams, Epoch, Header, ValidatorSet};

/// From genesis, or from a trusted header, to what is to be shown.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct LightProof {
    /// Where it starts.
    pub start: Start,
    /// The ends of epochs from there on, each of the next.
    pub ends: Vec<EpochEnd>,
    /// Headers of the epochs that these lead to, in ascending order.
    pub runs: Vec<Run>,
    /// What is to be shown.
    pub claim: Claim,
}

impl Encoding for LightProof {
    const NAME: &'static str = "light proof";
    const VERSION: u8 = 1;
    /// More than a hundred thousand epochs.
    const MAX_BYTES: usize = 64 << 20;
}

/// What whoever checks a proof trusts already.
#[derive(Clone, Debug)]
pub enum Anchor {
    /// A genesis document.
    Genesis {
        /// The chain's name.
        chain_id: String,
        /// The validators of epoch 1.
        set: Arc<ValidatorSet>,
        /// The parameters of epoch 1.
        params: ConsensusParams,
    },
    /// A header, and how votes are checked.
    Trusted(Trusted, &'static dyn VoteScheme),
}

impl Anchor {
    /// The trail that begins here.
    pub fn trail(&self, start: &Start) -> Result<Trail, Flaw> {
        match (self, start) {
            (Self::Genesis { chain_id, set, params }, Start::Genesis) => {
                Ok(Trail::genesis(chain_id, set.clone(), params.clone()))
            }
            (Self::Genesis { .. }, Start::Trusted { header, .. }) => {
                let reason = format!(
                    "it begins at header {}, so it shows nothing from genesis on: trust {}:{} explicitly, or export without --from",
                    header.height,
                    header.height,
                    header.hash()
                );
                Err(Flaw::new("start", reason))
            }
            (Self::Trusted(trusted, scheme), start) => Trail::trusted(*scheme, *trusted, start),
        }
    }
}

/// What a proof has shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The chain.
    pub chain_id: String,
    /// The epoch that it began in.
    pub from: Epoch,
    /// How many ends of epochs it passed.
    pub passed: usize,
    /// The header that the claim is about: the block's; of a state, the one that vouches for it.
    pub header: Header,
    /// Who committed it.
    pub committed: Committed,
}

impl LightProof {
    /// Checks all of it. Of a [`Claim::State`] it remains to be checked that its answer belongs to the application hash.
    pub fn verify(&self, anchor: &Anchor) -> Result<Shown, Flaw> {
        let mut trail = anchor.trail(&self.start)?;
        let from = trail.epoch();
        let mut certified = Certified::new();
        let mut runs = self.runs.iter().peekable();
        for end in &self.ends {
            while let Some(run) = runs.next_if(|run| run_epoch(run) == Some(trail.epoch())) {
                certify(&mut certified, &run.headers, trail.admit(run)?)?;
            }
            let committed = trail.pass(end)?;
            certify(&mut certified, std::slice::from_ref(&end.header), committed)?;
        }
        for run in runs {
            certify(&mut certified, &run.headers, trail.admit(run)?)?;
        }
        self.claim.check(&certified)?;
        let (header, committed) = certified.remove(&self.claim.height()).ok_or_else(|| {
            Flaw::new(
                "claim",
                format!("it is about height {}, of which there is no header", self.claim.height()),
            )
        })?;
        Ok(Shown { chain_id: trail.chain_id().to_owned(), from, passed: self.ends.len(), header, committed })
    }
}

fn run_epoch(run: &Run) -> Option<Epoch> {
    run.headers.first().map(|header| header.epoch)
}

/// Takes note of headers; of each height there is one.
fn certify(certified: &mut Certified, headers: &[Header], committed: Committed) -> Result<(), Flaw> {
    for header in headers {
        let held = certified.insert(header.height, (header.clone(), committed));
        if let Some((other, _)) = held.filter(|(other, _)| other != header) {
            let reason = format!(
                "two headers of it are committed, {} and {}: more than a third of the power has misbehaved (`althing audit`)",
                other.hash(),
                header.hash()
            );
            return Err(Flaw::new(format!("height {}", header.height), reason));
        }
    }
    Ok(())
}
