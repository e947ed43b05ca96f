//! What goes between nodes, to bytes and back.

use althing_consensus::{Message, Phase, Position, Proposal, View};
use althing_crypto::{Encoding, ed25519};
use althing_node::body::Body;
use althing_node::wire::{Gossip, Wire};
use althing_p2p::frame::{Kind, read, write};
use futures::executor::block_on;

use super::inputs::{blocks, certificate, transfers};
use super::{Row, Run, run};

pub(super) const PATHS: &[Row] = &[
    ("wire.encode_proposal_500", || encode(proposal())),
    ("wire.decode_proposal_500", || decode(proposal())),
    ("wire.encode_gossip_256", || encode(gossip())),
    ("wire.decode_gossip_256", || decode(gossip())),
    ("wire.encode_body_500", || encode(body())),
    ("wire.decode_body_500", || decode(body())),
    ("wire.frame_gossip_256", frame),
];

fn encode<T: Encoding + 'static>(value: T) -> Run {
    run(move || (value.encode(), value))
}

fn decode<T: Encoding + 'static>(value: T) -> Run {
    let bytes = value.encode();
    run(move || (T::decode(&bytes).expect("as it was encoded"), bytes))
}

fn body() -> Body {
    let [_, first] = blocks();
    first
}

/// A leader's, which names 500 transactions, with the certificates that it rests on.
fn proposal() -> Wire {
    let [genesis, first] = blocks();
    let proposal = Proposal {
        view: View(1),
        justify: Some(certificate(Phase::Vote, &genesis.block)),
        tc: None,
        commit: Some(certificate(Phase::Commit, &genesis.block)),
        signer: Position(0),
        signature: ed25519::Signature::from_bytes([3; 64]),
        block: first.block,
    };
    Wire::Consensus(Message::Proposal(Box::new(proposal)))
}

fn gossip() -> Gossip {
    Gossip { to_all: true, txs: transfers(256).into_iter().map(Into::into).collect() }
}

/// Into a stream and out of it.
fn frame() -> Run {
    let payload = gossip().encode();
    run(move || {
        let mut stream = Vec::new();
        block_on(write(&mut stream, Kind::Message, &payload)).expect("memory");
        let (_, read) = block_on(read(&mut &stream[..], payload.len())).expect("as it was written");
        assert_eq!(read.len(), payload.len());
        (payload, read)
    })
}
