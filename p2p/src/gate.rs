//! The gate: Noise proves the peer's key, then the admission and the hello decide, before the multiplexer or any
//! protocol runs.
//!
//! Each side sends `Hello` (or, to a stranger, `Refusal` at once), reads the other's, compares, then sends `Welcome` or
//! `Refusal` with its reason and reads the other's. So both know, in words, and nothing unread cuts a refusal short.

use std::{future::Future, io, pin::Pin, sync::Arc};

use futures::{AsyncRead, AsyncWrite, AsyncWriteExt};
use libp2p::{
    PeerId, Transport,
    core::{
        muxing::StreamMuxerBox,
        transport::Boxed,
        upgrade::{InboundConnectionUpgrade, OutboundConnectionUpgrade, UpgradeInfo, Version},
    },
    identity::Keypair,
    noise, tcp, yamux,
};

use crate::{
    Hello, Limits, PeerKey,
    frame::{self, FrameError, Kind},
    member::{Member, Members},
    metered::Metered,
};

/// Streams of one connection, both directions: direct streams, gossip, requests made and served (at most 3 × 16).
pub(crate) const MAX_STREAMS: usize = 64;
/// Longest word of the handshake: a hello, or a reason as [`frame::clean`] leaves it.
const MAX_WORD_BYTES: usize = 4 * 300;

/// A connection that did not pass the gate although the peer proved its key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub(crate) struct Refusal {
    pub(crate) peer: Option<PeerKey>,
    pub(crate) reason: String,
}

/// Why a connection ended in the gate.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GateError {
    #[error(transparent)]
    Noise(#[from] noise::Error),
    #[error("handshake: {0}")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// The upgrade that every connection passes first.
#[derive(Clone)]
pub(crate) struct Gate {
    noise: noise::Config,
    own: PeerId,
    hello: Arc<Hello>,
    members: Arc<Members>,
    limits: Arc<Limits>,
}

impl Gate {
    pub(crate) fn new(
        identity: &Keypair,
        hello: Hello,
        members: Arc<Members>,
        limits: Arc<Limits>,
    ) -> Result<Self, noise::Error> {
        let own = identity.public().to_peer_id();
        Ok(Self { noise: noise::Config::new(identity)?, own, hello: Arc::new(hello), members, limits })
    }

    async fn pass<S>(self, peer_id: PeerId, mut stream: S) -> Result<(PeerId, Metered<S>), GateError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let member = match self.admit(&peer_id) {
            Ok(member) => member,
            Err(reason) => {
                refuse(&mut stream, &reason).await?;
                // Read what the stranger says before hanging up, lest its unread words reset the connection.
                let _ = frame::read(&mut stream, MAX_WORD_BYTES).await;
                return Err(Refusal { peer: key_of(&peer_id), reason }.into());
            }
        };
        let refusal = |reason| GateError::Refused(Refusal { peer: Some(member.key), reason });
        let theirs = handshake(&mut stream, &self.hello, || member.may_connect()).await?.map_err(refusal)?;
        member.set_software(frame::clean(theirs.software.as_bytes()));
        Ok((peer_id, Metered::new(stream, member.clone(), &self.limits)))
    }

    fn admit(&self, peer: &PeerId) -> Result<Arc<Member>, String> {
        if let Some(member) = self.members.by_peer_id(peer) {
            return Ok(member);
        }
        let key = key_of(peer).map_or_else(|| format!("of peer {peer}"), |key| key.to_string());
        Err(if *peer == self.own {
            format!(
                "both ends have the identity key {key}: does another node run with a copy of this node's key file?"
            )
        } else {
            format!("identity key {key} is neither a validator nor on the allowlist")
        })
    }
}

/// The handshake with a peer that is admitted: both hellos, compared, then both verdicts. Gives the peer's hello, or why one of the
/// two refuses; fails if the stream does.
pub async fn handshake(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    ours: &Hello,
    may_connect: impl FnOnce() -> Result<(), String>,
) -> io::Result<Result<Hello, String>> {
    say(stream, Kind::Hello, &borsh::to_vec(ours)?).await?;
    let theirs = match hear(stream).await? {
        Ok((Kind::Hello, bytes)) => {
            borsh::from_slice(&bytes).map_err(|error| format!("malformed hello: {error}"))
        }
        Ok((Kind::Refusal, text)) => return Ok(Err(refused_by_peer(&text))),
        Ok((kind, _)) => Err(FrameError::Unexpected(kind).to_string()),
        Err(reason) => Err(reason),
    };
    let verdict = theirs.and_then(|theirs| compare(ours, &theirs).map(|()| theirs));
    let verdict = verdict.and_then(|theirs: Hello| may_connect().map(|()| theirs));
    match &verdict {
        Ok(_) => say(stream, Kind::Welcome, &[]).await?,
        Err(reason) => refuse(stream, reason).await?,
    }
    let answer = hear(stream).await;
    let theirs = match verdict {
        Ok(theirs) => theirs,
        Err(reason) => return Ok(Err(reason)),
    };
    Ok(match answer? {
        Ok((Kind::Welcome, _)) => Ok(theirs),
        Ok((Kind::Refusal, text)) => Err(refused_by_peer(&text)),
        Ok((kind, _)) => Err(FrameError::Unexpected(kind).to_string()),
        Err(reason) => Err(reason),
    })
}

