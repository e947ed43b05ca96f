//! What a committed header shows.

use std::collections::BTreeMap;

use althing_crypto::{Encoding, MerklePath, TxHash};
use borsh::{BorshDeserialize, BorshSerialize};

use super::{Committed, Flaw};
use crate::{Execution, Header, Height};

/// Headers that a quorum committed, by height.
pub(super) type Certified = BTreeMap<Height, (Header, Committed)>;

/// What came of a height, with the header that vouches for it.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Outcome {
    /// What came of it.
    pub execution: Execution,
    /// From there to the executed root of the header.
    pub path: MerklePath,
    /// The height of that header.
    pub by: Height,
}

impl Outcome {
    /// The outcome of this height, among those of the run that this header's executed root is made of.
    pub fn of(height: Height, run: &[Execution], header: &Header) -> Option<Self> {
        let index = run.iter().position(|one| one.height == height)?;
        let leaves: Vec<Vec<u8>> = run.iter().map(leaf).collect();
        let (execution, path) = (run[index].clone(), MerklePath::of(&leaves, index)?);
        (path.root(&leaf(&execution)) == header.vouched.executed_root).then_some(Self {
            execution,
            path,
            by: header.height,
        })
    }
}

fn leaf(execution: &Execution) -> Vec<u8> {
    borsh::to_vec(execution).expect("memory")
}

/// What a proof is for.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Claim {
    /// The block of this height has the header that the proof holds.
    Header(Height),
    /// A transaction is in a block.
    Transaction {
        /// Of this height.
        height: Height,
        /// Its bytes.
        tx: Vec<u8>,
        /// From its hash to the block's payload root.
        path: MerklePath,
    },
    /// A transaction in a block had a result.
    Result {
        /// The transaction.
        tx: TxHash,
        /// From its hash to the payload root of the block of the outcome's height.
        tx_path: MerklePath,
        /// The result, as it is hashed.
        result: Vec<u8>,
        /// From there to the results root.
        path: MerklePath,
        /// What came of the height.
        outcome: Outcome,
    },
    /// The application has an application hash after a height, and therefore answers so: the latter is the application's to check,
    /// [`LightProof::verify`](super::LightProof::verify) shows the hash.
    State {
        /// What came of the height.
        outcome: Outcome,
        /// The path that was asked for.
        path: String,
        /// What was asked.
        data: Vec<u8>,
        /// The key of the answer,
        key: Vec<u8>,
        /// the answer,
        value: Vec<u8>,
        /// and the proof that the application hash demands it.
        proof: Vec<u8>,
    },
}

impl Encoding for Claim {
    const NAME: &'static str = "claim";
    const VERSION: u8 = 1;
    const MAX_BYTES: usize = 16 << 20;
}

impl Claim {
    /// The header that it is about: the block's, or, of a state, the one that vouches for it.
    pub fn height(&self) -> Height {
        match self {
            Self::Header(height) | Self::Transaction { height, .. } => *height,
            Self::Result { outcome, .. } => outcome.execution.height,
            Self::State { outcome, .. } => outcome.by,
        }
    }

    /// Checks it against headers that were committed. Of a state, the answer is not looked at.
    pub(super) fn check(&self, certified: &Certified) -> Result<(), Flaw> {
        let header = |height: &Height| match certified.get(height) {
            Some((header, _)) => Ok(header),
            None => {
                Err(Flaw::new("claim", format!("it is about height {height}, of which there is no header")))
            }
        };
        let vouched = |outcome: &Outcome| {
            let by = header(&outcome.by)?;
            if outcome.path.root(&leaf(&outcome.execution)) != by.vouched.executed_root {
                let reason = format!(
                    "header {} vouches for another outcome of height {}",
                    by.height, outcome.execution.height
                );
                return Err(Flaw::new("outcome", reason));
            }
            Ok(())
        };
        let contains = |height: &Height, tx: &TxHash, path: &MerklePath| {
            if path.root(tx.as_bytes()) != header(height)?.payload_root {
                return Err(Flaw::new("transaction", format!("{tx} is not shown to be in block {height}")));
            }
            Ok(())
        };
        match self {
            Self::Header(height) => header(height).map(|_| ()),
            Self::Transaction { height, tx, path } => contains(height, &TxHash::of(tx), path),
            Self::Result { tx, tx_path, result, path, outcome } => {
                contains(&outcome.execution.height, tx, tx_path)?;
                vouched(outcome)?;
                if path.root(result) != outcome.execution.results_root || !path.is_beside(tx_path) {
                    return Err(Flaw::new("result", format!("it is not shown to be that of {tx}")));
                }
                Ok(())
            }
            Self::State { outcome, .. } => vouched(outcome),
        }
    }
}
