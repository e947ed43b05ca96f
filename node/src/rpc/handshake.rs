//! How a request over HTTP becomes a WebSocket, and how messages are written to it.
//!
//! A long message goes out in frames. What is written to a WebSocket is copied into its buffer, which never gets smaller: so that
//! holds one frame at most, and an answer counts as its client's until the last frame of it is on its way.

use axum::{
    body::Bytes,
    extract::Request,
    http::{HeaderMap, HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures::SinkExt;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        self, Message,
        handshake::derive_accept_key,
        protocol::{
            Role, WebSocketConfig,
            frame::{
                Frame,
                coding::{Data, OpCode},
            },
        },
    },
};

use super::{RpcError, door::Refusal};

/// What is read from a connection at once.
const READ_BUFFER_BYTES: usize = 16 << 10;
/// Bytes of a message in one frame.
const FRAME_BYTES: usize = 64 << 10;

/// The connection, once it is one.
pub(super) type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// A request for a WebSocket.
pub(super) struct Handshake {
    accept: String,
    upgrade: OnUpgrade,
}

impl Handshake {
    /// What stands in a request, if it is one.
    pub(super) fn of(request: &mut Request) -> Result<Self, Refusal> {
        let headers = request.headers();
        let asked = says(headers, header::CONNECTION, "upgrade")
            && says(headers, header::UPGRADE, "websocket")
            && says(headers, header::SEC_WEBSOCKET_VERSION, "13");
        let accept = headers.get(header::SEC_WEBSOCKET_KEY).map(|key| derive_accept_key(key.as_bytes()));
        let upgrade = request.extensions_mut().remove::<OnUpgrade>();
        match (accept.filter(|_| asked), upgrade) {
            (Some(accept), Some(upgrade)) => Ok(Self { accept, upgrade }),
            _ => {
                let reason =
                    "no handshake of a WebSocket of version 13; methods are asked for at / or at /method";
                Err(Refusal { status: StatusCode::BAD_REQUEST, error: RpcError::invalid_request(reason) })
            }
        }
    }

    /// The answer that takes it, after which this serves what it becomes. Longer messages than `max_bytes` are not read.
    pub(super) fn serve<F: Future<Output = ()> + Send + 'static>(
        self,
        max_bytes: usize,
        serve: impl FnOnce(Socket) -> F + Send + 'static,
    ) -> Response {
        let Self { accept, upgrade } = self;
        let config = WebSocketConfig::default()
            .max_message_size(Some(max_bytes))
            .max_frame_size(Some(max_bytes))
            .read_buffer_size(READ_BUFFER_BYTES)
            .write_buffer_size(0);
        tokio::spawn(async move {
            // A client that leaves before is its own affair.
            if let Ok(upgraded) = upgrade.await {
                let stream = TokioIo::new(upgraded);
                serve(WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await).await;
            }
        });
        let headers = [
            (header::CONNECTION, "upgrade"),
            (header::UPGRADE, "websocket"),
            (header::SEC_WEBSOCKET_ACCEPT, accept.as_str()),
        ];
        (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
    }
}

/// Whether one of the words of a header is this one.
fn says(headers: &HeaderMap, name: HeaderName, word: &str) -> bool {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|one| one.trim().eq_ignore_ascii_case(word))
}

/// Sends JSON, and so text.
pub(super) async fn send(socket: &mut Socket, message: impl Into<Bytes>) -> Result<(), tungstenite::Error> {
    let (mut rest, mut kind) = (message.into(), Data::Text);
    loop {
        let part = rest.split_to(rest.len().min(FRAME_BYTES));
        let frame = Frame::message(part, OpCode::Data(kind), rest.is_empty());
        socket.send(Message::Frame(frame)).await?;
        if rest.is_empty() {
            return Ok(());
        }
        kind = Data::Continue;
    }
}
