//! The blocks that the adversary proposes: in each view, on each block of an earlier view, a few.

use althing_consensus::{Block, Epoch, Header, Height, View, no_evidence, payload_root};
use althing_crypto::{BlockHash, TxHash};

use crate::bare::Setup;

/// A set of blocks, by their places in the catalogue.
pub(super) type Set = u128;

/// A block of the catalogue.
#[derive(Clone, Debug)]
pub(super) struct Known {
    /// Its view.
    pub(super) view: u64,
    /// Which one it is of those with its view and parent, from 0.
    pub(super) name: u8,
    /// Its parent's place; none for the opening block.
    pub(super) parent: Option<usize>,
    /// Itself and its ancestors.
    pub(super) chain: Set,
    /// The real block.
    pub(super) block: Block,
    /// Its hash.
    pub(super) hash: BlockHash,
    /// How reports call it: the views and names of its chain.
    pub(super) label: String,
}

/// All blocks within a bound, parents first.
#[derive(Clone, Debug)]
pub(super) struct Catalogue {
    blocks: Vec<Known>,
}

impl Catalogue {
    /// All chains of blocks of views up to this one, with so many of each view and parent.
    pub(super) fn new(setup: &Setup, views: u64, names: u8) -> Self {
        let mut blocks: Vec<Known> = Vec::new();
        for view in 1..=views {
            let parents: Vec<Option<usize>> =
                std::iter::once(None).chain((0..blocks.len()).map(Some)).collect();
            for parent in parents {
                for name in 0..names {
                    let known = known(setup, &blocks, view, parent, name);
                    blocks.push(known);
                }
            }
        }
        assert!(blocks.len() <= Set::BITS as usize, "{} blocks are more than a set can hold", blocks.len());
        Self { blocks }
    }

    /// None yet.
    pub(super) fn empty() -> Self {
        Self { blocks: Vec::new() }
    }

    /// Adds a block that someone proposed, if its parent is here, it is new, and there is room.
    pub(super) fn learn(&mut self, setup: &Setup, block: &Block) {
        let (hash, parent) = (block.hash(), self.find(&block.header.parent));
        let placed = parent.is_some() || block.header.parent == setup.genesis().hash();
        if !placed || self.find(&hash).is_some() || self.blocks.len() == Set::BITS as usize {
            return;
        }
        let chain = parent.map_or(0, |at| self.blocks[at].chain) | 1 << self.blocks.len();
        let label = format!("{hash}");
        let view = block.header.view.0;
        self.blocks.push(Known { view, name: 0, parent, chain, block: block.clone(), hash, label });
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.blocks.len()
    }

    /// The block at this place.
    pub(super) fn get(&self, at: usize) -> &Known {
        &self.blocks[at]
    }

    /// The place of the block with this hash.
    pub(super) fn find(&self, hash: &BlockHash) -> Option<usize> {
        self.blocks.iter().position(|known| known.hash == *hash)
    }

    /// The blocks of a set.
    pub(super) fn of(&self, set: Set) -> impl Iterator<Item = (usize, &Known)> {
        self.blocks.iter().enumerate().filter(move |(at, _)| set >> at & 1 == 1)
    }

    /// The view of a certificate's block; 0 for the opening block.
    pub(super) fn view(&self, at: Option<usize>) -> u64 {
        at.map_or(0, |at| self.blocks[at].view)
    }
}

fn known(setup: &Setup, before: &[Known], view: u64, parent: Option<usize>, name: u8) -> Known {
    let genesis = setup.genesis();
    let above = parent.map(|at| &before[at]);
    let parent_header = above.map_or(&genesis.header, |known| &known.block.header);
    let parent_hash = above.map_or_else(|| genesis.hash(), |known| known.hash);
    let label = format!("{view}{}", char::from(b'a' + name));
    let label = above.map_or(label.clone(), |known| format!("{}-{label}", known.label));
    let txs = vec![TxHash::of(label.as_bytes())];
    let header = Header {
        chain_id: setup.chain_id().to_owned(),
        epoch: Epoch(1),
        height: Height(parent_header.height.0 + 1),
        view: View(view),
        parent: parent_hash,
        justify_view: View(above.map_or(0, |known| known.view)),
        time_ms: view,
        payload_root: payload_root(&txs),
        evidence_root: no_evidence(),
        // One member leads all views, and a block's own leader is never on its list.
        absent: Vec::new(),
        vouched: parent_header.vouched.clone(),
    };
    let block = Block { header, txs };
    let chain = above.map_or(0, |known| known.chain) | 1 << before.len();
    Known { view, name, parent, chain, hash: block.hash(), block, label }
}
