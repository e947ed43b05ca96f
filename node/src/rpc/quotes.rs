//! Double quotes in a URI, as people type them: `curl 'localhost:26657/abci_query?path="account"'`.
//!
//! No URI may hold them, so HTTP would refuse the request before it is read. In the first line of a connection they become
//! single quotes, which may; [`Params`](super::params::Params) takes both. Programs write `%22`.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A connection whose first line may hold double quotes.
pub(super) struct Quotes<S> {
    stream: S,
    in_first_line: bool,
}

impl<S> Quotes<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, in_first_line: true }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Quotes<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        if self.in_first_line {
            let new = &mut buf.filled_mut()[before..];
            let end = new.iter().position(|byte| *byte == b'\n');
            self.in_first_line = end.is_none();
            let line = end.unwrap_or(new.len());
            new[..line].iter_mut().filter(|byte| **byte == b'"').for_each(|byte| *byte = b'\'');
        }
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
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    #[tokio::test]
    async fn only_the_first_line_is_changed_however_it_arrives() {
        for cut in 0..20 {
            let bytes = b"GET /?a=\"b\"\r\n\"c\"\r\n";
            let (head, tail) = bytes.split_at(cut.min(bytes.len()));
            let mut read = Vec::new();
            Quotes::new(head.chain(tail)).read_to_end(&mut read).await.unwrap();
            assert_eq!(read, b"GET /?a='b'\r\n\"c\"\r\n");
        }
    }
}
