//! What peers ask for, from the store.

use std::collections::BTreeMap;
use std::sync::Arc;

use althing_consensus::{ConsensusParams, Height, MAX_NOTICES_BYTES};
use althing_crypto::{BlockHash, TxHash, mutant};
use althing_mempool::TxBytes;

use super::Fatal;
use crate::body::Body;
use crate::driver::{Done, ServeJob};
use crate::storage::{ChainStore, StoreError};
use crate::wire::{Request, Response};

/// A run ends at the first certificate beyond so many blocks or bytes.
const RUN_BLOCKS: usize = 64;
const RUN_BYTES: usize = 2 << 20;

/// Whether a run is as long as runs get. A shorter one is all that its sender has, or all that it wants to give.
pub(crate) fn is_full_run(bodies: &[Arc<Body>]) -> bool {
    is_full(bodies.len(), bodies.iter().map(|body| weight(body)).sum())
}

fn is_full(blocks: usize, bytes: usize) -> bool {
    blocks >= RUN_BLOCKS || bytes >= RUN_BYTES
}

/// What a body counts for in a run.
fn weight(body: &Body) -> usize {
    let notices = if body.block.notices.is_empty() { 0 } else { MAX_NOTICES_BYTES };
    body.payload_bytes() + 36 * body.txs.len() + (16 << 10) + notices
}

/// Reads the chain for peers.
#[derive(Clone)]
pub struct Server {
    chain: ChainStore,
}

/// The longest response, whatever the parameters of any epoch allow: whoever asks must be ready for it. A run holds what its last
/// certificate covers, whole.
pub const MAX_RESPONSE_BYTES: usize = RUN_BYTES + 2 * MAX_SENT_BODY_BYTES;

/// The longest body: its transactions, hash and length of each, what it proves of validators, the header, slack.
const MAX_SENT_BODY_BYTES: usize = ConsensusParams::MAX_BLOCK_BYTES as usize
    + 36 * ConsensusParams::MAX_BLOCK_TXS as usize
    + MAX_NOTICES_BYTES
    + (32 << 10);

impl Server {
    /// One that reads this store.
    pub fn new(chain: ChainStore) -> Self {
        Self { chain }
    }

    /// Does a job.
    pub fn run(&self, ServeJob { from, id, request }: ServeJob) -> Result<Done, Fatal> {
        let response = match request {
            Request::Block(hash) => self.chain.body(&hash)?.map(Response::Block),
            Request::Blocks { from } => self.blocks(from)?,
            Request::Transactions { block, txs } => self.transactions(&block, &txs)?,
        };
        Ok(Done::Served { from, id, response: response.unwrap_or(Response::NotHere) })
    }

    /// Blocks from this height up to one that has a certificate of its own, all of one epoch: its set tells that certificate.
    fn blocks(&self, from: Height) -> Result<Option<Response>, StoreError> {
        let mut bodies: Vec<Body> = Vec::new();
        let (mut certified, mut bytes) = (None, 0);
        let mut height = from;
        while let Some(body) = self.chain.block(height)? {
            bytes += weight(&body);
            let begun = bodies.first().map(|first| first.block.header.epoch);
            let ends = begun.is_some_and(|epoch| epoch != body.block.header.epoch);
            if height == Height(0) || bytes > MAX_RESPONSE_BYTES || (ends && !mutant!("run_across_epochs")) {
                break;
            }
            bodies.push(body);
            if let Some(commit) = self.chain.certificate_at(height)? {
                certified = Some((bodies.len(), commit));
                if is_full(bodies.len(), bytes) {
                    break;
                }
            }
            height = height.next();
        }
        Ok(certified.map(|(covered, commit)| {
            bodies.truncate(covered);
            Response::Run { bodies, commit }
        }))
    }

    /// All of them or none: whoever lacks one asks another peer.
    fn transactions(&self, block: &BlockHash, wanted: &[TxHash]) -> Result<Option<Response>, StoreError> {
        let Some(Body { block, txs }) = self.chain.body(block)? else { return Ok(None) };
        let by_hash: BTreeMap<&TxHash, &TxBytes> = block.txs.iter().zip(&txs).collect();
        // A peer that asks for one transaction many times must not get it many times.
        if wanted.len() > txs.len() {
            return Ok(None);
        }
        let found: Option<Vec<TxBytes>> =
            wanted.iter().map(|tx| by_hash.get(tx).map(|tx| (*tx).clone())).collect();
        Ok(found
            .filter(|found| found.iter().map(|tx| tx.len()).sum::<usize>() <= MAX_RESPONSE_BYTES / 2)
            .map(Response::Transactions))
    }
}
