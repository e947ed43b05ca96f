//! Questions about the committed state, at the newest or an older kept height, with a proof if wanted.
//!
//! Every answer is a function of records alone ([`Question::answer`]). So a proof is what the answer was made of: the part
//! of the state tree that was read; and [`verify`] asks the same question of that part.

mod answer;
mod question;
mod verify;
mod views;

pub use question::{MAX_BACK, MAX_LIMIT, Question};
pub use verify::{VerifyError, verify};
pub use views::*;

use super::Code;
use crate::{
    AppError, Bytes, Query, QueryResult, TxError,
    state::{State, View, witness},
};

/// Answers `q`. Every failure is an answer: the asker may be anyone.
pub(super) fn answer(state: &State, q: &Query) -> QueryResult {
    let newest = state.newest();
    let Some(height) = newest.version() else {
        return Code::NotInitialised
            .refusal("the chain has no state yet: ask again once it has begun")
            .into();
    };
    let view = if q.height == 0 { Some(newest) } else { state.at(q.height) };
    let answered = match view {
        Some(view) => ask(&view, q),
        None => {
            let oldest = state.oldest().unwrap_or(height);
            let log = format!(
                "height {} is not kept: ask for one from {oldest} to {height}, or for 0, the newest",
                q.height
            );
            Err(Code::HeightUnavailable.refusal(log))
        }
    };
    let height = if q.height == 0 { height } else { q.height };
    QueryResult { height, ..answered.unwrap_or_else(QueryResult::from) }
}

/// The answer at one height, with its proof if wanted.
fn ask(view: &View<'_>, q: &Query) -> Result<QueryResult, TxError> {
    let question = Question::read(q)?;
    let unavailable = |error: AppError| Code::StateUnavailable.refusal(error.to_string());
    let (value, proof): (Bytes, Option<Bytes>) = if q.prove {
        let (value, proof) = witness(view, |records| question.answer(records)).map_err(unavailable)?;
        (value, Some(proof))
    } else {
        (question.answer(view).map_err(unavailable)?, None)
    };
    Ok(QueryResult { key: question::key(&question), value, proof, ..QueryResult::default() })
}
