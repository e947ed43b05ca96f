//! What a node tells its network at start: who it is, whom it admits, what both sides must agree on, and its limits.

use std::{net::SocketAddr, time::Duration};

use althing_crypto::{
    Hash,
    ed25519::{PublicKey, SecretKey},
};
use borsh::{BorshDeserialize, BorshSerialize};

use crate::Class;

/// Longest chain id or software name in a [`Hello`], in bytes.
pub const MAX_HELLO_TEXT_BYTES: usize = 128;

/// Everything [`start`](crate::start()) needs.
#[derive(Debug)]
pub struct Config<'a> {
    /// The node's Ed25519 identity; its libp2p peer id follows from it.
    pub identity: &'a SecretKey,
    /// Where to listen; port 0 lets the system choose (see [`Network::listen_address`](crate::Network::listen_address)).
    pub listen: SocketAddr,
    /// The validator set and the operator's allowlist together. Nobody else is admitted. An entry with this node's own key is skipped.
    pub peers: Vec<Peer>,
    /// What the handshake compares with every peer.
    pub hello: Hello,
    /// Sizes, queues, rates and times.
    pub limits: Limits,
}

/// A node that may connect, and whom to connect to if its address is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its Ed25519 identity key.
    pub key: PublicKey,
    /// `host:port`, resolved anew at every attempt; without it this node waits to be dialled.
    pub address: Option<String>,
}

/// What each side says first, inside the encrypted connection. The first three must be equal on both sides.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct Hello {
    /// Name of the chain, at most [`MAX_HELLO_TEXT_BYTES`].
    pub chain_id: String,
    /// Hash of the genesis document.
    pub genesis: Hash,
    /// Version of what is said over the streams (not of the software).
    pub protocol_version: u32,
    /// Name and version of the software, for people; at most [`MAX_HELLO_TEXT_BYTES`].
    pub software: String,
}

/// Bounds on one kind of traffic with one peer. A peer that sends more than the rate has the excess dropped and pays with
/// its standing. The burst allowed is the rate of one second and twice the queue, so that an honest peer that empties its
/// queue after a pause never breaks it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TrafficLimit {
    /// Longest message.
    pub max_message_bytes: usize,
    /// Messages that may wait to be sent to one peer; a further one is refused. Four times as many, from all peers
    /// together, may wait for the node to take them.
    pub queue_messages: usize,
    /// Bytes that may wait, at least one longest message; twice as many may wait for the node.
    pub queue_bytes: usize,
    /// Messages a peer may send per second.
    pub messages_per_second: u32,
    /// Bytes a peer may send per second.
    pub bytes_per_second: u32,
}

/// All bounds. The defaults suit 4 to 100 validators. The longest messages should be the same on all nodes of a chain: what
/// is too long for a peer costs the sender its connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Votes, certificates, status.
    pub consensus: TrafficLimit,
    /// Proposals and other large direct messages.
    pub proposal: TrafficLimit,
    /// Batches of transactions. A node gives out its own and passes on others' up to half of this each, so that no peer of it is blamed
    /// for what others made it pass on.
    pub gossip: TrafficLimit,
    /// Requests (the size of answers is `max_response_bytes`).
    pub request: TrafficLimit,
    /// Longest answer to a request. Answers of twice as many bytes may wait for one peer to take them.
    pub max_response_bytes: usize,
    /// Requests to one peer under way at once. Twice as many are served to one peer at once, the rest are refused.
    pub concurrent_requests: usize,
    /// How long the node may take to answer a request before the asker is refused.
    pub answer_timeout: Duration,
    /// Bytes per second read from one connection, of whatever kind; beyond that it is read more slowly.
    pub read_bytes_per_second: u32,
    /// How long connecting, encryption and handshake may take together.
    pub handshake_timeout: Duration,
    /// A stream without traffic carries a heartbeat this often; a peer silent for four times as long is cut off.
    pub heartbeat: Duration,
    /// A peer that takes no bytes for so long, while there are some for it, is cut off.
    pub stall_timeout: Duration,
    /// First and longest wait before another attempt to connect; doubled in between, with jitter.
    pub reconnect: (Duration, Duration),
    /// First and longest time for which a peer that misbehaves again and again is kept out; doubled in between.
    pub suspension: (Duration, Duration),
}

