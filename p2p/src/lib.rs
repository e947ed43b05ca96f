//! The permissioned network of Althing: it moves bytes between the members of a chain and knows no protocol.
//!
//! Over libp2p (TCP, Noise, Yamux) it offers three ways, each bounded in sizes, queues and rates per peer:
//!
//! - **direct messages** ([`Network::send`], [`Network::broadcast`]): one long-lived ordered stream per peer and [`Class`];
//! - **gossip** ([`Network::gossip`]): gossipsub, for batches of transactions; best effort, passed on once the node accepted it;
//!   where all are connected their author gives them out itself ([`Network::give_out`]), over streams of their own;
//! - **requests** ([`Network::request`]): one stream each, one answer or a refusal in words.
//!
//! Only the peers named in [`Config`], or later to [`Network::admit`], are admitted. Right after Noise has proved a peer's key, before the multiplexer or
//! any protocol runs, both sides say [`Hello`]: a stranger, another chain, another genesis or protocol version is refused
//! there, and told so, as [`Event::Refused`] on both sides.
//!
//! A frame on any stream is a version byte, a kind byte, the length (u32, big-endian) and the payload. Whoever breaks the
//! framing loses its connection and some standing; whoever exceeds a rate loses the excess and some standing; whoever has
//! no standing left is kept out for a while, never for ever.
//!
//! What a misbehaving member can make this node hold is bounded: per connection one unfinished message per class, the
//! requests it may have served at once with twice the longest answer, and the multiplexer's windows; over all members the event queues. A node that
//! stops taking its events holds its peers' streams up; nothing piles up.
//!
//! ```no_run
//! # use althing_p2p::{Class, Config, Event, start};
//! # async fn run(config: Config<'_>) -> Result<(), Box<dyn std::error::Error>> {
//! let (network, mut events) = start(config).await?;
//! while let Some(event) = events.recv().await {
//!     match event {
//!         Event::Connected { peer, .. } => network.send(&peer, Class::Consensus, b"status"[..].into())?,
//!         Event::Listening { peer } => println!("{peer} hears gossip"),
//!         Event::Message { peer, class, bytes } => println!("{} bytes from {peer} ({class:?})", bytes.len()),
//!         Event::Gossip { validation, .. } => validation.accept(),
//!         Event::Request { responder, .. } => responder.send(b"answer".to_vec()),
//!         Event::Disconnected { peer, reason } => println!("{peer} left: {reason}"),
//!         Event::Refused { address, reason, .. } => println!("refused {address}: {reason}"),
//!     }
//! }
//! # Ok(()) }
//! ```

mod behaviour;
mod bucket;
mod config;
mod dialer;
mod driver;
mod event;
pub mod frame;
mod gate;
mod gossip;
mod handler;
mod lane;
mod member;
mod metered;
mod network;
mod requests;
mod standing;
mod start;
mod streams;
#[cfg(test)]
mod tests;

pub use config::{Config, Hello, Limits, MAX_HELLO_TEXT_BYTES, Peer, TrafficLimit};
pub use event::{Class, Direction, Event, EventReceiver, PeerKey, Responder, Validation};
pub use gate::handshake;
pub use member::{ConnectionInfo, PeerInfo};
pub use network::{Network, SendError};
pub use requests::RequestError;
pub use start::{StartError, start};
