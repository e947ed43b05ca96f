//! What survives a crash.

use std::collections::BTreeMap;
use std::sync::Arc;

use althing_consensus::engine::Recovered;
use althing_consensus::{Block, Counted, Executed, Execution, Height, QuorumCertificate, SafetyRecord};
use althing_crypto::BlockHash;

use super::Setup;

/// A committed block.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Stored {
    /// Its hash.
    pub hash: BlockHash,
    /// The block.
    pub block: Block,
    /// What executing it gave.
    pub execution: Execution,
}

impl Stored {
    /// What the engine is told of it.
    pub(super) fn executed(&self, setup: &Setup) -> Executed {
        Executed { execution: self.execution.clone(), next_epoch: setup.next_epoch() }
    }
}

/// A member's disk: the safety file and the chain store.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Durable {
    /// What its key has signed.
    pub record: SafetyRecord,
    /// Blocks that it proposed or voted for, and that are above the newest committed one.
    pub bodies: BTreeMap<BlockHash, Arc<Block>>,
    /// Committed blocks from height 1 on.
    pub chain: Vec<Arc<Stored>>,
    /// Covers the newest of them.
    pub certificate: Option<QuorumCertificate>,
}

impl Durable {
    /// The disk of a member that has signed nothing.
    pub(super) fn new(record: SafetyRecord) -> Self {
        Self { record, bodies: BTreeMap::new(), chain: Vec::new(), certificate: None }
    }

    /// The newest committed height.
    pub fn height(&self) -> Height {
        Height(self.chain.len() as u64)
    }

    /// A block's body, before a proposal or vote for it leaves.
    pub(super) fn keep_body(&mut self, hash: BlockHash, block: &Block) {
        if block.header.height > self.height() {
            self.bodies.entry(hash).or_insert_with(|| Arc::new(block.clone()));
        }
    }

    /// Committed blocks with the certificate of the last of them, and what executing them gave. Bodies up to their height go.
    pub(super) fn commit(&mut self, setup: &Setup, blocks: Vec<Block>, certificate: QuorumCertificate) {
        for block in blocks {
            assert_eq!(block.header.height, self.height().next(), "blocks are committed in order, each once");
            let (hash, before) = (block.hash(), self.chain.last().map(|stored| &stored.execution));
            let execution = setup.execute(before, hash);
            self.chain.push(Arc::new(Stored { hash, block, execution }));
        }
        let newest = self.chain.last().expect("a commit has blocks");
        assert_eq!(newest.hash, certificate.block, "the certificate covers the newest block");
        let height = newest.block.header.height;
        self.bodies.retain(|_, block| block.header.height > height);
        self.certificate = Some(certificate);
    }

    /// A block, committed or not.
    pub(super) fn block(&self, hash: &BlockHash) -> Option<&Block> {
        let committed = || self.chain.iter().rev().find(|stored| stored.hash == *hash);
        self.bodies.get(hash).map(|block| &**block).or_else(|| Some(&committed()?.block))
    }

    /// The newest committed block.
    pub fn head<'a>(&'a self, setup: &'a Setup) -> &'a Block {
        self.chain.last().map_or(setup.genesis(), |stored| &stored.block)
    }

    /// What opened the epoch that it goes on in.
    pub(super) fn opening(&self, setup: &Setup) -> BlockHash {
        let ends = |stored: &&Arc<Stored>| setup.ends_epoch(&stored.block.header);
        self.chain.iter().rev().find(ends).map_or_else(|| setup.genesis().hash(), |stored| stored.hash)
    }

    /// What an engine starts from: as `althing_node::recovery` reads it, in small.
    pub(super) fn recovered(&self, setup: &Setup) -> Recovered {
        let head = self.head(setup);
        let (executed, vouched) = (self.height(), head.header.vouched.height);
        let above = |low: Height| self.chain.iter().skip(low.0 as usize);
        let epoch = setup.epoch_on(&head.header);
        let uncommitted = self.bodies.values().filter(|block| block.header.epoch == epoch);
        let commit = self.certificate.as_ref().map(|qc| setup.era(qc.epoch).door(None).verify_quorum(qc));
        Recovered {
            committed: head.clone(),
            unvouched: above(vouched)
                .take_while(|stored| stored.block.header.height < executed)
                .map(|stored| stored.block.clone())
                .collect(),
            commit: commit.transpose().expect("what was stored verified when it came"),
            uncommitted: uncommitted.map(|block| (**block).clone()).collect(),
            executions: above(vouched)
                .map(|stored| (stored.execution.height, stored.executed(setup)))
                .collect(),
            executed,
            counted: Counted::default(),
        }
    }
}
