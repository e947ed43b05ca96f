//! Quotes and comparisons in a URI, as people type them: `curl 'localhost:26657/tx_search?query="tx.height>5"'`.
//!
//! No URI may hold `"`, `<` and `>`, so HTTP would refuse the request before it is read. In the first line of each request of a
//! connection they become `%22`, `%3C` and `%3E`, as programs write them. Where a request ends [`Framing`] tells: bodies, and all that
//! follows a change of the protocol, pass as they are.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use self::framing::Framing;

mod framing;

/// Bytes that are read at once where some may have to be changed.
const CHUNK: usize = 4096;
/// Bytes of a body that are read at once.
const BODY_CHUNK: usize = 64 << 10;

/// A connection whose requests may begin with such a line.
pub(super) struct Quotes<S> {
    stream: S,
    framing: Framing,
    /// What is changed and not taken yet, from `taken` on: three times [`CHUNK`] at most.
    changed: Vec<u8>,
    taken: usize,
}

impl<S> Quotes<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, framing: Framing::default(), changed: Vec::new(), taken: 0 }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Quotes<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.taken == this.changed.len() {
            if this.framing.is_past_all() {
                return Pin::new(&mut this.stream).poll_read(cx, buf);
            }
            let sure = usize::try_from(this.framing.sure()).unwrap_or(usize::MAX).min(buf.remaining());
            if sure > 0 {
                let mut body = ReadBuf::new(buf.initialize_unfilled_to(sure.min(BODY_CHUNK)));
                ready!(Pin::new(&mut this.stream).poll_read(cx, &mut body))?;
                let read = body.filled().len();
                buf.advance(read);
                this.framing.pass(read as u64);
                return Poll::Ready(Ok(()));
            }
            let mut chunk = [0; CHUNK];
            let mut read = ReadBuf::new(&mut chunk);
            ready!(Pin::new(&mut this.stream).poll_read(cx, &mut read))?;
            this.changed.clear();
            this.taken = 0;
            for byte in read.filled() {
                let in_line = this.framing.take(*byte);
                match byte {
                    b'"' if in_line => this.changed.extend(b"%22"),
                    b'<' if in_line => this.changed.extend(b"%3C"),
                    b'>' if in_line => this.changed.extend(b"%3E"),
                    byte => this.changed.push(*byte),
                }
            }
        }
        let rest = &this.changed[this.taken..];
        let fits = rest.len().min(buf.remaining());
        buf.put_slice(&rest[..fits]);
        this.taken += fits;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Quotes<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests;
