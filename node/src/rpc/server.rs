//! The address for clients, and the connections to it.

use std::{future::Future, io, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use althing_p2p::Network;
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    pin,
    sync::{Semaphore, watch},
    time::timeout,
};

use super::{
    Context, DoorError, RpcError,
    answer::envelope,
    clients::{Clients, Kind, Place},
    door::{Connection, Door, Patience},
    files, follow,
    manners::Manners,
    quotes::Quotes,
    routes::routes,
    stall::Stall,
    who::Who,
};
use crate::{config::RpcConfig, handle::NodeHandle};

/// What a connection may make this node keep of a head that is not whole, or of an answer beside the answer itself.
const MAX_BUFFER_BYTES: usize = 64 << 10;
/// Bytes of answers that the system keeps until a client takes them; it doubles that for its own accounts.
const SEND_BUFFER_BYTES: usize = 128 << 10;
/// How long requests under way are waited for when the node stops.
const STOP_TIMEOUT: Duration = Duration::from_secs(3);
/// How long to wait when the system gives no connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// What a connection costs, and one over TLS: its handshake takes a signature.
const CONNECTION_COST: u32 = 1;
const TLS_COST: u32 = 20;
/// Clients that are told at once why they are turned away; further ones are only hung up on.
const MAX_TURNED_AWAY: usize = 64;
/// How long such a one may take to read it.
const TURN_AWAY_TIMEOUT: Duration = Duration::from_secs(1);

/// The address cannot be served on.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// It cannot be had.
    #[error(
        "rpc.listen: cannot listen on {address}: {source}; is another node running there? Choose another address"
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
    /// It would be open to whom it must not be, or a file for it is missing.
    #[error(transparent)]
    Door(#[from] DoorError),
}

/// A bound address that is not served yet: clients that connect wait.
pub struct Server {
    listener: TcpListener,
    network: Option<Network>,
    door: Door,
    config: RpcConfig,
}

impl Server {
    /// Takes the configured address; port 0 lets the system choose one. Files that the configuration names are relative to the home.
    pub async fn bind(mut config: RpcConfig, home: &Path) -> Result<Self, BindError> {
        let door = Door::new(&config, home)?;
        let address = config.listen;
        let listen = |source| BindError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(listen)?;
        if let Some(advice) = door.advice(&config) {
            tracing::warn!("{advice}");
        }
        config.max_connections = files::connections(config.max_connections);
        Ok(Self { listener, network: None, door, config })
    }

    /// The address, with the port that was chosen.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Tells clients of this network: its address, and those of the peers. Without one these are shown as unspecified.
    pub fn on_network(self, network: Network) -> Self {
        Self { network: Some(network), ..self }
    }

    /// Gives clients so much time instead.
    #[cfg(test)]
    pub(super) fn with_patience(mut self, patience: Patience) -> Self {
        self.door.patience = patience;
        self
    }

    /// Serves until `stop` is done, then lets requests under way end.
    pub async fn serve(self, node: NodeHandle, stop: impl Future<Output = ()>) {
        let Self { listener, network, door, config } = self;
        let context = Arc::new(Context::new(node, network, config));
        let follower = tokio::spawn(follow::follow(Arc::clone(&context)));
        let door = Arc::new(door);
        let entry = Entry {
            clients: Arc::clone(&context.clients),
            routes: routes(context, Arc::clone(&door)),
            door,
            turned_away: Arc::new(Semaphore::new(MAX_TURNED_AWAY)),
        };
        let (stopping, stopped) = watch::channel(false);
        pin!(stop);
        loop {
            let (stream, peer) = tokio::select! {
                accepted = accept(&listener) => accepted,
                () = &mut stop => break,
            };
            entry.let_in(stream, peer, stopped.clone());
        }
        drop(listener);
        drop(stopped);
        stopping.send_replace(true);
        // Each connection has a receiver as long as it lasts.
        if timeout(STOP_TIMEOUT, stopping.closed()).await.is_err() {
            tracing::debug!("some clients' requests were cut off");
        }
        follower.abort();
    }
}

/// What every new connection meets.
struct Entry {
    clients: Arc<Clients>,
    routes: Router,
    door: Arc<Door>,
    turned_away: Arc<Semaphore>,
}

