//! Answers: encoded as soon as they are there, and counted as the client's from then on until the last of them is on its way.

use std::time::Duration;

use axum::body::Bytes;
use serde::Serialize;
use serde_json::Value;

use super::{Role, RpcError, caller::Caller, clients::Place};

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

/// Memory for an answer, taken before the work for it begins: enough for the answer to a submission in all but odd cases.
pub(super) struct Room {
    /// None for one that is sent by itself.
    held: Option<Place>,
    /// Whether something is handed in.
    submits: bool,
}

impl Room {
    /// For the answer to a request that takes this role. `alone`: not among others in a batch.
    pub(super) fn take(caller: &Caller, role: Role, alone: bool) -> Result<Self, RpcError> {
        let held = if alone { None } else { Some(caller.bytes(SMALL)?) };
        Ok(Self { held, submits: role == Role::Submit })
    }

    /// So much of it as the answer takes.
    fn of(self, caller: &Caller, len: usize) -> Result<Option<Place>, RpcError> {
        let Self { held, submits } = self;
        let lacking = if len > MAX_ANSWER_BYTES {
            RpcError::internal(format!("the answer takes {len} bytes, at most {MAX_ANSWER_BYTES} are sent"))
        } else if len <= SMALL {
            return Ok(held);
        } else {
            match caller.bytes(len) {
                Ok(whole) => return Ok(Some(whole)),
                Err(busy) => busy,
            }
        };
        // Busy says that nothing was done.
        Err(if submits { RpcError::unanswered(&lacking) } else { lacking })
    }
}

impl Answer {
    /// To the request of this id.
    pub(super) fn new(caller: &Caller, id: Value, result: Result<Value, RpcError>, room: Room) -> Self {
        match result {
            Ok(result) => Self::of(caller, &id, envelope(&id, Ok(result)), room),
            Err(error) => Self::error(&id, error),
        }
    }

    /// With a result that is encoded already.
    pub(super) fn encoded(caller: &Caller, id: &Value, result: &str, room: Room) -> Self {
        let bytes = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{result}}}").into_bytes();
        Self::of(caller, id, bytes, room)
    }

    fn of(caller: &Caller, id: &Value, bytes: Vec<u8>, room: Room) -> Self {
        match room.of(caller, bytes.len()) {
            Ok(held) => Self { bytes, held, retry_after: None },
            Err(error) => Self::error(id, error),
        }
    }

    /// That the request of this id has none.
    pub(super) fn error(id: &Value, error: RpcError) -> Self {
        let retry_after = error.retry_after;
        Self { bytes: envelope(id, Err(error)), held: None, retry_after }
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
        let room = || Room::take(&caller, Role::Read, false).unwrap();
        let answer = |len: usize| Answer::new(&caller, json!(1), Ok(json!("x".repeat(len))), room());
        let mut answers = Answers::default();
        for len in [10, 40_000, 50_000] {
            answers.add(answer(len));
        }
        let counted = answers.len()..answers.len() + SMALL;
        assert!(counted.contains(&(caller.held(Kind::Bytes) as usize)), "a short one as more than it is");
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

    #[test]
    fn busy_is_said_of_no_submission_that_may_have_been_taken() {
        let config = RpcConfig { max_bytes_per_client: 2 * SMALL, ..RpcConfig::default() };
        let caller = Caller::in_tests(Clients::new(&config));
        let _others = caller.bytes(SMALL).unwrap();
        let answer = |role, alone, len: usize| {
            let room = Room::take(&caller, role, alone).map_err(|error| error.code)?;
            let answer = Answer::new(&caller, json!(1), Ok(json!("x".repeat(len))), room);
            let answer: Value = serde_json::from_slice(&answer.bytes).unwrap();
            Ok(answer["error"].as_object().map(|error| (error["code"].clone(), error["data"].to_string())))
        };
        assert_eq!(answer(Role::Submit, false, 1_000), Ok(None), "its memory was taken before");
        for alone in [true, false] {
            let (code, data) = answer(Role::Submit, alone, 10_000).unwrap().unwrap();
            assert!(code == -32603 && data.contains("althing_tx_status"), "{code} {data}");
        }
        assert_eq!(answer(Role::Read, true, 10_000).unwrap().unwrap().0, -32004);
        let _rest = caller.bytes(SMALL).unwrap();
        assert_eq!(answer(Role::Submit, false, 1_000), Err(-32004), "before anything is done");
        assert_eq!(answer(Role::Submit, true, 1_000), Ok(None));
    }
}
