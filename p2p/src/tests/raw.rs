//! Members gone bad: they have a key that is admitted. [`Raw`] passes the gate and says what it likes on its streams,
//! [`lie`] says what it likes in the gate.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex},
    task::Poll,
};

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, future::poll_fn, task::AtomicWaker};
use libp2p::{
    core::{
        Endpoint, StreamMuxer, Transport,
        muxing::{StreamMuxerBox, StreamMuxerExt, SubstreamBox},
        transport::{DialOpts, PortUse},
        upgrade::OutboundConnectionUpgrade,
    },
    noise, tcp,
};
use tokio::task::JoinHandle;

use super::*;
use crate::{driver::multiaddr, gate, member::Members, start};

pub(super) struct Raw {
    pub(super) muxer: Arc<Mutex<StreamMuxerBox>>,
    /// Must look again once there is a new stream.
    driver: Arc<AtomicWaker>,
    /// Keeps the connection going; ends with it.
    pub(super) driving: JoinHandle<io::Error>,
}

impl Raw {
    /// Connects as member `n` to a node that is member `victim`.
    pub(super) async fn connect(n: u8, victim: u8, address: SocketAddr) -> io::Result<Self> {
        Self::connect_and(n, victim, address, |stream| {
            // Held open, never answered.
            tokio::spawn(async move {
                let _stream = stream;
                std::future::pending::<()>().await;
            });
        })
        .await
    }

    /// The same, but takes the victim's streams and all that comes on them.
    pub(super) async fn connect_and_take(n: u8, victim: u8, address: SocketAddr) -> io::Result<Self> {
        Self::connect_and(n, victim, address, |stream| {
            tokio::spawn(take(stream));
        })
        .await
    }

    async fn connect_and(
        n: u8,
        victim: u8,
        address: SocketAddr,
        on_stream: impl Fn(SubstreamBox) + Send + 'static,
    ) -> io::Result<Self> {
        let limits = Arc::new(limits());
        let identity = start::keypair([n; 32]);
        let id = start::peer_id(&key(victim)).expect("a valid key");
        let members = Arc::new(Members::new(vec![(peer(victim, None), id)], &limits));
        let gate = gate::Gate::new(&identity, hello(), members, limits).expect("noise");
        let options = DialOpts { role: Endpoint::Dialer, port_use: PortUse::New };
        let dial = gate::transport(gate).dial(multiaddr(address), options).map_err(io::Error::other)?;
        let (_, muxer) = dial.await?;
        let muxer = Arc::new(Mutex::new(muxer));
        let driver = Arc::new(AtomicWaker::new());
        let (shared, waker) = (muxer.clone(), driver.clone());
        let driving = tokio::spawn(poll_fn(move |cx| {
            waker.register(cx.waker());
            let mut muxer = shared.lock().expect("no panic");
            while let Poll::Ready(stream) = muxer.poll_inbound_unpin(cx) {
                match stream {
                    Ok(stream) => on_stream(stream),
                    Err(error) => return Poll::Ready(error),
                }
            }
            match muxer.poll_unpin(cx) {
                Poll::Ready(Err(error)) => Poll::Ready(error),
                _ => Poll::Pending,
            }
        }));
        Ok(Self { muxer, driver, driving })
    }

    /// Opens a stream for this protocol.
    pub(super) async fn open(&self, protocol: &str) -> io::Result<SubstreamBox> {
        let mut stream = poll_fn(|cx| {
            let mut muxer = self.muxer.lock().expect("no panic");
            Pin::new(&mut *muxer).poll_outbound(cx)
        })
        .await?;
        self.driver.wake();
        agree(&mut stream, protocol).await?;
        Ok(stream)
    }
}

/// Proves its key by Noise, then says this instead of a hello; what the node answers until it hangs up.
pub(super) async fn lie(n: u8, says: &[u8], address: SocketAddr) -> io::Result<Vec<u8>> {
    let options = DialOpts { role: Endpoint::Dialer, port_use: PortUse::New };
    let mut transport = tcp::tokio::Transport::new(tcp::Config::default());
    let mut socket = transport.dial(multiaddr(address), options).map_err(io::Error::other)?.await?;
    agree(&mut socket, "/althing/noise/1").await?;
    let noise = noise::Config::new(&start::keypair([n; 32])).expect("noise");
    let (_, mut stream) = noise.upgrade_outbound(socket, "/noise").await.map_err(io::Error::other)?;
    stream.write_all(says).await?;
    stream.flush().await?;
    let mut heard = Vec::new();
    stream.read_to_end(&mut heard).await?;
    Ok(heard)
}

/// Agrees to whatever protocol the other side wants, says that it is ready and takes all that comes.
async fn take(mut stream: SubstreamBox) -> io::Result<()> {
    for _ in ["/multistream/1.0.0", "the protocol"] {
        let mut len = [0];
        stream.read_exact(&mut len).await?;
        let mut line = vec![0; len[0].into()];
        stream.read_exact(&mut line).await?;
        stream.write_all(&len).await?;
        stream.write_all(&line).await?;
        stream.flush().await?;
    }
    stream.write_all(&[1, 1, 0, 0, 0, 0]).await?;
    stream.flush().await?;
    futures::io::copy(&mut stream, &mut futures::io::sink()).await.map(|_| ())
}

/// Agrees on the protocol of a stream, as multistream-select has it.
async fn agree(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), protocol: &str) -> io::Result<()> {
    let mut words = Vec::new();
    for line in ["/multistream/1.0.0", protocol] {
        words.push(line.len() as u8 + 1);
        words.extend(line.as_bytes());
        words.push(b'\n');
    }
    stream.write_all(&words).await?;
    stream.flush().await?;
    let mut echo = vec![0; words.len()];
    stream.read_exact(&mut echo).await?;
    assert_eq!(echo, words, "agreed");
    Ok(())
}