impl Default for Limits {
    fn default() -> Self {
        const KIB: usize = 1024;
        const MIB: usize = 1024 * KIB;
        let limit =
            |max_message_bytes, queue_messages, queue_bytes, messages_per_second, bytes_per_second: usize| {
                TrafficLimit {
                    max_message_bytes,
                    queue_messages,
                    queue_bytes,
                    messages_per_second,
                    bytes_per_second: bytes_per_second as u32,
                }
            };
        Self {
            consensus: limit(256 * KIB, 1024, 4 * MIB, 2_000, 8 * MIB),
            proposal: limit(8 * MIB, 64, 16 * MIB, 200, 32 * MIB),
            gossip: limit(256 * KIB, 128, 8 * MIB, 500, 16 * MIB),
            request: limit(64 * KIB, 64, MIB, 200, 2 * MIB),
            max_response_bytes: 8 * MIB,
            concurrent_requests: 8,
            answer_timeout: Duration::from_secs(10),
            read_bytes_per_second: 64 * MIB as u32,
            handshake_timeout: Duration::from_secs(10),
            heartbeat: Duration::from_secs(5),
            stall_timeout: Duration::from_secs(20),
            reconnect: (Duration::from_millis(100), Duration::from_secs(10)),
            suspension: (Duration::from_secs(10), Duration::from_secs(300)),
        }
    }
}

impl Limits {
    /// What holds for direct messages of this class.
    pub(crate) fn class(&self, class: Class) -> &TrafficLimit {
        match class {
            Class::Consensus => &self.consensus,
            Class::Proposal => &self.proposal,
            Class::Transactions => &self.gossip,
        }
    }

    /// The field at fault, with what it must be, or nothing.
    pub(crate) fn fault(&self) -> Option<String> {
        let kinds = [
            ("consensus", &self.consensus),
            ("proposal", &self.proposal),
            ("gossip", &self.gossip),
            ("request", &self.request),
        ];
        for (name, limit) in kinds {
            if limit.max_message_bytes == 0 || limit.queue_messages == 0 || limit.messages_per_second == 0 {
                return Some(format!("{name}: no limit may be 0, got {limit:?}"));
            }
            if limit.queue_bytes < limit.max_message_bytes || limit.queue_bytes > MAX_QUEUE_BYTES {
                return Some(format!(
                    "{name}.queue_bytes is {}, must lie between max_message_bytes ({}) and {MAX_QUEUE_BYTES}",
                    limit.queue_bytes, limit.max_message_bytes
                ));
            }
            if (limit.bytes_per_second as usize) < limit.max_message_bytes {
                return Some(format!(
                    "{name}.bytes_per_second is {}, must be at least max_message_bytes ({})",
                    limit.bytes_per_second, limit.max_message_bytes
                ));
            }
        }
        if self.max_response_bytes == 0 || self.max_response_bytes > MAX_QUEUE_BYTES {
            return Some(format!(
                "max_response_bytes is {}, must be 1 to {MAX_QUEUE_BYTES}",
                self.max_response_bytes
            ));
        }
        if self.concurrent_requests == 0 || self.concurrent_requests > MAX_CONCURRENT_REQUESTS {
            return Some(format!(
                "concurrent_requests is {}, must be 1 to {MAX_CONCURRENT_REQUESTS}",
                self.concurrent_requests
            ));
        }
        if self.read_bytes_per_second == 0 {
            return Some("read_bytes_per_second is 0: nothing would ever be read".into());
        }
        let times = [
            ("answer_timeout", self.answer_timeout),
            ("handshake_timeout", self.handshake_timeout),
            ("heartbeat", self.heartbeat),
            ("stall_timeout", self.stall_timeout),
            ("reconnect", self.reconnect.0),
            ("suspension", self.suspension.0),
        ];
        times.iter().find(|(_, time)| time.is_zero()).map(|(name, _)| format!("{name} is 0, must be longer"))
    }
}

/// Keeps every count of bytes, and twice it, within what a semaphore counts on every platform.
const MAX_QUEUE_BYTES: usize = 128 * 1024 * 1024;
/// Each request is a stream; a connection has at most [`MAX_STREAMS`](crate::gate::MAX_STREAMS).
const MAX_CONCURRENT_REQUESTS: usize = 16;
