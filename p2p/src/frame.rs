//! The frame of everything that is said on a stream: version, kind, length (u32, big-endian), payload.

use std::io;

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Version of this framing and of the handshake.
pub const VERSION: u8 = 1;
const HEADER_BYTES: usize = 6;

/// What a frame carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Nothing: the stream lives.
    Heartbeat = 0,
    /// Nothing: the receiver of a direct stream reads it from now on.
    Ready = 1,
    /// A direct message.
    Message = 2,
    /// A request.
    Request = 3,
    /// The answer to a request.
    Answer = 4,
    /// Text: why there is no answer, or no connection.
    Refusal = 5,
    /// The handshake's first word.
    Hello = 6,
    /// The handshake's last.
    Welcome = 7,
}

impl Kind {
    fn from_byte(byte: u8) -> Option<Self> {
        use Kind::*;
        [Heartbeat, Ready, Message, Request, Answer, Refusal, Hello, Welcome]
            .into_iter()
            .find(|kind| *kind as u8 == byte)
    }
}

/// Why a frame could not be read.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// Nothing begins here.
    #[error("the peer closed the stream")]
    Closed,
    /// The stream ends within it, or fails.
    #[error("the stream broke: {0}")]
    Io(#[from] io::Error),
    /// Of another version.
    #[error("frame of version {0}, this node speaks version {VERSION}")]
    Version(u8),
    /// Of no kind.
    #[error("frame of unknown kind {0}")]
    UnknownKind(u8),
    /// Of another kind than what is said here.
    #[error("{0:?} frame where none is expected")]
    Unexpected(Kind),
    /// It announces too many bytes.
    #[error("{kind:?} frame of {len} bytes, at most {max} are allowed")]
    TooLarge {
        /// What it carries.
        kind: Kind,
        /// Bytes announced.
        len: usize,
        /// Bytes allowed.
        max: usize,
    },
}

impl FrameError {
    /// Whether an honest peer of this version cannot have caused it.
    pub fn is_violation(&self) -> bool {
        !matches!(self, FrameError::Closed | FrameError::Io(_))
    }
}

/// What comes before a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// What the frame carries.
    pub kind: Kind,
    /// Bytes of the payload.
    pub len: usize,
}

/// Reads a header; `max` bounds the payload.
pub async fn read_header(stream: &mut (impl AsyncRead + Unpin), max: usize) -> Result<Header, FrameError> {
    let mut bytes = [0; HEADER_BYTES];
    if stream.read(&mut bytes[..1]).await? == 0 {
        return Err(FrameError::Closed);
    }
    if bytes[0] != VERSION {
        return Err(FrameError::Version(bytes[0]));
    }
    stream.read_exact(&mut bytes[1..]).await?;
    let kind = Kind::from_byte(bytes[1]).ok_or(FrameError::UnknownKind(bytes[1]))?;
    let len = u32::from_be_bytes([bytes[2], bytes[3], bytes[4], bytes[5]]) as usize;
    let max = match kind {
        Kind::Heartbeat | Kind::Ready | Kind::Welcome => 0,
        _ => max,
    };
    if len > max {
        return Err(FrameError::TooLarge { kind, len, max });
    }
    Ok(Header { kind, len })
}

/// Reads a payload. Memory grows with what arrives, not with what the header announced.
pub async fn read_payload(stream: &mut (impl AsyncRead + Unpin), len: usize) -> Result<Vec<u8>, FrameError> {
    let mut payload = Vec::new();
    stream.take(len as u64).read_to_end(&mut payload).await?;
    if payload.len() < len {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
    }
    Ok(payload)
}

/// Reads past a payload without keeping it.
pub async fn skip_payload(stream: &mut (impl AsyncRead + Unpin), len: usize) -> Result<(), FrameError> {
    let skipped = futures::io::copy(stream.take(len as u64), &mut futures::io::sink()).await?;
    if skipped < len as u64 {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
    }
    Ok(())
}

/// Reads a whole frame; `max` bounds the payload.
pub async fn read(stream: &mut (impl AsyncRead + Unpin), max: usize) -> Result<(Kind, Vec<u8>), FrameError> {
    let header = read_header(stream, max).await?;
    Ok((header.kind, read_payload(stream, header.len).await?))
}

/// Writes without flushing. The payload's length was checked against a limit far below u32.
pub async fn write(stream: &mut (impl AsyncWrite + Unpin), kind: Kind, payload: &[u8]) -> io::Result<()> {
    let len = u32::try_from(payload.len()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    let [a, b, c, d] = len.to_be_bytes();
    stream.write_all(&[VERSION, kind as u8, a, b, c, d]).await?;
    stream.write_all(payload).await
}

/// Text from a peer, fit for a log: no control characters, at most 300 characters.
pub fn clean(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(&text[..text.len().min(1200)]);
    text.chars().take(300).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn reads_what_was_written_and_nothing_else() {
        let mut bytes = Vec::new();
        write(&mut bytes, Kind::Message, b"abc").await.expect("to memory");
        assert_eq!(bytes, [1, 2, 0, 0, 0, 3, b'a', b'b', b'c']);
        assert!(matches!(read(&mut &bytes[..], 3).await, Ok((Kind::Message, body)) if body == b"abc"));

        let cases: [(&[u8], &str); 8] = [
            (&[], "the peer closed the stream"),
            (&bytes[..4], "the stream broke: unexpected end of file"),
            (&bytes[..8], "the stream broke: unexpected end of file"),
            (&[2, 2, 0, 0, 0, 0], "frame of version 2, this node speaks version 1"),
            (&[1, 99, 0, 0, 0, 0], "frame of unknown kind 99"),
            (&[1, 2, 0, 0, 0, 4], "Message frame of 4 bytes, at most 3 are allowed"),
            (&[1, 2, 255, 255, 255, 255], "Message frame of 4294967295 bytes, at most 3 are allowed"),
            (&[1, 0, 0, 0, 0, 1], "Heartbeat frame of 1 bytes, at most 0 are allowed"),
        ];
        for (mut bytes, expected) in cases {
            let error = read(&mut bytes, 3).await.expect_err(expected);
            assert_eq!(error.to_string(), expected);
        }
    }

    #[test]
    fn foreign_text_is_made_fit_for_a_log() {
        assert_eq!(clean(b"a\x1b[31m\nb\xff"), "a\u{fffd}[31m\u{fffd}b\u{fffd}");
        assert_eq!(clean(&[b'x'; 5000]).len(), 300);
    }
}
