//! A chain in memory, made block by block.

use althing_consensus::{Notice, Phase, Position, QuorumCertificate, notices_root, payload_root};

use super::*;
use crate::{
    body::Body,
    membership::Membership,
    storage::{ChainStore, Indexing, MemoryStore as MemoryDatabase, StoredResults},
};

/// A chain that has begun.
pub(super) fn begun(genesis: &Genesis) -> ChainStore {
    let chain = ChainStore::new(Arc::new(MemoryDatabase::default())).indexed(Indexing::On);
    let block = genesis.block(AppHash::default());
    chain.begin(genesis.hash(), &Body { block, txs: Vec::new() }).unwrap();
    chain
}

/// Commits a block with these transactions on top of a node's chain. Its application hash is its height, 32 times; each
/// transaction's event tells its index, and its own whether its height is even.
pub(super) fn append(node: &NodeHandle, txs: &[&[u8]]) -> Block {
    append_with(node, txs, Vec::new())
}

/// The same with notices.
pub(super) fn append_with(node: &NodeHandle, txs: &[&[u8]], notices: Vec<Notice>) -> Block {
    append_coded(node, txs, notices, 0)
}

/// The same with transactions that come to this code.
pub(super) fn append_coded(node: &NodeHandle, txs: &[&[u8]], notices: Vec<Notice>, code: u32) -> Block {
    append_all(node, txs, notices, code, None)
}

/// An empty one, after which these are the members.
pub(super) fn append_changing(node: &NodeHandle, members: &Membership) -> Block {
    append_all(node, &[], Vec::new(), 0, Some(members))
}

fn append_all(
    node: &NodeHandle,
    txs: &[&[u8]],
    notices: Vec<Notice>,
    code: u32,
    changed: Option<&Membership>,
) -> Block {
    let height = node.chain().committed().unwrap().next();
    let mut block = node.genesis().block(AppHash::default());
    block.txs = txs.iter().map(|tx| TxHash::of(tx)).collect();
    block.header.height = height;
    block.header.epoch = Epoch(1);
    block.header.payload_root = payload_root(&block.txs);
    block.header.evidence_root = notices_root(&notices);
    block.notices = notices;
    let certificate = QuorumCertificate {
        phase: Phase::Commit,
        epoch: Epoch(1),
        view: View(height.0),
        block: block.hash(),
        signers: [Position(0)].into_iter().collect(),
        signature: bls::Signature::from_bytes([3; 96]),
    };
    let body = Body { block: block.clone(), txs: txs.iter().map(|tx| (*tx).into()).collect() };
    node.chain().commit(&[Arc::new(body)], &certificate).unwrap();

    let parity = Attribute { key: "parity".into(), value: (height.0 % 2).to_string(), index: true };
    let app_hash = AppHash::new(vec![height.0 as u8; 32]).unwrap();
    let results = StoredResults {
        execution: Execution { height, app_hash, results_root: sha256(b"") },
        next_epoch: changed.map_or_else(|| node.genesis().epoch_hash(), Membership::hash),
        tx_results: (0..txs.len()).map(|index| TxResult { code, ..result(index) }).collect(),
        events: vec![Event { kind: "block".into(), attributes: vec![parity] }],
    };
    node.chain().put_results(&block.txs, &results, changed).unwrap();
    block
}

fn result(index: usize) -> TxResult {
    let attributes = vec![Attribute { key: "index".into(), value: index.to_string(), index: true }];
    TxResult { events: vec![Event { kind: "executed".into(), attributes }], ..TxResult::default() }
}
