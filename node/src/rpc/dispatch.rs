//! From a JSON-RPC request, or a batch of them, or a URI, to a method and back.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::body::Bytes;
use serde_json::{Value, json};

use super::{Context, RpcError, caller::Caller, method::Method, params::Params};

/// Requests in one batch.
const MAX_BATCH: usize = 32;
/// Once the answers of a batch are longer together, its further requests are not answered.
const MAX_BATCH_ANSWER_BYTES: usize = 8 << 20;

/// A longer answer is not sent.
const MAX_ANSWER_BYTES: usize = 32 << 20;
/// A request costs 1 more for so many bytes of it.
const BYTES_PER_COST: usize = 16 << 10;

/// A request that was read: all that is kept of it while it waits for its answer.
struct Call {
    /// None is a notification: it is carried out, and not answered.
    id: Option<Value>,
    method: &'static Method,
    params: Params,
}

/// What is wrong with a request, under its id.
type Fault = (Option<Value>, RpcError);

/// What goes back to the client.
#[derive(Debug, Default)]
pub(crate) struct Reply {
    /// None, if there were notifications only.
    pub(crate) body: Option<Vec<u8>>,
    /// If something was refused that passes by itself: the longest time after which to ask again.
    pub(crate) retry_after: Option<Duration>,
}

impl Reply {
    /// The answer to one request.
    fn one(answer: Option<Answer>) -> Self {
        let (body, retry_after) = answer.map_or((None, None), |one| (Some(one.bytes), one.retry_after));
        Self { body, retry_after }
    }
}

/// One answer, encoded.
struct Answer {
    bytes: Vec<u8>,
    retry_after: Option<Duration>,
}

impl Answer {
    fn new(id: Value, result: Result<Value, RpcError>) -> Self {
        let retry_after = result.as_ref().err().and_then(|error| error.retry_after);
        let bytes = envelope(id.clone(), result);
        if bytes.len() <= MAX_ANSWER_BYTES {
            return Self { bytes, retry_after };
        }
        let reason = format!("the answer takes {} bytes, at most {MAX_ANSWER_BYTES} are sent", bytes.len());
        Self { bytes: envelope(id, Err(RpcError::internal(reason))), retry_after }
    }
}

/// Answers the body of a POST.
pub(crate) async fn body(context: &Arc<Context>, caller: &Caller, body: Bytes) -> Reply {
    // Reading a long one takes its time, too, whatever is in it.
    if let Err(busy) = caller.spend(u32::try_from(body.len() / BYTES_PER_COST).unwrap_or(u32::MAX)) {
        return Reply::one(Some(Answer::new(Value::Null, Err(busy))));
    }
    let requests = match serde_json::from_slice(&body) {
        Err(error) => return Reply::one(fault(caller, Some(Value::Null), RpcError::parse(error))),
        Ok(Value::Array(requests)) => requests,
        Ok(one) => {
            drop(body);
            return Reply::one(answer(context, caller, read(one, caller)).await);
        }
    };
    drop(body);
    if requests.is_empty() || requests.len() > MAX_BATCH {
        let reason = format!("a batch of {} requests, 1 to {MAX_BATCH} are taken", requests.len());
        return Reply::one(fault(caller, Some(Value::Null), RpcError::invalid_request(reason)));
    }
    // All are read before the first is answered: as JSON they may take many times the memory that they came in.
    let requests: Vec<_> = requests.into_iter().map(|one| read(one, caller)).collect();
    let (mut answers, mut retry_after) = (vec![b'['], None);
    for one in requests {
        let answer = match one {
            Ok(call) if answers.len() > MAX_BATCH_ANSWER_BYTES => {
                let reason = "the batch's answers are too long; ask for fewer at once";
                fault(caller, call.id, RpcError::internal(reason))
            }
            one => answer(context, caller, one).await,
        };
        let Some(answer) = answer else { continue };
        if answers.len() > 1 {
            answers.push(b',');
        }
        answers.extend(answer.bytes);
        retry_after = retry_after.max(answer.retry_after);
    }
    answers.push(b']');
    Reply { body: (answers.len() > 2).then_some(answers), retry_after }
}

