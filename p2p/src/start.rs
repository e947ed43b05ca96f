//! Starting: checks the configuration, takes the port, hands the rest to the driver.

use std::{collections::BTreeMap, io, net::SocketAddr, sync::Arc};

use futures::StreamExt;
use libp2p::{
    Multiaddr, PeerId, Swarm,
    core::transport::ListenerId,
    identity::{self, Keypair},
    multiaddr::Protocol,
    swarm::{self, SwarmEvent},
};
use tokio::sync::mpsc;

use crate::{
    Config, EventReceiver, Hello, MAX_HELLO_TEXT_BYTES, Network, Peer, PeerKey,
    behaviour::{Direct, chain},
    driver::{Behaviour, Driver, multiaddr},
    event::events,
    gate::{Gate, transport},
    gossip,
    member::Members,
};

/// Messages to gossip and verdicts that may wait for the driver.
const COMMANDS: usize = 256;
/// Streams of one connection whose protocol is not agreed on yet.
const MAX_NEGOTIATING: usize = 16;

/// Why the network did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another process has the port.
    #[error(
        "{address} is in use: is another node running, or does the configuration of two nodes name the same port?"
    )]
    PortInUse {
        /// Where this node was to listen.
        address: SocketAddr,
    },
    /// The address cannot be listened on for another reason.
    #[error("cannot listen on {address}: {reason}")]
    Listen {
        /// Where this node was to listen.
        address: SocketAddr,
        /// What the system said.
        reason: String,
    },
    /// A peer's key is no Ed25519 public key.
    #[error("peer {key}: its key is no Ed25519 public key")]
    PeerKey {
        /// The key as configured.
        key: PeerKey,
    },
    /// A peer's address is not of the form host:port.
    #[error("peer {key}: its address `{address}` is not of the form host:port, with a port from 1 to 65535")]
    PeerAddress {
        /// The peer.
        key: PeerKey,
        /// The address as configured.
        address: String,
    },
    /// A key is listed twice.
    #[error("peer {key} is listed twice with different addresses: `{first}` and `{second}`")]
    PeerTwice {
        /// The peer.
        key: PeerKey,
        /// One address.
        first: String,
        /// The other.
        second: String,
    },
    /// The hello cannot be sent as it is.
    #[error("{field} is {len} bytes long, at most {max} are allowed")]
    Hello {
        /// Which text.
        field: &'static str,
        /// Its length in bytes.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// A limit makes no sense.
    #[error("network limits: {0}")]
    Limits(String),
    /// libp2p refused what this crate asks of it: an error in this crate.
    #[error("libp2p cannot be set up: {0}")]
    Library(String),
}

/// Starts the network on the current tokio runtime and returns once it listens.
pub async fn start(config: Config<'_>) -> Result<(Network, EventReceiver), StartError> {
    let Config { identity, listen, peers, hello, limits } = config;
    limits.fault().map_or(Ok(()), |fault| Err(StartError::Limits(fault)))?;
    check_hello(&hello)?;
    let key = identity.public_key();
    let identity = keypair(*identity.seed());
    let peers = check_peers(peers, key)?;

    let limits = Arc::new(limits);
    let members = Arc::new(Members::new(peers, &limits));
    let (sender, receiver) = events(&limits);
    let gate = Gate::new(&identity, hello, members.clone(), limits.clone());
    let gate = gate.map_err(|error| StartError::Library(error.to_string()))?;
    let gossip = gossip::behaviour(&limits.gossip).map_err(StartError::Library)?;
    let behaviour =
        Behaviour { direct: Direct::new(members.clone(), sender.clone(), limits.clone()), gossip };
    let config = swarm::Config::with_tokio_executor().with_max_negotiating_inbound_streams(MAX_NEGOTIATING);
    let mut swarm = Swarm::new(transport(gate), behaviour, identity.public().to_peer_id(), config);
    let (listener, address) = open(&mut swarm, listen).await?;

    let (commands, commanded) = mpsc::channel(COMMANDS);
    let driver =
        Driver::new((swarm, listener), key, members.clone(), limits.clone(), sender, (&commands, commanded));
    tokio::spawn(driver.run());
    Ok((Network { members, limits, commands, key, listen: address }, receiver))
}

/// Takes the port and waits for the address that came of it.
async fn open(
    swarm: &mut Swarm<Behaviour>,
    listen: SocketAddr,
) -> Result<(ListenerId, SocketAddr), StartError> {
    // libp2p listens with SO_REUSEPORT, which lets two nodes share a port unnoticed. Without it the system tells.
    std::net::TcpListener::bind(listen).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => StartError::PortInUse { address: listen },
        _ => StartError::Listen { address: listen, reason: error.to_string() },
    })?;
    let failed = |error: &dyn std::error::Error| StartError::Listen { address: listen, reason: chain(error) };
    let id = swarm.listen_on(multiaddr(listen)).map_err(|error| failed(&error))?;
    loop {
        match swarm.select_next_some().await {
            SwarmEvent::NewListenAddr { address, .. } => {
                let port = port_of(&address).unwrap_or(listen.port());
                return Ok((id, SocketAddr::new(listen.ip(), port)));
            }
            SwarmEvent::ListenerError { error, .. }
            | SwarmEvent::ListenerClosed { reason: Err(error), .. } => {
                return Err(failed(&error));
            }
            _ => {}
        }
    }
}

fn port_of(address: &Multiaddr) -> Option<u16> {
    address.iter().find_map(|part| match part {
        Protocol::Tcp(port) => Some(port),
        _ => None,
    })
}

fn check_hello(hello: &Hello) -> Result<(), StartError> {
    let max = MAX_HELLO_TEXT_BYTES;
    for (field, text) in [("chain id", &hello.chain_id), ("software name", &hello.software)] {
        if text.len() > max {
            return Err(StartError::Hello { field, len: text.len(), max });
        }
    }
    Ok(())
}

/// Each key once, without this node's own; the validator set and the allowlist may both name a peer.
pub(crate) fn check_peers(peers: Vec<Peer>, own: PeerKey) -> Result<Vec<(Peer, PeerId)>, StartError> {
    let mut checked = BTreeMap::<PeerKey, (Peer, PeerId)>::new();
    for peer in peers.into_iter().filter(|peer| peer.key != own) {
        let key = peer.key;
        if let Some(address) = peer.address.as_deref().filter(|address| !is_host_and_port(address)) {
            return Err(StartError::PeerAddress { key, address: address.to_owned() });
        }
        let id = peer_id(&key).ok_or(StartError::PeerKey { key })?;
        let (known, _) = checked.entry(key).or_insert_with(|| (Peer { key, address: None }, id));
        match (&known.address, peer.address) {
            (Some(first), Some(second)) if *first != second => {
                return Err(StartError::PeerTwice { key, first: first.clone(), second });
            }
            (_, Some(address)) => known.address = Some(address),
            (_, None) => {}
        }
    }
    Ok(checked.into_values().collect())
}

fn is_host_and_port(address: &str) -> bool {
    let parts = address.rsplit_once(':');
    parts.is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port != 0))
}

pub(crate) fn peer_id(key: &PeerKey) -> Option<PeerId> {
    let key = identity::ed25519::PublicKey::try_from_bytes(key.as_bytes()).ok()?;
    Some(identity::PublicKey::from(key).to_peer_id())
}

pub(crate) fn keypair(mut seed: [u8; 32]) -> Keypair {
    // Every 32 bytes are a seed, and the library clears the copy.
    Keypair::ed25519_from_bytes(&mut seed).expect("an Ed25519 seed is any 32 bytes")
}
