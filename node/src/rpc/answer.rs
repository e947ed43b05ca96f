//! Answers: encoded as soon as they are there, and counted as the client's from then on until the last of them is on its way.

use std::time::Duration;

use axum::body::Bytes;
use serde::Serialize;
use serde_json::Value;

use super::{RpcError, caller::Caller, clients::Place};

/// A longer answer is not sent.
const MAX_ANSWER_BYTES: usize = 32 << 20;
/// One that is sent by itself is not counted up to so many bytes: there is one per request at most.
const SMALL: usize = 4 << 10;

/// What goes back to the client.
#[derive(Debug, Default)]
pub(crate) struct Reply {
    /// None, if there were notifications only.
    pub(crate) body: Option<Bytes>,
    /// If something was refused that passes by itself: the longest time after which to ask again.
    pub(crate) retry_after: Option<Duration>,
}

/// One answer, encoded.
pub(super) struct Answer {
    bytes: Vec<u8>,
    held: Option<Place>,
    retry_after: Option<Duration>,
}

impl Answer {
    /// To the request of this id. `alone`: not among others in a batch.
    pub(super) fn new(caller: &Caller, id: Value, result: Result<Value, RpcError>, alone: bool) -> Self {
        let error = match result {
            Ok(result) => {
                let bytes = envelope(&id, Ok(result));
                match counted(caller, bytes.len(), alone) {
                    Ok(held) => return Self { bytes, held, retry_after: None },
                    Err(error) => error,
                }
            }
            Err(error) => error,
        };
        let retry_after = error.retry_after;
        Self { bytes: envelope(&id, Err(error)), held: None, retry_after }
    }
}

/// Memory for so long an answer.
fn counted(caller: &Caller, len: usize, alone: bool) -> Result<Option<Place>, RpcError> {
    match len {
        len if len > MAX_ANSWER_BYTES => {
            let reason = format!("the answer takes {len} bytes, at most {MAX_ANSWER_BYTES} are sent");
            Err(RpcError::internal(reason))
        }
        len if alone && len <= SMALL => Ok(None),
        len => caller.bytes(len).map(Some),
    }
}

impl From<Option<Answer>> for Reply {
    fn from(answer: Option<Answer>) -> Self {
        let Some(Answer { bytes, held, retry_after }) = answer else { return Self::default() };
        Self { body: Some(Bytes::from_owner(Counted { bytes, _held: held })), retry_after }
    }
}

/// The answers of a batch, one behind the other.
#[derive(Default)]
pub(super) struct Answers {
    bytes: Vec<u8>,
    held: Option<Place>,
    retry_after: Option<Duration>,
}

impl Answers {
    /// One more.
    pub(super) fn add(&mut self, answer: Answer) {
        let Answer { bytes, held, retry_after } = answer;
        self.bytes.push(if self.bytes.is_empty() { b'[' } else { b',' });
        self.bytes.extend(bytes);
        self.retry_after = self.retry_after.max(retry_after);
        match (&mut self.held, held) {
            (Some(all), Some(one)) => all.join(one),
            (None, held) => self.held = held,
            (Some(_), None) => {}
        }
    }

    /// How long they are together.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// All of them.
    pub(super) fn reply(mut self) -> Reply {
        if self.bytes.is_empty() {
            return Reply::default();
        }
        self.bytes.push(b']');
        Some(Answer { bytes: self.bytes, held: self.held, retry_after: self.retry_after }).into()
    }
}

/// Bytes, with the memory that is counted for them as long as they are there.
struct Counted {
    bytes: Vec<u8>,
    _held: Option<Place>,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// The answer to one request.
pub(crate) fn envelope(id: &Value, result: Result<Value, RpcError>) -> Vec<u8> {
    /// Encoded as it is: within another value a result of megabytes would be copied first.
    #[derive(Serialize)]
    struct Envelope<'a> {
        jsonrpc: &'static str,
        id: &'a Value,
        #[serde(skip_serializing_if = "Option::is_none")]
        result: Option<Value>,
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<RpcError>,
    }
    let (result, error) = match result {
        Ok(result) => (Some(result), None),
        Err(error) => (None, Some(error)),
    };
    let answer = Envelope { jsonrpc: "2.0", id, result, error };
    serde_json::to_vec(&answer).expect("a JSON value has text keys only")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        config::RpcConfig,
        rpc::clients::{Clients, Kind},
    };

    #[test]
    fn the_answers_of_a_batch_are_counted_while_it_goes_on() {
        let config = RpcConfig { max_bytes_per_client: 100_000, ..RpcConfig::default() };
        let caller = Caller::in_tests(Clients::new(&config));
        let answer = |len: usize| Answer::new(&caller, json!(1), Ok(json!("x".repeat(len))), false);
        let mut answers = Answers::default();
        for len in [10, 40_000, 50_000] {
            answers.add(answer(len));
        }
        assert_eq!(caller.held(Kind::Bytes), answers.len() as u64 - 3, "all but the commas");
        let one_more = answer(20_000);
        assert!(one_more.retry_after.is_some() && one_more.bytes.len() < 1_000);
        answers.add(one_more);
        let reply = answers.reply();
        assert!(reply.retry_after.is_some());
        let all: Vec<Value> = serde_json::from_slice(reply.body.as_ref().unwrap()).unwrap();
        assert_eq!((all.len(), &all[3]["error"]["code"]), (4, &json!(-32004)));
        assert!(caller.held(Kind::Bytes) > 90_000, "until it is sent");
        drop(reply);
        assert_eq!(caller.held(Kind::Bytes), 0);
    }
}
