//! Direct messages, gossip, requests and their answers: everything that a peer's bytes are first read as.

use althing_consensus::{MAX_NOTICES, MAX_NOTICES_BYTES, Message, Notice};
use althing_crypto::Encoding;
use althing_node::body::Body;
use althing_node::wire::{Gossip, Request, Response, Wire};
use althing_p2p::Class;

use super::laws::decode;

/// More transactions than any block has.
const MAX_TXS: usize = 20_000;

/// Decodes the bytes as each of them.
pub fn wire(bytes: &[u8]) {
    match decode::<Wire>(bytes) {
        Some(wire @ Wire::Consensus(_)) => consensus(wire),
        Some(Wire::Transactions(txs)) => transactions(&txs),
        Some(Wire::Notice(notice)) => assert_eq!(decode::<Notice>(&notice.encode()), Some(*notice)),
        Some(Wire::Session(_)) | None => {}
    }
    if let Some(Gossip { txs, .. }) = decode(bytes) {
        transactions(&txs);
    }
    decode::<Request>(bytes);
    match decode::<Response>(bytes) {
        Some(Response::Transactions(txs)) => transactions(&txs),
        Some(Response::Run { bodies, .. }) => bodies.iter().for_each(carried),
        Some(Response::Block(body)) => carried(&body),
        Some(Response::NotHere) | None => {}
    }
}

/// Only proposals may take the stream for what is large; and a message is the same alone as in its envelope.
fn consensus(wire: Wire) {
    let class = wire.class();
    let Wire::Consensus(message) = wire else { return };
    assert_eq!(class == Class::Proposal, matches!(message, Message::Proposal(_)));
    let alone = message.encode();
    if alone.len() <= Message::MAX_BYTES {
        assert_eq!(decode::<Message>(&alone).as_ref(), Some(&message));
    }
}

fn carried(body: &Body) {
    transactions(&body.txs);
    let notices = &body.block.notices;
    assert!(notices.len() <= MAX_NOTICES, "{} notices were read", notices.len());
    let bytes: usize = notices.iter().map(|notice| notice.encode().len()).sum();
    assert!(bytes <= MAX_NOTICES_BYTES, "notices of {bytes} bytes were read");
}

fn transactions<T: AsRef<[u8]>>(txs: &[T]) {
    assert!(txs.len() <= MAX_TXS, "{} transactions were read", txs.len());
    assert!(txs.iter().all(|tx| !tx.as_ref().is_empty()), "a transaction without bytes was read");
}
