//! From a JSON-RPC request, or a batch of them, or a URI, to a method and back.

use std::sync::Arc;

use axum::body::Bytes;
use serde_json::{Value, json};

use super::{Context, RpcError, method::Method, params::Params};

/// Requests in one batch.
const MAX_BATCH: usize = 32;
/// Once the answers of a batch are longer together, its further requests are not answered.
const MAX_BATCH_ANSWER_BYTES: usize = 8 << 20;

/// A request that was read: all that is kept of it while it waits for its answer.
struct Call {
    /// None is a notification: it is carried out, and not answered.
    id: Option<Value>,
    method: &'static Method,
    params: Params,
}

/// What is wrong with a request, under its id.
type Fault = (Option<Value>, RpcError);

/// Answers the body of a POST; with nothing if it holds notifications only.
pub(crate) async fn body(context: &Arc<Context>, body: Bytes) -> Option<Vec<u8>> {
    let requests = match serde_json::from_slice(&body) {
        Err(error) => return Some(envelope(Value::Null, Err(RpcError::parse(error)))),
        Ok(Value::Array(requests)) => requests,
        Ok(one) => {
            drop(body);
            return answer(context, read(one)).await;
        }
    };
    drop(body);
    if requests.is_empty() || requests.len() > MAX_BATCH {
        let reason = format!("a batch of {} requests, 1 to {MAX_BATCH} are taken", requests.len());
        return Some(envelope(Value::Null, Err(RpcError::invalid_request(reason))));
    }
    // All are read before the first is answered: as JSON they may take many times the memory that they came in.
    let requests: Vec<_> = requests.into_iter().map(read).collect();
    let mut answers = vec![b'['];
    for one in requests {
        let answer = match one {
            Ok(call) if answers.len() > MAX_BATCH_ANSWER_BYTES => {
                let reason = "the batch's answers are too long; ask for fewer at once";
                call.id.map(|id| envelope(id, Err(RpcError::internal(reason))))
            }
            one => answer(context, one).await,
        };
        let Some(answer) = answer else { continue };
        if answers.len() > 1 {
            answers.push(b',');
        }
        answers.extend(answer);
    }
    if answers.len() == 1 {
        return None;
    }
    answers.push(b']');
    Some(answers)
}

/// Answers a GET of `/method?name=value`.
pub(crate) async fn uri(context: &Arc<Context>, method: &str, query: Vec<(String, String)>) -> Vec<u8> {
    // What this dialect answers where there is no id.
    let result = match Method::find(method) {
        Some(method) => call(context, method, &Params::from_uri(query)).await,
        None => Err(RpcError::no_method(method)),
    };
    envelope(json!(-1), result)
}

/// A request, or what is wrong with it. What is no request at all is answered under no id.
fn read(request: Value) -> Result<Call, Fault> {
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
    match Params::from_json(request.remove("params"), method) {
        Ok(params) => Ok(Call { id, method, params }),
        Err(error) => Err((id, error)),
    }
}

async fn answer(context: &Arc<Context>, request: Result<Call, Fault>) -> Option<Vec<u8>> {
    let (id, result) = match request {
        Ok(Call { id, method, params }) => (id, call(context, method, &params).await),
        Err((id, error)) => (id, Err(error)),
    };
    Some(envelope(id?, result))
}

async fn call(context: &Arc<Context>, method: &Method, params: &Params) -> Result<Value, RpcError> {
    (method.handler)(context, params).await
}

/// The answer to one request.
pub(crate) fn envelope(id: Value, result: Result<Value, RpcError>) -> Vec<u8> {
    let answer = match result {
        Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
        Err(error) => json!({ "jsonrpc": "2.0", "id": id, "error": error }),
    };
    serde_json::to_vec(&answer).expect("a JSON value has text keys only")
}
