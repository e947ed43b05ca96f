//! Blocks, their bodies, headers, certificates and evidence, wherever they come from: peers, sync, the disk.

use althing_consensus::{
    Block, ConsensusParams, Evidence, Header, MAX_NOTICES, Message, Notice, QuorumCertificate, SafetyRecord,
    Signers, TimeoutCertificate, notices_root, payload_root,
};
use althing_crypto::{Encoding, TxHash, merkle_proof};
use althing_mempool::TxBytes;
use althing_node::body::Body;

use super::chain::CHAIN;
use super::laws::{again, decode};

/// Decodes the bytes as each of them.
pub fn blocks(bytes: &[u8]) {
    if let Some(body) = decode::<Body>(bytes) {
        checked(&body);
        mended(body);
    }
    if let Some(block) = decode::<Block>(bytes) {
        assert_eq!(block.hash(), block.header.hash());
        proofs(&block);
    }
    decode::<Header>(bytes);
    if let Some(qc) = decode::<QuorumCertificate>(bytes) {
        signers(&qc.signers);
    }
    if let Some(tc) = decode::<TimeoutCertificate>(bytes) {
        signers(&tc.signers);
        assert!(tc.high_views.iter().all(|view| *view <= tc.max_high_view()));
    }
    decode::<Evidence>(bytes);
    decode::<Notice>(bytes);
    decode::<Message>(bytes);
    decode::<SafetyRecord>(bytes);
}

/// A bitmap is a set of positions: ascending, each once, and the same when made anew.
fn signers(signers: &Signers) {
    let positions: Vec<_> = signers.iter().collect();
    assert!(positions.is_sorted_by(|one, next| one < next));
    assert_eq!(positions.len(), signers.len());
    assert_eq!(signers.is_empty(), positions.is_empty());
    assert!(positions.iter().all(|position| usize::from(position.0) < 8 * Signers::MAX_BYTES));
    assert_eq!(positions.into_iter().collect::<Signers>(), *signers);
}

/// A body that passes its check is what the rule says.
fn checked(body: &Body) {
    let limits =
        ConsensusParams { max_block_txs: 50, max_block_bytes: 1_000, max_tx_bytes: 100, ..CHAIN.params() };
    for params in [CHAIN.params(), limits] {
        if body.check(&params).is_err() {
            continue;
        }
        let hashes: Vec<TxHash> = body.txs.iter().map(|tx| TxHash::of(tx)).collect();
        assert_eq!(hashes, body.block.txs);
        assert!(body.block.payload_matches());
        assert!(body.block.notices.len() <= MAX_NOTICES);
        assert_eq!(body.block.header.evidence_root, notices_root(&body.block.notices));
        assert!(hashes.len() <= params.max_block_txs as usize);
        assert!(body.txs.iter().all(|tx| tx.len() <= params.max_tx_bytes as usize));
        assert!(body.payload_bytes() <= params.max_block_bytes as usize);
    }
}

/// With the hashes that belong to its transactions a body passes, if it is within the limits.
fn mended(mut body: Body) {
    body.block.txs = body.txs.iter().map(|tx| TxHash::of(tx)).collect();
    body.block.header.payload_root = payload_root(&body.block.txs);
    body.block.header.evidence_root = notices_root(&body.block.notices);
    let notices = body.block.notices.iter().all(|notice| notice.encode().len() <= Notice::MAX_BYTES);
    let params = CHAIN.params();
    let longest = body.txs.iter().map(|tx: &TxBytes| tx.len()).max().unwrap_or(0);
    let within = notices
        && body.txs.len() <= params.max_block_txs as usize
        && longest <= params.max_tx_bytes as usize
        && body.payload_bytes() <= params.max_block_bytes as usize;
    assert_eq!(body.check(&params).is_ok(), within);
    again(&body);
}

/// Each transaction of a block has a proof under the payload root, and that proof serves no other.
fn proofs(block: &Block) {
    let txs = &block.txs[..block.txs.len().min(20)];
    let root = payload_root(txs);
    for (index, tx) in txs.iter().enumerate() {
        let proof = merkle_proof(txs, index).expect("an index of the list");
        for other in txs {
            assert_eq!(proof.verify(&root, other.as_bytes()), other == tx, "{proof:?}");
        }
    }
    assert_eq!(block.payload_matches(), block.header.payload_root == payload_root(&block.txs));
}
