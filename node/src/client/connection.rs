//! One HTTP connection, plain or over TLS, kept between requests.

use std::{io, time::Duration};

use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::{Request, body::Bytes, client::conn::http1, header, http::request::Builder};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::{Instant, timeout},
};
use tokio_rustls::rustls::pki_types::ServerName;

use super::{Access, ClientError, NodeUrl};

/// How long the system may look for a node that says nothing, not even that nobody is there.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest answer that is read.
const MAX_ANSWER_BYTES: usize = 64 << 20;

type Sender = http1::SendRequest<Full<Bytes>>;

/// The way to a node.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) node: NodeUrl,
    access: Access,
    kept: Option<Sender>,
    /// Before this the node wants to hear nothing.
    pub(super) not_before: Option<Instant>,
}

impl Connection {
    pub(super) fn new(node: NodeUrl, access: Access) -> Self {
        Self { node, access, kept: None, not_before: None }
    }

    /// The body that answers this one. Whoever drops it before it is done has given the connection up.
    pub(super) async fn post(&mut self, body: Bytes) -> Result<Bytes, ClientError> {
        let request = Request::post("/").header(header::CONTENT_TYPE, "application/json");
        self.send(request, body).await
    }

    /// What is served at a path.
    pub(super) async fn get(&mut self, path: &str) -> Result<Bytes, ClientError> {
        self.send(Request::get(path), Bytes::new()).await
    }

    async fn send(&mut self, request: Builder, body: Bytes) -> Result<Bytes, ClientError> {
        let mut sender = match self.kept.take() {
            Some(mut kept) => match kept.ready().await {
                Ok(()) => kept,
                // The node closed it while it was idle.
                Err(_) => self.connect().await?,
            },
            None => self.connect().await?,
        };
        let mut request = request.header(header::HOST, self.node.authority());
        if let Some(key) = self.access.bearer() {
            request = request.header(header::AUTHORIZATION, key);
        }
        let request = request.body(Full::new(body)).map_err(|error| self.answer_error(error))?;
        let response = match sender.try_send_request(request).await {
            Ok(response) => response,
            Err(mut error) => match error.take_message() {
                // Closed in the moment of sending: nothing was sent, so it can be sent again.
                Some(request) => {
                    sender = self.connect().await?;
                    sender.send_request(request).await.map_err(|source| self.broken(source))?
                }
                None => return Err(self.broken(error.into_error())),
            },
        };
        let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES).collect().await.map_err(|error| {
            match error.downcast::<hyper::Error>() {
                Ok(source) => self.broken(*source),
                Err(error) if error.is::<LengthLimitError>() => {
                    self.answer_error(format!("longer than {MAX_ANSWER_BYTES} bytes"))
                }
                Err(error) => self.answer_error(error),
            }
        })?;
        self.kept = Some(sender);
        Ok(body.to_bytes())
    }

    async fn connect(&self) -> Result<Sender, ClientError> {
        let failed = |source| ClientError::Connect { node: self.node.clone(), source };
        let connecting = timeout(CONNECT_TIMEOUT, TcpStream::connect(self.node.authority()));
        let stream = connecting.await.unwrap_or_else(|late| Err(late.into())).map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        if !self.node.is_secure() {
            return self.speak(stream).await;
        }
        let no_roots = || io::Error::other("TLS needs the roots of the node's certificate, in a PEM file");
        let tls = self.access.tls().ok_or_else(|| failed(no_roots()))?;
        let name = ServerName::try_from(self.node.host().to_owned());
        let name = name.map_err(|error| failed(io::Error::other(error)))?;
        self.speak(tls.connect(name, stream).await.map_err(failed)?).await
    }

    async fn speak(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) -> Result<Sender, ClientError> {
        let (sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|source| self.broken(source))?;
        // Ends with the sender, or with the connection; the request that suffers from that says so.
        tokio::spawn(async move { drop(connection.await) });
        Ok(sender)
    }

    fn broken(&self, source: hyper::Error) -> ClientError {
        ClientError::Connection { node: self.node.clone(), source }
    }

    pub(super) fn answer_error(&self, reason: impl ToString) -> ClientError {
        ClientError::Answer { node: self.node.clone(), reason: reason.to_string() }
    }
}
