//! Direct streams: for each class one long-lived stream in each direction. The side that sends opens it and waits for
//! `Ready`, so that no message is written to a stream which the other side lost track of.

use std::{io, sync::Arc, time::Duration};

use futures::{
    AsyncRead, AsyncWrite, AsyncWriteExt,
    io::{BufReader, BufWriter},
};
use tokio::time::timeout;

use crate::{
    Class, Limits,
    event::Events,
    frame::{self, FrameError, Header, Kind},
    lane,
    member::{Kind as Traffic, Member},
    standing::Offence,
};

/// Small messages are gathered up to this many bytes before they go out, or until none is waiting.
const BUFFER_BYTES: usize = 16 * 1024;
/// A peer may be silent for so many heartbeats.
const SILENT_HEARTBEATS: u32 = 4;

/// Sends what is put into the outbox until the stream breaks; says why it ended.
pub(crate) async fn send(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    outbox: lane::Receiver<Arc<[u8]>>,
    limits: Arc<Limits>,
) -> String {
    match timeout(limits.handshake_timeout, frame::read_header(&mut stream, 0)).await {
        Ok(Ok(Header { kind: Kind::Ready, .. })) => {}
        Ok(Ok(Header { kind, .. })) => return FrameError::Unexpected(kind).to_string(),
        Ok(Err(error)) => return error.to_string(),
        Err(_) => return format!("the peer did not take the stream within {:?}", limits.handshake_timeout),
    }
    match send_all(stream, outbox, limits.heartbeat).await {
        Ok(()) => "closed by this node".into(),
        Err(error) => format!("the stream broke: {error}"),
    }
}

async fn send_all(
    stream: impl AsyncWrite + Unpin,
    mut outbox: lane::Receiver<Arc<[u8]>>,
    heartbeat: Duration,
) -> io::Result<()> {
    let mut stream = BufWriter::with_capacity(BUFFER_BYTES, stream);
    loop {
        if let Ok(message) = outbox.try_recv() {
            frame::write(&mut stream, Kind::Message, &message).await?;
            continue;
        }
        stream.flush().await?;
        match timeout(heartbeat, outbox.recv()).await {
            Ok(Some(message)) => frame::write(&mut stream, Kind::Message, &message).await?,
            Ok(None) => return Ok(()),
            Err(_) => frame::write(&mut stream, Kind::Heartbeat, &[]).await?,
        }
    }
}

/// Receives until the stream breaks or the peer does; says why it ended.
pub(crate) async fn receive(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    class: Class,
    member: Arc<Member>,
    events: Events,
    limits: Arc<Limits>,
) -> String {
    match receive_all(stream, class, &member, &events, &limits).await {
        End::Frame(error) => {
            let reason = format!("{} stream: {error}", class.name());
            if error.is_violation() {
                member.penalise(Offence::Protocol, &reason);
            }
            reason
        }
        End::Silent => format!("{} stream: the peer was silent for {:?}", class.name(), silence(&limits)),
        End::Stopped => "closed by this node".into(),
    }
}

enum End {
    Frame(FrameError),
    Silent,
    Stopped,
}

impl<E: Into<FrameError>> From<E> for End {
    fn from(error: E) -> Self {
        End::Frame(error.into())
    }
}

fn silence(limits: &Limits) -> Duration {
    limits.heartbeat * SILENT_HEARTBEATS
}

async fn receive_all(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    class: Class,
    member: &Member,
    events: &Events,
    limits: &Limits,
) -> End {
    let steps = async {
        let mut stream = stream;
        frame::write(&mut stream, Kind::Ready, &[]).await?;
        stream.flush().await?;
        let mut stream = BufReader::with_capacity(BUFFER_BYTES, stream);
        loop {
            receive_one(&mut stream, class, member, events, limits).await?;
        }
    };
    let end: Result<(), End> = steps.await;
    end.err().unwrap_or(End::Stopped)
}

async fn receive_one(
    stream: &mut (impl AsyncRead + Unpin),
    class: Class,
    member: &Member,
    events: &Events,
    limits: &Limits,
) -> Result<(), End> {
    let max = limits.class(class).max_message_bytes;
    let header =
        timeout(silence(limits), frame::read_header(stream, max)).await.map_err(|_| End::Silent)??;
    match header.kind {
        Kind::Message | Kind::Heartbeat => {}
        kind => return Err(FrameError::Unexpected(kind).into()),
    }
    let within = member.meter(Traffic::Class(class), header.len);
    if header.kind == Kind::Heartbeat {
        return Ok(());
    }
    if !within {
        return Ok(frame::skip_payload(stream, header.len).await?);
    }
    let bytes = frame::read_payload(stream, header.len).await?;
    events.message(member.key, class, bytes).await.map_err(|_| End::Stopped)
}