/// Answers a GET of `/method?name=value`.
pub(crate) async fn uri(
    context: &Arc<Context>,
    caller: &Caller,
    method: &str,
    query: Result<Vec<(String, String)>, RpcError>,
) -> Reply {
    // What this dialect answers where there is no id.
    let id = Some(json!(-1));
    let request = match (Method::find(method), query) {
        (None, _) => Err((id, RpcError::no_method(method))),
        (_, Err(error)) => Err((id, error)),
        (Some(method), Ok(query)) => Ok(Call { id, method, params: Params::from_uri(query, caller) }),
    };
    Reply::one(answer(context, caller, request).await)
}

/// A request, or what is wrong with it. What is no request at all is answered under no id.
fn read(request: Value, caller: &Caller) -> Result<Call, Fault> {
    let Value::Object(mut request) = request else {
        return Err((Some(Value::Null), RpcError::invalid_request("a request must be an object")));
    };
    let id = request.remove("id");
    if !matches!(id, None | Some(Value::Null | Value::Number(_) | Value::String(_))) {
        return Err((Some(Value::Null), RpcError::invalid_request("id must be a number or a string")));
    }
    if request.get("jsonrpc").is_some_and(|version| version != "2.0") {
        return Err((id, RpcError::invalid_request("jsonrpc must be \"2.0\"")));
    }
    let Some(Value::String(method)) = request.remove("method") else {
        let id = id.or(Some(Value::Null));
        return Err((id, RpcError::invalid_request("method is missing or no string")));
    };
    let Some(method) = Method::find(&method) else {
        return Err((id, RpcError::no_method(&method)));
    };
    match Params::from_json(request.remove("params"), method, caller) {
        Ok(params) => Ok(Call { params: params.under(id.clone()), id, method }),
        Err(error) => Err((id, error)),
    }
}

async fn answer(context: &Arc<Context>, caller: &Caller, request: Result<Call, Fault>) -> Option<Answer> {
    match request {
        Ok(call) => self::call(context, call).await,
        Err((id, error)) => fault(caller, id, error),
    }
}

/// What cannot be carried out is not free: whoever sends nothing else is told to wait, too.
fn fault(caller: &Caller, id: Option<Value>, error: RpcError) -> Option<Answer> {
    let error = caller.spend(1).err().unwrap_or(error);
    caller.meters().error(error.code);
    Some(Answer::new(id?, Err(error)))
}

/// Carries a request out, if the client may ask that, and that much. What was begun goes on to its end, even if nobody waits for
/// the answer any longer: so long it counts as one of the client's.
async fn call(context: &Arc<Context>, call: Call) -> Option<Answer> {
    let Call { id, method, params } = call;
    let caller = params.asked_by();
    if let Err(error) = caller.may(method.role) {
        return fault(caller, id, error);
    }
    let turn = match caller.begin(method.cost) {
        Ok(turn) => turn,
        Err(busy) => {
            caller.meters().error(busy.code);
            return Some(Answer::new(id?, Err(busy)));
        }
    };
    let (params, _presence) = params.present(turn);
    let (context, shown) = (Arc::clone(context), id.clone());
    let work = tokio::spawn(async move {
        let began = Instant::now();
        let result = (method.handler)(&context, &params).await;
        let meters = params.asked_by().meters();
        meters.request(method.name, began.elapsed());
        if let Err(error) = &result {
            meters.error(error.code);
        }
        // Encoded here: of answers that wait to be sent only the bytes are kept.
        id.map(|id| Answer::new(id, result))
    });
    work.await.unwrap_or_else(|error| {
        tracing::error!(%error, method = method.name, "a request failed");
        let error = RpcError::internal("the request failed; the node's log says why");
        shown.map(|id| Answer::new(id, Err(error)))
    })
}

/// The answer to one request.
pub(crate) fn envelope(id: Value, result: Result<Value, RpcError>) -> Vec<u8> {
    let answer = match result {
        Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
        Err(error) => json!({ "jsonrpc": "2.0", "id": id, "error": error }),
    };
    serde_json::to_vec(&answer).expect("a JSON value has text keys only")
}
