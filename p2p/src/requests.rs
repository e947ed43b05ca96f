//! Requests: each is a stream of its own with one request and one answer, or a refusal in words.

use std::{sync::Arc, time::Duration};

use futures::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc, oneshot},
    time::timeout,
};

use crate::{
    Limits, PeerKey, Responder,
    event::Events,
    frame::{self, FrameError, Kind},
    member::{Kind as Traffic, Member},
    standing::Offence,
};

/// Why a request got no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The key is not among the configured peers.
    #[error("peer {0} is neither a validator nor on the allowlist")]
    UnknownPeer(PeerKey),
    /// No connection at this moment.
    #[error("peer {0} is not connected")]
    NotConnected(PeerKey),
    /// As many requests to this peer as may be are under way.
    #[error("{max} requests to peer {peer} are under way, no more at once")]
    TooMany {
        /// To whom.
        peer: PeerKey,
        /// The limit.
        max: usize,
    },
    /// The request is longer than the limits allow.
    #[error("a request of {len} bytes is longer than the {max} allowed")]
    TooLarge {
        /// Its length in bytes.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// No answer in time.
    #[error("peer {peer} did not answer within {timeout:?}")]
    Timeout {
        /// Who was asked.
        peer: PeerKey,
        /// For how long this node waited.
        timeout: Duration,
    },
    /// The peer said no.
    #[error("peer {peer} refused: {reason}")]
    Refused {
        /// Who was asked.
        peer: PeerKey,
        /// In its words.
        reason: String,
    },
    /// The stream or connection ended, or what came was no answer.
    #[error("request to peer {peer} failed: {reason}")]
    Failed {
        /// Who was asked.
        peer: PeerKey,
        /// What happened.
        reason: String,
    },
}

/// A request on its way to the connection that opens a stream for it.
#[derive(Debug)]
pub(crate) struct Ask {
    request: Vec<u8>,
    reply: oneshot::Sender<Result<Vec<u8>, RequestError>>,
    /// One of the peer's places for concurrent requests, free again when the stream is done.
    _place: OwnedSemaphorePermit,
}

/// Hands the request to the connection in use and waits for what comes of it.
pub(crate) async fn request(
    member: &Member,
    request: Vec<u8>,
    limit: Duration,
    limits: &Limits,
) -> Result<Vec<u8>, RequestError> {
    let peer = member.key;
    let (len, max) = (request.len(), limits.request.max_message_bytes);
    if len > max {
        return Err(RequestError::TooLarge { len, max });
    }
    let too_many = RequestError::TooMany { peer, max: limits.concurrent_requests };
    let place = member.asking.clone().try_acquire_owned().map_err(|_| too_many.clone())?;
    let (reply, wait) = oneshot::channel();
    let ask = Ask { request, reply, _place: place };
    match member.with_link(|link| link.asks.try_send(ask)) {
        Some(Ok(())) => {}
        Some(Err(mpsc::error::TrySendError::Full(_))) => return Err(too_many),
        Some(Err(mpsc::error::TrySendError::Closed(_))) | None => {
            return Err(RequestError::NotConnected(peer));
        }
    }
    match timeout(limit, wait).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(RequestError::Failed { peer, reason: "the connection ended".into() }),
        Err(_) => Err(RequestError::Timeout { peer, timeout: limit }),
    }
}

impl Ask {
    /// No stream could be opened.
    pub(crate) fn fail(self, peer: PeerKey, reason: String) {
        // An asker that went away wants no reply.
        let _ = self.reply.send(Err(RequestError::Failed { peer, reason }));
    }

    /// Sends the request on a fresh stream and reads the answer, unless the asker goes away first.
    pub(crate) async fn run(
        mut self,
        stream: impl AsyncRead + AsyncWrite + Unpin,
        member: Arc<Member>,
        max: usize,
    ) {
        let exchange = exchange(stream, &self.request, max);
        let result = tokio::select! {
            result = exchange => result,
            () = self.reply.closed() => return,
        };
        let peer = member.key;
        let result = match result {
            Ok((Kind::Answer, bytes)) => Ok(bytes),
            Ok((_, text)) => Err(RequestError::Refused { peer, reason: frame::clean(&text) }),
            Err(error) => {
                if error.is_violation() {
                    member.penalise(Offence::Protocol, &format!("answer to a request: {error}"));
                }
                Err(RequestError::Failed { peer, reason: error.to_string() })
            }
        };
        let _ = self.reply.send(result);
    }
}

async fn exchange(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    request: &[u8],
    max: usize,
) -> Result<(Kind, Vec<u8>), FrameError> {
    frame::write(&mut stream, Kind::Request, request).await?;
    stream.flush().await?;
    match frame::read(&mut stream, max).await? {
        (kind @ (Kind::Answer | Kind::Refusal), bytes) => Ok((kind, bytes)),
        (kind, _) => Err(FrameError::Unexpected(kind)),
    }
}

/// Serves one request of a peer. The caller holds one of the peer's places meanwhile. Every step is bounded in time:
/// a peer that dawdles only fills its own places.
pub(crate) async fn serve(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    member: Arc<Member>,
    events: Events,
    limits: Arc<Limits>,
) {
    let request = match timeout(
        limits.stall_timeout,
        read_request(&mut stream, limits.request.max_message_bytes),
    )
    .await
    {
        Ok(Ok(request)) => request,
        Ok(Err(error)) => {
            if error.is_violation() {
                member.penalise(Offence::Protocol, &format!("request: {error}"));
            }
            return;
        }
        Err(_) => return,
    };
    let answer = answer(request, &member, &events, &limits).await.and_then(|answer| {
        // Answers that the peer asks for but does not take must not pile up.
        let share = member.answering.clone().try_acquire_many_owned(answer.len() as u32);
        share
            .map(|share| (answer, share))
            .map_err(|_| "busy: too many bytes of answers wait to be taken already")
    });
    let write = async {
        match &answer {
            Ok((answer, _)) => frame::write(&mut stream, Kind::Answer, answer).await?,
            Err(reason) => frame::write(&mut stream, Kind::Refusal, reason.as_bytes()).await?,
        }
        stream.close().await
    };
    if !matches!(timeout(limits.stall_timeout, write).await, Ok(Ok(()))) {
        tracing::debug!(peer = %member.key, "an answer could not be delivered");
    }
}

async fn read_request(stream: &mut (impl AsyncRead + Unpin), max: usize) -> Result<Vec<u8>, FrameError> {
    match frame::read(stream, max).await? {
        (Kind::Request, request) => Ok(request),
        (kind, _) => Err(FrameError::Unexpected(kind)),
    }
}

async fn answer(
    request: Vec<u8>,
    member: &Member,
    events: &Events,
    limits: &Limits,
) -> Result<Vec<u8>, &'static str> {
    if !member.meter(Traffic::Request, request.len()) {
        return Err("more requests than the rate limit allows");
    }
    let (answer, wait) = oneshot::channel();
    let responder = Responder { answer, max_bytes: limits.max_response_bytes };
    if events.request(member.key, request, responder).is_err() {
        return Err("busy: too many requests wait already");
    }
    match timeout(limits.answer_timeout, wait).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(_)) => Err("no answer to this request"),
        Err(_) => Err("busy: the answer took too long"),
    }
}
