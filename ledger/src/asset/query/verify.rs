//! Checking an answer of a node that one does not trust.

use super::{Question, question};
use crate::{
    AppError, AppHash, Query, QueryResult, TxError,
    state::{BadWitness, Witness},
};

/// Why an answer proves nothing.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The question itself is none.
    #[error("the question cannot be asked: {0}")]
    Question(TxError),
    /// The node refused to answer: that needs no proof, and has none.
    #[error("the node did not answer: {log} (code {code})")]
    Refused {
        /// The code.
        code: u32,
        /// The reason that it gave.
        log: String,
    },
    /// There is no proof in it.
    #[error("the answer holds no proof: ask with one")]
    NoProof,
    /// The answer is for another height than was asked for.
    #[error("the answer is for height {found}, not {asked}")]
    OtherHeight {
        /// The height asked for.
        asked: u64,
        /// The height of the answer.
        found: u64,
    },
    /// The proof is damaged.
    #[error("the proof cannot be read: {0}")]
    BadProof(#[from] BadWitness),
    /// The proof does not hold what the question needs.
    #[error("the proof does not answer the question: {0}")]
    Proof(AppError),
    /// The proof is of another state.
    #[error("the proof is of a state with hash {found}, not {expected}")]
    OtherState {
        /// The hash that the header vouches for.
        expected: AppHash,
        /// The hash that the proof makes.
        found: AppHash,
    },
    /// The proof gives another answer.
    #[error("the proof gives another answer than the node did")]
    OtherAnswer,
}

/// Checks that `answer` is what the ledger answers to `query` in the state that `app_hash` names. That hash must come from a
/// header that one trusts and that vouches for `answer.height`: as execution follows the order of blocks, a header names some height
/// below its own and the hash of that one. Headers can skip heights; a height that none names has no proof.
pub fn verify(query: &Query, answer: &QueryResult, app_hash: &AppHash) -> Result<(), VerifyError> {
    if answer.code != 0 {
        return Err(VerifyError::Refused { code: answer.code, log: answer.log.clone() });
    }
    if query.height != 0 && query.height != answer.height {
        return Err(VerifyError::OtherHeight { asked: query.height, found: answer.height });
    }
    let question = Question::read(query).map_err(VerifyError::Question)?;
    let proof = answer.proof.as_ref().ok_or(VerifyError::NoProof)?;
    let witness = Witness::decode(proof)?;
    let found = AppHash::from(witness.root());
    if found != *app_hash {
        return Err(VerifyError::OtherState { expected: app_hash.clone(), found });
    }
    let expected = question.answer(&witness).map_err(VerifyError::Proof)?;
    if expected != answer.value || question::key(&question) != answer.key {
        return Err(VerifyError::OtherAnswer);
    }
    Ok(())
}
