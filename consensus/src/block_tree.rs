//! The blocks that the engine still needs: the newest committed one, committed ones that no committed header vouches for yet,
//! and everything above.

use std::collections::{BTreeMap, BTreeSet};

use althing_crypto::{BlockHash, TxHash};

use crate::{Block, Counted, Header, Height, View};

/// Blocks by hash, and which of them are committed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct BlockTree {
    blocks: BTreeMap<BlockHash, Block>,
    committed: BTreeMap<Height, BlockHash>,
}

/// Why a block cannot be committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NoPath {
    /// This ancestor is not at hand.
    Missing(BlockHash),
    /// It does not extend the newest committed block.
    Fork,
}

impl BlockTree {
    /// A tree of committed blocks, in ascending order.
    pub(crate) fn new(committed: impl IntoIterator<Item = Block>) -> Self {
        let mut tree = Self { blocks: BTreeMap::new(), committed: BTreeMap::new() };
        for block in committed {
            let hash = block.hash();
            tree.committed.insert(block.header.height, hash);
            tree.blocks.insert(hash, block);
        }
        assert!(!tree.committed.is_empty(), "a chain has at least its genesis block");
        tree
    }

    pub(crate) fn get(&self, hash: &BlockHash) -> Option<&Block> {
        self.blocks.get(hash)
    }

    pub(crate) fn header(&self, hash: &BlockHash) -> Option<&Header> {
        self.blocks.get(hash).map(|block| &block.header)
    }

    pub(crate) fn insert(&mut self, hash: BlockHash, block: Block) {
        if block.header.height > self.head().header.height {
            self.blocks.entry(hash).or_insert(block);
        }
    }

    /// The newest committed block.
    pub(crate) fn head(&self) -> &Block {
        &self.blocks[self.head_hash()]
    }

    pub(crate) fn head_hash(&self) -> &BlockHash {
        self.committed.last_key_value().expect("never empty").1
    }

    pub(crate) fn is_committed(&self, hash: &BlockHash) -> bool {
        self.header(hash).is_some_and(|header| self.committed.get(&header.height) == Some(hash))
    }

    /// Committed blocks still kept, in ascending order.
    pub(crate) fn committed(&self) -> impl DoubleEndedIterator<Item = &Block> {
        self.committed.values().map(|hash| &self.blocks[hash])
    }

    /// How many blocks there are that are not committed.
    pub(crate) fn uncommitted(&self) -> usize {
        self.blocks.len() - self.committed.len()
    }

    /// The blocks above the newest committed one up to this one, in ascending order.
    pub(crate) fn path(&self, hash: &BlockHash) -> Result<Vec<BlockHash>, NoPath> {
        let head = self.head().header.height;
        let mut path = Vec::new();
        let mut at = *hash;
        while at != *self.head_hash() {
            let header = self.header(&at).ok_or(NoPath::Missing(at))?;
            let above_another = header.height == head.next() && header.parent != *self.head_hash();
            if header.height <= head || above_another {
                return Err(NoPath::Fork);
            }
            path.push(at);
            at = header.parent;
        }
        path.reverse();
        Ok(path)
    }

    /// Transactions of this block and its ancestors above height `above`, as far as they are kept.
    pub(crate) fn txs_above(&self, hash: &BlockHash, above: Height) -> BTreeSet<TxHash> {
        let mut txs = BTreeSet::new();
        let mut at = self.get(hash);
        while let Some(block) = at.filter(|block| block.header.height > above) {
            txs.extend(&block.txs);
            at = self.get(&block.header.parent);
        }
        txs
    }

    /// The notices of this block and its ancestors above the newest committed one, as far as they are kept.
    pub(crate) fn notices_above_head(&self, hash: &BlockHash) -> Counted {
        let head = self.head().header.height;
        let mut noticed = Counted::default();
        let mut at = self.get(hash);
        while let Some(block) = at.filter(|block| block.header.height > head) {
            block.notices.iter().for_each(|notice| noticed.count(notice));
            at = self.get(&block.header.parent);
        }
        noticed
    }

    /// Commits a path that [`Self::path`] gave. Returns the blocks, and the hashes of those that lost.
    pub(crate) fn commit(&mut self, path: &[BlockHash]) -> (Vec<Block>, Vec<BlockHash>) {
        let mut blocks = Vec::with_capacity(path.len());
        for hash in path {
            let block = self.blocks[hash].clone();
            assert_eq!(block.header.parent, *self.head_hash(), "a committed block extends the one before");
            self.committed.insert(block.header.height, *hash);
            blocks.push(block);
        }
        let (head, vouched) = (self.head().header.height, self.head().header.vouched.height);
        let newest = *self.head_hash();
        self.committed.retain(|height, hash| *height > vouched || *hash == newest);
        let kept: BTreeSet<BlockHash> = self.committed.values().copied().collect();
        let before: Vec<BlockHash> = self.blocks.keys().copied().collect();
        self.blocks.retain(|hash, block| block.header.height > head || kept.contains(hash));
        let lost = before.into_iter().filter(|hash| !self.blocks.contains_key(hash)).collect();
        (blocks, lost)
    }

    /// Drops all that is not committed. Returns their hashes.
    pub(crate) fn drop_uncommitted(&mut self) -> Vec<BlockHash> {
        let head = self.head().header.height;
        let lost: Vec<BlockHash> = self
            .blocks
            .iter()
            .filter(|(_, block)| block.header.height > head)
            .map(|(hash, _)| *hash)
            .collect();
        for hash in &lost {
            self.blocks.remove(hash);
        }
        lost
    }

    /// Drops uncommitted blocks proposed before view `before` that are no ancestor of `keep`. Returns their hashes.
    pub(crate) fn drop_stale(&mut self, before: View, keep: &BlockHash) -> Vec<BlockHash> {
        let chain: BTreeSet<BlockHash> = self.path(keep).unwrap_or_default().into_iter().collect();
        let head = self.head().header.height;
        let stale: Vec<BlockHash> = self
            .blocks
            .iter()
            .filter(|(hash, block)| {
                block.header.height > head && block.header.view < before && !chain.contains(hash)
            })
            .map(|(hash, _)| *hash)
            .collect();
        for hash in &stale {
            self.blocks.remove(hash);
        }
        stale
    }
}
