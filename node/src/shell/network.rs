//! From the network's events to the driver's: decoding, and the limits that blocks ask for.

use std::time::Instant;

use althing_consensus::ConsensusParams;
use althing_crypto::{DecodeError, Encoding};
use althing_p2p::{self as p2p, EventReceiver, Network, PeerKey, Responder, Validation};
use tokio::sync::{mpsc, watch};

use super::actor::Arrival;
use super::refusals::Refusals;
use crate::driver::Event;
use crate::wire::{Gossip, Request, Wire};
use crate::workers::MAX_RESPONSE_BYTES;

/// The largest blocks that any epoch's parameters may allow.
const BLOCK_BYTES: usize = ConsensusParams::MAX_BLOCK_BYTES as usize;
const BLOCK_TXS: usize = ConsensusParams::MAX_BLOCK_TXS as usize;
const TX_BYTES: usize = ConsensusParams::MAX_TX_BYTES as usize;

/// Sizes that suit what blocks may be, whatever epoch they are of: the same on all nodes at any time, so that nobody takes for misbehaviour
/// what an epoch allows that it has not heard of. What the own epoch does not allow the driver's door refuses.
pub(crate) fn limits() -> p2p::Limits {
    let mut limits = p2p::Limits::default();
    // Hashes of transactions, what the block proves of validators, certificates.
    raise(&mut limits.proposal, BLOCK_BYTES + 64 * BLOCK_TXS + (256 << 10));
    raise(&mut limits.gossip, TX_BYTES + (256 << 10));
    raise(&mut limits.request, 33 * BLOCK_TXS + 1024);
    limits.max_response_bytes = limits.max_response_bytes.max(MAX_RESPONSE_BYTES);
    limits
}

fn raise(limit: &mut p2p::TrafficLimit, message: usize) {
    limit.max_message_bytes = limit.max_message_bytes.max(message);
    limit.queue_bytes = limit.queue_bytes.max(2 * message);
    limit.bytes_per_second = limit.bytes_per_second.max(u32::try_from(2 * message).unwrap_or(u32::MAX));
}

/// Has the network admit the newest list of peers, until the node ends.
pub(crate) async fn admit(network: Network, mut lists: watch::Receiver<Vec<p2p::Peer>>) {
    while lists.changed().await.is_ok() {
        let peers = lists.borrow_and_update().clone();
        if let Err(error) = network.admit(peers).await {
            tracing::error!(%error, "the network does not take the new members");
        }
    }
}

/// Decodes what comes and hands it on, as fast as the driver takes it; ends with the network or the driver.
pub(crate) async fn pump(network: Network, mut events: EventReceiver, arrivals: mpsc::Sender<Arrival>) {
    let mut refusals = Refusals::default();
    while let Some(event) = events.recv().await {
        let arrival = match event {
            p2p::Event::Connected { peer, software, direction } => {
                tracing::info!(%peer, software, ?direction, "connected");
                Arrival::Connected { peer, software, outbound: direction == p2p::Direction::Outbound }
            }
            p2p::Event::Listening { peer } => Arrival::Event(Event::PeerListens(peer)),
            p2p::Event::Disconnected { peer, reason } => {
                tracing::info!(%peer, reason, "disconnected");
                Arrival::Event(Event::PeerDisconnected(peer))
            }
            p2p::Event::Refused { peer, address, reason } => {
                if let Some(repeated) = refusals.log(peer, &reason, Instant::now()) {
                    let peer = peer.map_or_else(|| "unknown".to_owned(), |peer| peer.to_string());
                    tracing::warn!(peer, address, reason, repeated, "a connection was refused");
                }
                continue;
            }
            p2p::Event::Message { peer, class: p2p::Class::Transactions, bytes } => {
                match decode::<Gossip>(&network, peer, &bytes) {
                    // Whatever it says: what came this way nobody passes on, so it must not wait for a verdict among what may be.
                    Ok(gossip) => {
                        let gossip = Gossip { to_all: true, ..gossip };
                        Arrival::Gossip { peer, gossip, validation: None }
                    }
                    Err(_) => continue,
                }
            }
            p2p::Event::Message { peer, bytes, .. } => match decode::<Wire>(&network, peer, &bytes) {
                Ok(wire) => Arrival::Event(Event::Wire { from: peer, wire }),
                Err(_) => continue,
            },
            p2p::Event::Gossip { peer, bytes, validation } => match Gossip::decode(&bytes) {
                Ok(gossip) => Arrival::Gossip { peer, gossip, validation: Some(validation) },
                Err(error) => {
                    validation.reject(error.to_string());
                    continue;
                }
            },
            p2p::Event::Request { peer, bytes, responder } => match decode::<Request>(&network, peer, &bytes)
            {
                Ok(request) => Arrival::Request { peer, request, responder },
                Err(_) => continue,
            },
        };
        if arrivals.send(arrival).await.is_err() {
            return;
        }
    }
}

