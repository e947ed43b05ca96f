//! From a JSON-RPC request, or a batch of them, or a URI, to a method and back.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Instant,
};

use axum::body::Bytes;
use serde_json::{Value, json};
use tokio::task::{JoinError, spawn_blocking};

use super::{
    Context, RpcError,
    answer::{Answer, Answers, Reply, Room},
    caller::Caller,
    clients::{Clients, Place},
    method::Method,
    params::Params,
    turns::measured,
    who::Who,
};
use crate::config::RpcConfig;

/// Requests in one batch.
const MAX_BATCH: usize = 32;
/// Once the answers of a batch are longer together, its further requests are not answered.
const MAX_BATCH_ANSWER_BYTES: usize = 8 << 20;

/// Longest text that a request may have as its id: it is kept as long as the request or its subscription lasts, and is in all that answers it.
const MAX_ID_BYTES: usize = 256;
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

/// Answers the body of a POST, with the memory that is held for it.
pub(crate) async fn body(context: &Arc<Context>, caller: &Caller, body: Bytes, held: Place) -> Reply {
    let caller = &caller.in_body(held);
    // Reading a long one takes its time, too, whatever is in it.
    if let Err(busy) = caller.spend(u32::try_from(body.len() / BYTES_PER_COST).unwrap_or(u32::MAX)) {
        return Some(Answer::error(&Value::Null, busy)).into();
    }
    let requests = match serde_json::from_slice(&body) {
        Err(error) => return fault(caller, Some(Value::Null), RpcError::parse(error)).into(),
        Ok(Value::Array(requests)) => requests,
        Ok(one) => {
            drop(body);
            return answer(context, caller, read(one, caller), true).await.into();
        }
    };
    drop(body);
    if requests.is_empty() || requests.len() > MAX_BATCH {
        let reason = format!("a batch of {} requests, 1 to {MAX_BATCH} are taken", requests.len());
        return fault(caller, Some(Value::Null), RpcError::invalid_request(reason)).into();
    }
    // All are read before the first is answered: as JSON they may take many times the memory that they came in.
    let requests: Vec<_> = requests.into_iter().map(|one| read(one, caller)).collect();
    let mut answers = Answers::default();
    for one in requests {
        let answer = match one {
            Ok(call) if answers.len() > MAX_BATCH_ANSWER_BYTES => {
                let reason = "the batch's answers are too long; ask for fewer at once";
                fault(caller, call.id, RpcError::internal(reason))
            }
            one => answer(context, caller, one, false).await,
        };
        if let Some(answer) = answer {
            answers.add(answer);
        }
    }
    answers.reply()
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
    answer(context, caller, request, true).await.into()
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
    if id.as_ref().and_then(Value::as_str).is_some_and(|text| text.len() > MAX_ID_BYTES) {
        let reason = format!("id is longer than {MAX_ID_BYTES} bytes");
        return Err((Some(Value::Null), RpcError::invalid_request(reason)));
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

/// The transactions that the body of an `althing_broadcast_txs` hands in, read as `body` reads it: what a submission costs before the
/// mempool knows of it.
pub fn submitted(body: &[u8]) -> Result<Vec<Vec<u8>>, RpcError> {
    let nobody = Caller::new(
        Who::at(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        None,
        Clients::new(&RpcConfig::default()),
        Arc::default(),
    );
    let request = serde_json::from_slice(body).map_err(RpcError::parse)?;
    read(request, &nobody).map_err(|(_, error)| error)?.params.txs("txs")
}

/// `alone`: not among others in a batch.
async fn answer(
    context: &Arc<Context>,
    caller: &Caller,
    request: Result<Call, Fault>,
    alone: bool,
) -> Option<Answer> {
    match request {
        Ok(call) => self::call(context, call, alone).await,
        Err((id, error)) => fault(caller, id, error),
    }
}

/// What cannot be carried out is not free: whoever sends nothing else is told to wait, too.
fn fault(caller: &Caller, id: Option<Value>, error: RpcError) -> Option<Answer> {
    let error = caller.spend(1).err().unwrap_or(error);
    caller.meters().error(error.code);
    Some(Answer::error(&id?, error))
}

/// Carries a request out, if the client may ask that, and that much. What was begun goes on to its end, even if nobody waits for
/// the answer any longer: so long it counts as one of the client's.
async fn call(context: &Arc<Context>, call: Call, alone: bool) -> Option<Answer> {
    let Call { id, method, params } = call;
    let caller = params.asked_by();
    if let Err(error) = caller.may(method.role) {
        return fault(caller, id, error);
    }
    let begun =
        caller.begin(method.cost).and_then(|turn| Ok((turn, Room::take(caller, method.role, alone)?)));
    let (turn, room) = match begun {
        Ok(begun) => begun,
        Err(busy) => {
            caller.meters().error(busy.code);
            return Some(Answer::error(&id?, busy));
        }
    };
    let (params, _presence) = params.present(turn);
    let (context, shown) = (Arc::clone(context), id.clone());
    let work = tokio::spawn(async move {
        let began = Instant::now();
        let result = (method.handler)(&context, &params).await;
        let meters = params.asked_by().meters();
        meters.request(method.name, began.elapsed());
        match &result {
            #[cfg(test)]
            Ok(answer) if !answer.is_null() => {
                assert_eq!(super::method::conforms(method.name, answer), Ok(()))
            }
            Ok(_) => {}
            Err(error) => meters.error(error.code),
        }
        // Encoded here: of answers that wait to be sent only the bytes are kept.
        match id {
            Some(id) => encoded(params.asked_by(), id, result, room).await.map(Some),
            None => Ok(None),
        }
    });
    work.await.and_then(|answer| answer).unwrap_or_else(|error| {
        tracing::error!(%error, method = method.name, "a request failed");
        let error = RpcError::internal("the request failed; the node's log says why");
        shown.map(|id| Answer::error(&id, error))
    })
}

/// Encodes an answer: what was read for it in a turn that it kept, in that.
async fn encoded(
    caller: &Caller,
    id: Value,
    result: Result<Value, RpcError>,
    room: Room,
) -> Result<Answer, JoinError> {
    if let (Ok(_), Some(result)) = (&result, caller.answered()) {
        return Ok(Answer::encoded(caller, &id, &result, room));
    }
    let Some(turn) = caller.kept() else { return Ok(Answer::new(caller, id, result, room)) };
    let caller = caller.clone();
    let work = move || {
        let (answer, cost) = measured(|| Answer::new(&caller, id, result, room));
        caller.charge(cost);
        drop(turn);
        answer
    };
    spawn_blocking(work).await
}