impl Entry {
    /// Serves a connection in a task of its own, or tells it at once that there is no room.
    fn let_in(&self, stream: TcpStream, peer: SocketAddr, stopped: watch::Receiver<bool>) {
        let who = self.door.who_connects(peer.ip());
        let place = match self.place(&who) {
            Ok(place) => place,
            Err(busy) => return self.turn_away(stream, &busy),
        };
        let manners = Manners::over(place, matches!(who, Who::Proxy(_)));
        let connection = Connection { peer: Some(peer.ip()), manners: Arc::new(manners) };
        let routes = self.routes.clone().layer(Extension(connection));
        let (tls, patience) = (self.door.tls.clone(), self.door.patience);
        tokio::spawn(async move {
            match tls {
                None => converse(stream, routes, patience, stopped).await,
                Some(tls) => match timeout(patience.handshake, tls.accept(stream)).await {
                    Ok(Ok(stream)) => converse(stream, routes, patience, stopped).await,
                    Ok(Err(error)) => tracing::debug!(%peer, %error, "no TLS with a client"),
                    Err(_) => tracing::debug!(%peer, "no TLS with a client in time"),
                },
            }
        });
    }

    fn place(&self, who: &Who) -> Result<Place, RpcError> {
        if !matches!(who, Who::Proxy(_)) {
            self.clients.arrive(who, if self.door.tls.is_some() { TLS_COST } else { CONNECTION_COST })?;
        }
        self.clients.take(who, Kind::Connections, 1)
    }

    fn turn_away(&self, mut stream: TcpStream, busy: &RpcError) {
        let Ok(turn) = Arc::clone(&self.turned_away).try_acquire_owned() else { return };
        // What is said before the handshake is no TLS.
        if self.door.tls.is_some() {
            return;
        }
        let answer = envelope(&Value::Null, Err(busy.clone()));
        let seconds = busy.retry_after.map_or(1, |after| after.as_secs().max(1));
        let head = format!(
            "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nretry-after: {seconds}\r\nconnection: close\r\n\
             content-length: {}\r\n\r\n",
            answer.len()
        );
        tokio::spawn(async move {
            let _turn = turn;
            let say = async {
                stream.write_all(&[head.as_bytes(), &answer].concat()).await?;
                stream.shutdown().await?;
                // Hung up on with its request unread, the client would not see the answer.
                let mut ignored = [0; 1024];
                while stream.read(&mut ignored).await? > 0 {}
                io::Result::Ok(())
            };
            let _ = timeout(TURN_AWAY_TIMEOUT, say).await;
        });
    }
}

/// Speaks HTTP over a connection until it ends.
async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    routes: Router,
    patience: Patience,
    mut stopped: watch::Receiver<bool>,
) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(patience.head).max_buf_size(MAX_BUFFER_BYTES);
    let stream = TokioIo::new(Quotes::new(Stall::new(stream, patience.stall)));
    let connection = http.serve_connection(stream, TowerToHyperService::new(routes)).with_upgrades();
    pin!(connection);
    // A client that breaks off is its own affair.
    let _ = tokio::select! {
        ended = connection.as_mut() => ended,
        // What it gives must not be kept: it is a lock.
        () = async { drop(stopped.wait_for(|stopped| *stopped).await) } => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
}

/// Serves one connection that is there already, be it no socket, until it ends; who is at its other end may do everything. Nobody
/// follows the blocks for its subscriptions: they wait in vain.
pub async fn serve_stream(
    node: NodeHandle,
    config: RpcConfig,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) {
    serve_open(Arc::new(Context::new(node, None, config)), stream).await;
}

/// The same with a context that is there.
pub(super) async fn serve_open(
    context: Arc<Context>,
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) {
    let connection = Connection { peer: None, manners: Arc::default() };
    let (_going_on, stopped) = watch::channel(false);
    let routes = routes(context, Arc::new(Door::open())).layer(Extension(connection));
    converse(stream, routes, Patience::default(), stopped).await;
}

async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // Answers are written whole; waiting to fill a packet only delays them.
                let _ = stream.set_nodelay(true);
                // What waits there is in no budget, and whoever reads slowly hears of what it misses only behind it. Left alone the
                // system lets it grow to megabytes.
                let _ = rustix::net::sockopt::set_socket_send_buffer_size(&stream, SEND_BUFFER_BYTES);
                return (stream, peer);
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection to rpc.listen");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
