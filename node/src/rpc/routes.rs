//! From an HTTP request to the dispatcher and back: bodies, headers, and their limits.

use std::{sync::Arc, time::Duration};

use axum::{
    Extension, Router,
    body::{Body, Bytes},
    extract::{Path, Query, Request, State, rejection::QueryRejection},
    http::{HeaderMap, HeaderValue, Method as Verb, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http_body_util::BodyExt;
use serde_json::Value;
use tokio::time::timeout;

use super::{
    Context, Role, RpcError,
    answer::{Reply, envelope},
    caller::Caller,
    clients::Place,
    dispatch,
    door::{Connection, Door, Refusal},
    handshake::Handshake,
    health, method, metrics, websocket,
};

/// Of a body that is too long so many times the limit is read and thrown away: a client that is still sending would not
/// see the answer.
const DISCARDED: usize = 16;

/// Refusals of one client, after which those who share a connection with it go on.
const GOES_ON: [StatusCode; 3] =
    [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN, StatusCode::TOO_MANY_REQUESTS];

/// What is answered where there is nothing, or the path is no text.
const UNSERVED: [StatusCode; 3] =
    [StatusCode::NOT_FOUND, StatusCode::METHOD_NOT_ALLOWED, StatusCode::BAD_REQUEST];

/// Everything that is served over one connection.
pub(super) fn routes(context: Arc<Context>, door: Arc<Door>) -> Router {
    let shared = Extension(Arc::clone(&door));
    let entrance = middleware::from_fn_with_state((Arc::clone(&context), door), enter);
    Router::new()
        .route("/", post(posted).get(methods))
        .route("/websocket", get(upgraded).post(posted))
        .route("/live", get(live))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .route("/{method}", get(asked).post(posted))
        .layer(entrance)
        .layer(shared)
        .with_state(context)
}

/// Finds out who asks, and whether anything of the request is read at all.
async fn enter(
    State((context, door)): State<(Arc<Context>, Arc<Door>)>,
    Extension(connection): Extension<Connection>,
    mut request: Request,
    next: Next,
) -> Response {
    let origin = door.allowed_origin(request.headers());
    let mut response = match door.enter(&request, &connection, &context.clients) {
        Err(refusal) => refused(refusal),
        // What a browser asks before it lets a page ask.
        Ok(caller) if request.method() == Verb::OPTIONS => match caller.spend(1) {
            Ok(()) => preflight(),
            Err(busy) => refused(Refusal::busy(busy)),
        },
        Ok(caller) => {
            request.extensions_mut().insert(caller.clone());
            let mut response = next.run(request).await;
            // What nothing is served for is not free, either, nor what cannot be read.
            if UNSERVED.contains(&response.status())
                && let Err(busy) = caller.spend(1)
            {
                response = refused(Refusal::busy(busy));
            }
            if caller.is_greedy() {
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            response
        }
    };
    // Others ask over it, too. Where more of a body may come, the connection ends anyway.
    if connection.manners.is_shared() && GOES_ON.contains(&response.status()) {
        response.headers_mut().remove(header::CONNECTION);
    }
    if let Some(origin) = origin {
        let headers = response.headers_mut();
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("retry-after"));
        headers.insert(header::VARY, HeaderValue::from_static("origin"));
    }
    response
}

fn preflight() -> Response {
    let headers = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "authorization, content-type"),
        (header::ACCESS_CONTROL_MAX_AGE, "86400"),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

async fn posted(
    State(context): State<Arc<Context>>,
    Extension(door): Extension<Arc<Door>>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Response {
    // Reading it takes memory and time, whatever is in it.
    if let Err(busy) = caller.spend(BODY_COST) {
        let mut response = refused(Refusal::busy(busy));
        // Most bodies are here already: if not, the connection ends anyway.
        response.headers_mut().remove(header::CONNECTION);
        return response;
    }
    let max = context.config.max_body_bytes;
    let (head, body) = request.into_parts();
    match timeout(door.patience.body, read_body(&caller, &head.headers, body, max)).await {
        Ok(Ok((body, held))) => answer(dispatch::body(&context, &caller, body, held).await),
        Ok(Err(refusal)) => refused(refusal),
        Err(_) => {
            let reason = format!("the body did not come within {:?}", door.patience.body);
            refused(Refusal { status: StatusCode::REQUEST_TIMEOUT, error: RpcError::invalid_request(reason) })
        }
    }
}

/// The body if it has at most `max` bytes and there is memory for it.
async fn read_body(
    caller: &Caller,
    headers: &HeaderMap,
    mut body: Body,
    max: usize,
) -> Result<(Bytes, Place), Refusal> {
    let told = headers.get(header::CONTENT_LENGTH).and_then(|len| len.to_str().ok()?.parse().ok());
    let mut reserved = told.unwrap_or(0usize).min(max);
    let mut place = caller.bytes(reserved).map_err(Refusal::busy)?;
    let (mut bytes, mut len) = (Vec::with_capacity(reserved), 0usize);
    while let Some(frame) = body.frame().await {
        let broken = |_| Refusal {
            status: StatusCode::BAD_REQUEST,
            error: RpcError::invalid_request("the body broke off"),
        };
        let Ok(data) = frame.map_err(broken)?.into_data() else { continue };
        len = len.saturating_add(data.len());
        if len <= max {
            if len > reserved {
                place.more((len - reserved) as u64).map_err(Refusal::busy)?;
                reserved = len;
            }
            bytes.extend_from_slice(&data);
        } else if len <= max.saturating_mul(DISCARDED) {
            bytes = Vec::new();
        } else {
            break;
        }
    }
    if len <= max {
        return Ok((bytes.into(), place));
    }
    let reason = format!("the body is longer than rpc.max_body_bytes, {max}");
    Err(Refusal { status: StatusCode::PAYLOAD_TOO_LARGE, error: RpcError::invalid_request(reason) })
}

async fn asked(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    Path(method): Path<String>,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Response {
    let query = query.map(|Query(query)| query).map_err(RpcError::params);
    answer(dispatch::uri(&context, &caller, &method, query).await)
}

async fn upgraded(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    mut request: Request,
) -> Response {
    if let Err(error) = caller.may(Role::Read) {
        return refused(Refusal { status: StatusCode::UNAUTHORIZED, error });
    }
    if let Err(busy) = caller.spend(UPGRADE_COST) {
        return refused(Refusal::busy(busy));
    }
    match Handshake::of(&mut request) {
        Ok(handshake) => websocket::upgrade(context, caller.by_itself(), handshake),
        Err(refusal) => refused(refusal),
    }
}

/// What a body costs before it is read.
const BODY_COST: u32 = 1;
/// What opening a WebSocket costs.
const UPGRADE_COST: u32 = 10;
/// What all metrics cost: the sizes of files are looked up.
const METRICS_COST: u32 = 20;

/// Free: whoever is told nothing here starts a node anew that is well.
async fn live(State(context): State<Arc<Context>>) -> Response {
    healthy(health::live(&context))
}

/// Free, too: the application is asked once for all who want to know.
async fn ready(State(context): State<Arc<Context>>) -> Response {
    healthy(health::ready(&context).await)
}

fn healthy((is_so, answer): (bool, Value)) -> Response {
    let status = if is_so { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    json(status, answer.to_string())
}

async fn metrics(
    State(context): State<Arc<Context>>,
    Extension(door): Extension<Arc<Door>>,
    Extension(caller): Extension<Caller>,
) -> Response {
    if let Some(error) = caller.may(Role::Read).err().filter(|_| !door.open_metrics) {
        return refused(Refusal { status: StatusCode::UNAUTHORIZED, error });
    }
    let page = match caller.begin(METRICS_COST) {
        Ok(_place) => metrics::page(&context, &caller, &door.home).await,
        Err(busy) => Err(busy),
    };
    match page {
        Ok(page) => {
            ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], page).into_response()
        }
        Err(error) if error.retry_after.is_some() => refused(Refusal::busy(error)),
        Err(error) => refused(Refusal { status: StatusCode::INTERNAL_SERVER_ERROR, error }),
    }
}

/// What can be asked, for people.
async fn methods(Extension(caller): Extension<Caller>) -> Response {
    match caller.spend(1) {
        Ok(()) => method::list().into_response(),
        Err(error) => refused(Refusal::busy(error)),
    }
}

fn answer(reply: Reply) -> Response {
    let Reply { body, retry_after } = reply;
    let Some(body) = body else { return StatusCode::OK.into_response() };
    let mut response = json(StatusCode::OK, body);
    if let Some(after) = retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, seconds(after));
    }
    response
}

pub(super) fn json(status: StatusCode, body: impl Into<Body>) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body.into()).into_response()
}

/// For what was never read as a request, in the same form; the connection ends, as the rest of the body may still come.
pub(super) fn refused(refusal: Refusal) -> Response {
    let Refusal { status, error } = refusal;
    let retry_after = error.retry_after;
    let mut response = json(status, envelope(&Value::Null, Err(error)));
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    if let Some(after) = retry_after {
        headers.insert(header::RETRY_AFTER, seconds(after));
    }
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

/// As the header has it: whole seconds.
fn seconds(after: Duration) -> HeaderValue {
    HeaderValue::from(after.as_millis().div_ceil(1000).clamp(1, 3600) as u64)
}
