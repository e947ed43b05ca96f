//! What comes over a connection before it is anyone's message: frames and the handshake.
//!
//! The first byte says how many bytes the stream gives at once, and whether they are taken as frames or as the other side of a
//! handshake.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use althing_p2p::{Hello, frame, handshake};
use futures::executor::block_on;
use futures::{AsyncRead, AsyncWrite};

use super::chain::{CHAIN, CHAIN_ID};

/// Longest payload that the frames here may have.
const MAX_FRAME: usize = 1_000;
/// Longest word of a handshake.
const MAX_WORD: usize = 1_200;

/// What this node says of itself.
pub(super) fn hello() -> Hello {
    Hello {
        chain_id: CHAIN_ID.to_owned(),
        genesis: CHAIN.genesis.hash(),
        protocol_version: 1,
        software: "althing/0.1.0".to_owned(),
    }
}

/// A stream that gives these bytes, so many at a time, and keeps what is written to it.
struct Stream<'a> {
    left: &'a [u8],
    at_once: usize,
    written: Vec<u8>,
}

impl AsyncRead for Stream<'_> {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, out: &mut [u8]) -> Poll<io::Result<usize>> {
        let len = out.len().min(self.at_once).min(self.left.len());
        let (given, left) = self.left.split_at(len);
        out[..len].copy_from_slice(given);
        self.left = left;
        Poll::Ready(Ok(len))
    }
}

impl AsyncWrite for Stream<'_> {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.written.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Reads the bytes as frames, or answers them in a handshake.
pub fn p2p(bytes: &[u8]) {
    let Some((first, left)) = bytes.split_first() else { return };
    let stream = Stream { left, at_once: usize::from(first >> 1) + 1, written: Vec::new() };
    if first & 1 == 0 { block_on(frames(stream, left)) } else { block_on(greeted(stream, left)) }
}

/// Frame after frame until one is refused: those that were read, written again, are the bytes that were read.
async fn frames(mut stream: Stream<'_>, all: &[u8]) {
    let mut again = Vec::new();
    let error = loop {
        match frame::read(&mut stream, MAX_FRAME).await {
            Ok((kind, payload)) => {
                assert!(payload.len() <= MAX_FRAME);
                frame::write(&mut Writing(&mut again), kind, &payload).await.expect("to memory");
                assert_eq!(again, all[..all.len() - stream.left.len()]);
            }
            Err(error) => break error,
        }
    };
    let closed = matches!(error, frame::FrameError::Closed);
    assert_eq!(closed, again.len() == all.len(), "the end of the stream lies between frames: {error}");
    assert!(error.to_string().len() < 200);
    skipped(all).await;
}

/// Skipping payloads comes to the same frames as reading them.
async fn skipped(all: &[u8]) {
    let mut read = Stream { left: all, at_once: 7, written: Vec::new() };
    let mut skip = Stream { left: all, at_once: 3, written: Vec::new() };
    loop {
        let whole = frame::read(&mut read, MAX_FRAME).await.map(|(kind, payload)| (kind, payload.len()));
        let header = frame::read_header(&mut skip, MAX_FRAME).await;
        let past = match header {
            Ok(header) => {
                frame::skip_payload(&mut skip, header.len).await.map(|()| (header.kind, header.len))
            }
            Err(error) => Err(error),
        };
        assert_eq!(whole.as_ref().ok(), past.as_ref().ok());
        if whole.is_err() {
            return;
        }
        assert_eq!(read.left.len(), skip.left.len());
    }
}

struct Writing<'a>(&'a mut Vec<u8>);

impl AsyncWrite for Writing<'_> {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Whoever is let in said a hello that agrees, and then welcome; whatever was said, this node's words are two well-formed frames at
/// most, none longer than a word may be.
async fn greeted(mut stream: Stream<'_>, all: &[u8]) {
    let ours = hello();
    let outcome = handshake(&mut stream, &ours, || Ok(())).await;
    let said = words(&stream.written).await;
    assert!((1..=2).contains(&said.len()) && said[0].0 == frame::Kind::Hello);
    let told = said.get(1).map(|(kind, _)| *kind);
    match outcome {
        Ok(Ok(theirs)) => {
            assert_eq!(
                (&theirs.chain_id, theirs.genesis, theirs.protocol_version),
                (&ours.chain_id, ours.genesis, ours.protocol_version)
            );
            let heard = words(all).await;
            assert_eq!(heard[0], (frame::Kind::Hello, borsh::to_vec(&theirs).expect("memory")));
            assert_eq!(heard[1], (frame::Kind::Welcome, Vec::new()));
            assert_eq!(told, Some(frame::Kind::Welcome));
        }
        Ok(Err(reason)) => {
            assert!(reason.len() < 4_000 && !reason.chars().any(char::is_control), "{reason:?}");
        }
        Err(_) => {}
    }
}

async fn words(bytes: &[u8]) -> Vec<(frame::Kind, Vec<u8>)> {
    let mut stream = Stream { left: bytes, at_once: usize::MAX, written: Vec::new() };
    let mut words = Vec::new();
    while let Ok(word) = frame::read(&mut stream, MAX_WORD).await {
        words.push(word);
    }
    words
}
