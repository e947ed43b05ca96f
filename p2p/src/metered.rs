//! The byte stream below everything: counts bytes, reads no faster than allowed, and breaks when the peer takes nothing.

use std::{
    io,
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use futures::{AsyncRead, AsyncWrite};
use tokio::time::{Sleep, sleep};

use crate::{Limits, bucket::Bucket, member::Member};

/// Wraps the encrypted stream of one connection.
pub(crate) struct Metered<S> {
    inner: S,
    member: Arc<Member>,
    budget: Bucket,
    /// Reading pauses until then: the budget is overdrawn.
    pause: Option<Pin<Box<Sleep>>>,
    stall_timeout: Duration,
    /// The peer took nothing since this was set.
    stall: Option<Pin<Box<Sleep>>>,
}

impl<S> Metered<S> {
    pub(crate) fn new(inner: S, member: Arc<Member>, limits: &Limits) -> Self {
        let rate = limits.read_bytes_per_second;
        let budget = Bucket::new(rate, rate, Instant::now());
        Self { inner, member, budget, pause: None, stall_timeout: limits.stall_timeout, stall: None }
    }

    /// Passes on the outcome of a write; turns waiting for too long into an error.
    fn watch<T>(&mut self, outcome: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.stall = None;
            return outcome;
        }
        let limit = self.stall_timeout;
        let stall = self.stall.get_or_insert_with(|| Box::pin(sleep(limit)));
        ready!(stall.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(
            io::ErrorKind::TimedOut,
            format!("the peer took no bytes for {limit:?}"),
        )))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        if let Some(pause) = &mut self.pause {
            ready!(pause.as_mut().poll(cx));
            self.pause = None;
        }
        let n = ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        self.member.bytes_in.fetch_add(n as u64, Ordering::Relaxed);
        let wait = self.budget.spend(n, Instant::now());
        if !wait.is_zero() {
            self.pause = Some(Box::pin(sleep(wait)));
        }
        Poll::Ready(Ok(n))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.inner).poll_write(cx, buf);
        if let Poll::Ready(Ok(n)) = outcome {
            self.member.bytes_out.fetch_add(n as u64, Ordering::Relaxed);
        }
        self.watch(outcome, cx)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.inner).poll_flush(cx);
        self.watch(outcome, cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.inner).poll_close(cx);
        self.watch(outcome, cx)
    }
}

#[cfg(test)]
mod tests {
    use futures::{AsyncReadExt, AsyncWriteExt};
    use libp2p::PeerId;

    use super::*;
    use crate::{Peer, PeerKey, member::Members};

    /// Gives endless zeroes, takes nothing.
    struct Wall;

    impl AsyncRead for Wall {
        fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
            buf.fill(0);
            Poll::Ready(Ok(buf.len()))
        }
    }

    impl AsyncWrite for Wall {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Pending
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }

        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    fn metered() -> Metered<Wall> {
        let limits = Limits {
            read_bytes_per_second: 1000,
            stall_timeout: Duration::from_millis(50),
            ..Limits::default()
        };
        let peer = Peer { key: PeerKey::from_bytes([1; 32]), address: None };
        let members = Members::new(vec![(peer.clone(), PeerId::random())], &limits);
        Metered::new(Wall, members.get(&peer.key).expect("just added").clone(), &limits)
    }

    #[tokio::test]
    async fn reads_no_faster_than_allowed() {
        let mut stream = metered();
        let start = Instant::now();
        for _ in 0..13 {
            stream.read_exact(&mut [0; 100]).await.expect("endless");
        }
        // The first second's worth at once, then 300 bytes of which the last need not be waited for.
        assert!(start.elapsed() >= Duration::from_millis(200), "{:?}", start.elapsed());
        assert_eq!(stream.member.bytes_in.load(Ordering::Relaxed), 1300);
    }

    #[tokio::test]
    async fn gives_up_on_a_peer_that_takes_nothing() {
        let expected = "the peer took no bytes for 50ms";
        assert_eq!(metered().write_all(b"x").await.expect_err("stalled").to_string(), expected);
        assert_eq!(metered().flush().await.expect_err("stalled").to_string(), expected);
        assert_eq!(metered().close().await.expect_err("stalled").to_string(), expected);
    }
}
