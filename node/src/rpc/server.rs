//! HTTP around the dispatcher: connections, bodies, and their limits.

use std::{future::Future, io, net::SocketAddr, sync::Arc, time::Duration};

use althing_p2p::Network;
use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Path, Query, Request, State, rejection::QueryRejection},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use http_body_util::BodyExt;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    pin,
    sync::Semaphore,
    time::timeout,
};

use super::{Context, RpcError, commits, dispatch, method, quotes::Quotes, stall::Stall};
use crate::{config::RpcConfig, handle::NodeHandle};

/// How long a client may take to send a request's head; a connection idle for so long is closed, too.
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a client may take to send a request's body.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a client may take nothing of an answer.
const STALL_TIMEOUT: Duration = Duration::from_secs(30);
/// How long requests under way are waited for when the node stops.
const STOP_TIMEOUT: Duration = Duration::from_secs(3);
/// How long to wait when the system gives no connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Of a body that is too long so many times the limit is read and thrown away: a client that is still sending would not
/// see the answer.
const DISCARDED: usize = 16;

/// The address cannot be served on.
#[derive(Debug, thiserror::Error)]
#[error(
    "rpc.listen: cannot listen on {address}: {source}; is another node running there? Choose another address"
)]
pub struct BindError {
    /// The address.
    pub address: SocketAddr,
    /// The system's reason.
    pub source: io::Error,
}

/// A bound address that is not served yet: clients that connect wait.
pub struct Server {
    listener: TcpListener,
    network: Option<Network>,
}

impl Server {
    /// Takes the address; port 0 lets the system choose one.
    pub async fn bind(address: SocketAddr) -> Result<Self, BindError> {
        let listener = TcpListener::bind(address).await.map_err(|source| BindError { address, source })?;
        Ok(Self { listener, network: None })
    }

    /// The address, with the port that was chosen.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Tells clients of this network: its address, and those of the peers. Without one these are shown as unspecified.
    pub fn on_network(self, network: Network) -> Self {
        Self { network: Some(network), ..self }
    }

    /// Serves until `stop` is done, then lets requests under way end.
    pub async fn serve(self, node: NodeHandle, config: RpcConfig, stop: impl Future<Output = ()>) {
        let connections = Arc::new(Semaphore::new(config.max_connections));
        let context = Arc::new(Context::new(node, self.network, config));
        let follower = tokio::spawn(commits::follow(Arc::clone(&context)));
        let service = TowerToHyperService::new(routes(context));
        let http = protocol();
        let graceful = GracefulShutdown::new();
        pin!(stop);
        loop {
            // With all connections in use, further ones wait in the system's queue.
            let accepted = async {
                let place = Arc::clone(&connections).acquire_owned().await;
                (place, accept(&self.listener).await)
            };
            let (place, stream) = tokio::select! {
                accepted = accepted => accepted,
                () = &mut stop => break,
            };
            let connection = http.serve_connection(wrapped(stream), service.clone());
            let connection = graceful.watch(connection);
            tokio::spawn(async move {
                let _place = place;
                // A client that breaks off is its own affair.
                let _ = connection.await;
            });
        }
        drop(self.listener);
        if timeout(STOP_TIMEOUT, graceful.shutdown()).await.is_err() {
            tracing::debug!("some clients' requests were cut off");
        }
        follower.abort();
    }
}

/// Serves one connection that is there already, be it no socket, until it ends. Nobody follows the blocks for those who wait for
/// a commit: they wait in vain.
pub async fn serve_stream(
    node: NodeHandle,
    config: RpcConfig,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) {
    let context = Arc::new(Context::new(node, None, config));
    let service = TowerToHyperService::new(routes(context));
    // A client that breaks off is its own affair.
    let _ = protocol().serve_connection(wrapped(stream), service).await;
}

fn protocol() -> http1::Builder {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    http
}

fn wrapped<S: AsyncRead + AsyncWrite + Unpin>(stream: S) -> TokioIo<Quotes<Stall<S>>> {
    TokioIo::new(Quotes::new(Stall::new(stream, STALL_TIMEOUT)))
}

async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Answers are written whole; waiting to fill a packet only delays them.
                let _ = stream.set_nodelay(true);
                return stream;
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection to rpc.listen");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn routes(context: Arc<Context>) -> Router {
    Router::new()
        .route("/", post(posted).get(methods))
        .route("/{method}", get(asked).post(posted))
        .with_state(context)
}

async fn posted(State(context): State<Arc<Context>>, request: Request) -> Response {
    let max = context.config.max_body_bytes;
    match timeout(BODY_TIMEOUT, read_body(request.into_body(), max)).await {
        Ok(Ok(body)) => match dispatch::body(&context, body).await {
            Some(answer) => json(StatusCode::OK, answer),
            None => StatusCode::OK.into_response(),
        },
        Ok(Err(status)) => {
            let reason = match status {
                StatusCode::PAYLOAD_TOO_LARGE => format!("the body is longer than rpc.max_body_bytes, {max}"),
                _ => "the body broke off".to_owned(),
            };
            refusal(status, reason)
        }
        Err(_) => {
            let reason = format!("the body did not come within {} s", BODY_TIMEOUT.as_secs());
            refusal(StatusCode::REQUEST_TIMEOUT, reason)
        }
    }
}

/// The body if it has at most `max` bytes.
async fn read_body(mut body: Body, max: usize) -> Result<Bytes, StatusCode> {
    let (mut bytes, mut len) = (Vec::new(), 0usize);
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| StatusCode::BAD_REQUEST)?.into_data() else { continue };
        len = len.saturating_add(data.len());
        if len <= max {
            bytes.extend_from_slice(&data);
        } else if len <= max.saturating_mul(DISCARDED) {
            bytes = Vec::new();
        } else {
            break;
        }
    }
    if len <= max { Ok(bytes.into()) } else { Err(StatusCode::PAYLOAD_TOO_LARGE) }
}

async fn asked(
    State(context): State<Arc<Context>>,
    Path(method): Path<String>,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Response {
    let answer = match query {
        Ok(Query(query)) => dispatch::uri(&context, &method, query).await,
        Err(error) => dispatch::envelope(Value::from(-1), Err(RpcError::params(error))),
    };
    json(StatusCode::OK, answer)
}

/// What can be asked, for people.
async fn methods() -> String {
    method::list()
}

fn json(status: StatusCode, body: Vec<u8>) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// For what was never read as a request, in the same form; the connection ends, as the rest of the body may still come.
fn refusal(status: StatusCode, reason: String) -> Response {
    let body = dispatch::envelope(Value::Null, Err(RpcError::invalid_request(reason)));
    let mut response = json(status, body);
    response.headers_mut().insert(header::CONNECTION, header::HeaderValue::from_static("close"));
    response
}