async fn say(stream: &mut (impl AsyncWrite + Unpin), kind: Kind, payload: &[u8]) -> io::Result<()> {
    frame::write(stream, kind, payload).await?;
    stream.flush().await
}

async fn refuse(stream: &mut (impl AsyncWrite + Unpin), reason: &str) -> io::Result<()> {
    say(stream, Kind::Refusal, frame::clean(reason.as_bytes()).as_bytes()).await
}

/// The other side's next word; a broken stream is an error, a broken frame a reason to refuse.
async fn hear(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Result<(Kind, Vec<u8>), String>> {
    match frame::read(stream, MAX_WORD_BYTES).await {
        Ok(frame) => Ok(Ok(frame)),
        Err(FrameError::Io(error)) => Err(error),
        Err(FrameError::Closed) => Err(io::ErrorKind::UnexpectedEof.into()),
        Err(error) => Ok(Err(error.to_string())),
    }
}

fn refused_by_peer(text: &[u8]) -> String {
    format!("the peer refused this node: {}", frame::clean(text))
}

/// What differs, with both values. `theirs` comes from outside.
fn compare(ours: &Hello, theirs: &Hello) -> Result<(), String> {
    if ours.chain_id != theirs.chain_id {
        let theirs = frame::clean(theirs.chain_id.as_bytes());
        return Err(format!("chain id differs: `{}` here, `{theirs}` there", ours.chain_id));
    }
    if ours.genesis != theirs.genesis {
        return Err(format!(
            "genesis differs: hash {} here, {} there; all nodes of a chain need the same genesis document",
            ours.genesis, theirs.genesis
        ));
    }
    if ours.protocol_version != theirs.protocol_version {
        return Err(format!(
            "protocol version differs: {} here ({}), {} there ({})",
            ours.protocol_version,
            ours.software,
            theirs.protocol_version,
            frame::clean(theirs.software.as_bytes())
        ));
    }
    Ok(())
}

/// The Ed25519 key inside a peer id, if it is one.
pub(crate) fn key_of(peer: &PeerId) -> Option<PeerKey> {
    // The id of an Ed25519 key is an identity multihash: code 0, length, then the encoded key itself.
    let bytes = peer.to_bytes();
    let encoded = bytes.strip_prefix(&[0])?.get(1..)?;
    let key = libp2p::identity::PublicKey::try_decode_protobuf(encoded).ok()?.try_into_ed25519().ok()?;
    Some(PeerKey::from_bytes(key.to_bytes()))
}

type Passing<S> =
    Pin<Box<dyn Future<Output = Result<(PeerId, Metered<noise::Output<S>>), GateError>> + Send>>;

impl UpgradeInfo for Gate {
    type Info = &'static str;
    type InfoIter = std::iter::Once<&'static str>;

    fn protocol_info(&self) -> Self::InfoIter {
        std::iter::once("/althing/noise/1")
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> InboundConnectionUpgrade<S> for Gate {
    type Output = (PeerId, Metered<noise::Output<S>>);
    type Error = GateError;
    type Future = Passing<S>;

    fn upgrade_inbound(self, socket: S, info: Self::Info) -> Self::Future {
        Box::pin(async move {
            let (peer, stream) = self.noise.clone().upgrade_inbound(socket, info).await?;
            self.pass(peer, stream).await
        })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> OutboundConnectionUpgrade<S> for Gate {
    type Output = (PeerId, Metered<noise::Output<S>>);
    type Error = GateError;
    type Future = Passing<S>;

    fn upgrade_outbound(self, socket: S, info: Self::Info) -> Self::Future {
        Box::pin(async move {
            let (peer, stream) = self.noise.clone().upgrade_outbound(socket, info).await?;
            self.pass(peer, stream).await
        })
    }
}

/// TCP (no delay), the gate, Yamux.
pub(crate) fn transport(gate: Gate) -> Boxed<(PeerId, StreamMuxerBox)> {
    let timeout = gate.limits.handshake_timeout;
    let mut yamux = yamux::Config::default();
    yamux.set_max_num_streams(MAX_STREAMS);
    tcp::tokio::Transport::new(tcp::Config::default().nodelay(true))
        .upgrade(Version::V1)
        .authenticate(gate)
        .multiplex(yamux)
        .timeout(timeout)
        .boxed()
}

/// Finds a refusal in the layers of errors that the transport wraps around it.
pub(crate) fn find_refusal(error: &io::Error) -> Option<Refusal> {
    let mut error: &(dyn std::error::Error + 'static) = error;
    loop {
        if let Some(refusal) = error.downcast_ref::<Refusal>() {
            return Some(refusal.clone());
        }
        if let Some(GateError::Refused(refusal)) = error.downcast_ref::<GateError>() {
            return Some(refusal.clone());
        }
        // The source of an io error is that of the error inside it, so step inside first.
        error = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => inner,
            None => error.source()?,
        };
    }
}