/// Decodes a peer's bytes; whoever sends others pays for it.
pub(super) fn decode<T: Encoding>(network: &Network, peer: PeerKey, bytes: &[u8]) -> Result<T, DecodeError> {
    T::decode(bytes).inspect_err(|error| {
        tracing::warn!(%peer, %error, "a message that does not decode");
        network.penalise(&peer, &error.to_string());
    })
}

/// What the driver's shell keeps until the driver has decided.
pub(super) enum Pending {
    Verdict(Validation),
    Answer(Responder),
}

#[cfg(test)]
mod tests {
    use althing_crypto::{Hash, ed25519::SecretKey};
    use tokio::time::timeout;

    use super::*;

    async fn start(identity: &SecretKey, peer: p2p::Peer) -> (Network, EventReceiver) {
        let hello = p2p::Hello {
            chain_id: "test".into(),
            genesis: Hash::ZERO,
            protocol_version: 1,
            software: "test".into(),
        };
        let (listen, peers) = (([127, 0, 0, 1], 0).into(), vec![peer]);
        p2p::start(p2p::Config { identity, listen, peers, hello, limits: limits() }).await.unwrap()
    }

    #[tokio::test]
    async fn what_comes_over_the_stream_of_those_to_all_is_one_whatever_it_says() {
        let [here, there] = [1, 2].map(|n| SecretKey::from_seed([n; 32]));
        let peer = |key: &SecretKey, address| p2p::Peer { key: key.public_key(), address };
        let (network, events) = start(&here, peer(&there, None)).await;
        let address = Some(network.listen_address().to_string());
        let (sender, mut heard) = start(&there, peer(&here, address)).await;
        let (arrivals, mut arrived) = mpsc::channel(8);
        tokio::spawn(pump(network, events, arrivals));
        let script = async {
            while !matches!(heard.recv().await.unwrap(), p2p::Event::Connected { .. }) {}
            let gossip = Gossip { to_all: false, txs: vec![b"a".as_slice().into()] };
            sender.send(&here.public_key(), p2p::Class::Transactions, gossip.encode().into()).unwrap();
            loop {
                if let Arrival::Gossip { gossip, validation, .. } = arrived.recv().await.unwrap() {
                    return (gossip.to_all, gossip.txs.len(), validation.is_none());
                }
            }
        };
        // Never so long when all is well.
        let seen = timeout(std::time::Duration::from_secs(30), script).await.expect("it arrives");
        assert_eq!(seen, (true, 1, true));
    }

    /// What a proposal and a response may weigh is what decoding lets in, and what the network carries.
    #[test]
    fn what_any_epoch_allows_fits_and_what_is_decoded_is_no_less() {
        let limits = limits();
        assert!(limits.proposal.max_message_bytes <= Wire::MAX_BYTES);
        assert!(limits.max_response_bytes <= crate::wire::Response::MAX_BYTES);
        assert!(limits.gossip.max_message_bytes > TX_BYTES);
        let largest = ConsensusParams {
            max_block_bytes: ConsensusParams::MAX_BLOCK_BYTES,
            max_block_txs: ConsensusParams::MAX_BLOCK_TXS,
            max_tx_bytes: ConsensusParams::MAX_TX_BYTES,
            ..ConsensusParams::default()
        };
        assert_eq!(largest.validate(), Ok(()));
        for beyond in [
            ConsensusParams { max_block_bytes: largest.max_block_bytes + 1, ..largest.clone() },
            ConsensusParams { max_block_txs: largest.max_block_txs + 1, ..largest.clone() },
            ConsensusParams { max_tx_bytes: largest.max_tx_bytes + 1, ..largest.clone() },
        ] {
            assert!(beyond.validate().is_err(), "{beyond:?}");
        }
    }
}
