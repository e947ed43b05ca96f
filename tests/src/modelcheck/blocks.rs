//! The blocks that the adversary proposes: in each view, on each block of an earlier view, a few.
//!
//! Views are counted through both epochs, where there are two: those of the second follow on the last of the first.

use althing_consensus::{Block, Epoch, Execution, Header, Height, View, Vouched, no_evidence, payload_root};
use althing_crypto::{BlockHash, TxHash};

use crate::bare::Setup;

/// A set of blocks, by their places in the catalogue.
pub(super) type Set = u128;

/// A block of the catalogue.
#[derive(Clone, Debug)]
pub(super) struct Known {
    /// Its epoch,
    pub(super) epoch: Epoch,
    /// and the view that it is proposed in.
    pub(super) view: u64,
    /// Which one it is of those of its kind with its view and parent, from 0.
    pub(super) name: u8,
    /// Its parent's place; none for the block that all begin with.
    pub(super) parent: Option<usize>,
    /// Whose certificate it is proposed with; none for the block that opens its epoch, or that all begin with.
    pub(super) justify: Option<usize>,
    /// Where it stands as it was proposed first: itself, unless it is a block that comes again.
    pub(super) first: usize,
    /// Itself and its ancestors, each where it stands first.
    pub(super) chain: Set,
    /// The real block.
    pub(super) block: Block,
    /// Its hash.
    pub(super) hash: BlockHash,
    /// Whether it ends its epoch.
    pub(super) ends: bool,
    /// How reports call it: the views and names of its chain.
    pub(super) label: String,
}

/// What blocks are there.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// As one expects.
    Plain,
    /// It names the second epoch.
    Ending,
    /// A second block at the height of the justify block, which ends the epoch.
    Sibling,
}

/// All blocks within a bound, parents first.
#[derive(Clone, Debug)]
pub(super) struct Catalogue {
    blocks: Vec<Known>,
    /// The block of view 1 whose execution changes the members: all have committed it before the search begins.
    pub(super) root: Option<Block>,
    /// The last view of the first epoch, where there is a second.
    last: Option<u64>,
}

impl Catalogue {
    /// All chains of blocks of views up to this one, with so many of each view and parent.
    pub(super) fn new(setup: &Setup, views: u64, names: u8) -> Self {
        let mut all = Self::empty();
        for view in 1..=views {
            for parent in all.parents(Epoch(1), view) {
                for name in 0..names {
                    all.push(setup, (Epoch(1), view), parent, (Kind::Plain, name));
                }
            }
        }
        all
    }

    /// One change of the members. In so many views after the first, on each parent so many blocks that end the epoch and one that does not;
    /// an ending one again, a child of it, and another one in its place. In so many views of the second epoch, so many blocks on each
    /// parent.
    pub(super) fn changing(setup: &Setup, (first, second): (u64, u64), names: u8) -> Self {
        let root = Self::empty().header(setup, (Epoch(1), 1), None, "root");
        let last = first + 1;
        let mut all = Self { blocks: Vec::new(), root: Some(root), last: Some(last) };
        for view in 2..=last {
            for parent in all.parents(Epoch(1), view) {
                if let Some(ending) = parent.filter(|at| all.blocks[*at].ends) {
                    all.push_again(ending, view);
                    all.push(setup, (Epoch(1), view), parent, (Kind::Plain, 0));
                    all.push(setup, (Epoch(1), view), parent, (Kind::Sibling, 0));
                    continue;
                }
                for name in 0..names {
                    all.push(setup, (Epoch(1), view), parent, (Kind::Ending, name));
                }
                all.push(setup, (Epoch(1), view), parent, (Kind::Plain, 0));
            }
        }
        for view in last + 1..=last + second {
            for parent in all.parents(Epoch(2), view) {
                for name in 0..names {
                    all.push(setup, (Epoch(2), view), parent, (Kind::Plain, name));
                }
            }
        }
        all
    }

    /// None yet.
    pub(super) fn empty() -> Self {
        Self { blocks: Vec::new(), root: None, last: None }
    }

    /// What blocks of a view can stand on: of the second epoch, on what ends the first.
    fn parents(&self, epoch: Epoch, view: u64) -> Vec<Option<usize>> {
        let all = (0..self.blocks.len()).filter(|at| {
            let known = &self.blocks[*at];
            known.first == *at && known.view < view && (known.epoch == epoch || known.ends)
        });
        let none = (epoch == Epoch(1)).then_some(None);
        none.into_iter().chain(all.map(Some)).collect()
    }

    fn push(
        &mut self,
        setup: &Setup,
        (epoch, view): (Epoch, u64),
        parent: Option<usize>,
        (kind, name): (Kind, u8),
    ) {
        let justify = parent.filter(|at| self.blocks[*at].epoch == epoch);
        // In another's place: on its parent.
        let parent =
            if let (Kind::Sibling, Some(at)) = (kind, parent) { self.blocks[at].parent } else { parent };
        let letter = char::from(match kind {
            Kind::Plain if self.last.is_some() && epoch == Epoch(1) => b'x',
            Kind::Sibling => b's',
            _ => b'a' + name,
        });
        let own = match (kind, justify) {
            (Kind::Sibling, Some(at)) => format!("{view}{letter}({})", self.blocks[at].label),
            _ => format!("{view}{letter}"),
        };
        let label = parent.map_or(own.clone(), |at| format!("{}-{own}", self.blocks[at].label));
        let mut block = self.header(setup, (epoch, view), parent, &label);
        block.header.justify_view = self.local(self.justify_view(epoch, justify)).1;
        if !matches!(kind, Kind::Plain) {
            block.header.vouched = self.ending(setup);
        }
        let (at, hash, ends) =
            (self.blocks.len(), block.hash(), epoch == Epoch(1) && setup.ends_epoch(&block.header));
        let chain = parent.map_or(0, |at| self.blocks[at].chain) | 1 << at;
        self.add(Known { epoch, view, name, parent, justify, first: at, chain, hash, block, ends, label });
    }

    fn push_again(&mut self, at: usize, view: u64) {
        let before = self.blocks[at].clone();
        let label = format!("{} again in {view}", before.label);
        self.add(Known { view, parent: Some(at), justify: Some(at), label, ..before });
    }

    fn add(&mut self, known: Known) {
        assert!(self.blocks.len() < Set::BITS as usize, "more blocks than a set can hold");
        self.blocks.push(known);
    }

    /// What a block vouches for that ends the first epoch: for the root alone.
    fn ending(&self, setup: &Setup) -> Vouched {
        let root = self.root.as_ref().expect("members change by a block").hash();
        let execution = setup.execute(None, root);
        Vouched {
            height: Height(1),
            app_hash: execution.app_hash.clone(),
            executed_root: Execution::root([&execution]),
            next_epoch: setup.next_epoch(),
        }
    }

    fn header(
        &self,
        setup: &Setup,
        (epoch, view): (Epoch, u64),
        parent: Option<usize>,
        label: &str,
    ) -> Block {
        let root = self.root.as_ref().unwrap_or(setup.genesis());
        let parent = parent.map_or(root, |at| &self.blocks[at].block);
        let txs = vec![TxHash::of(label.as_bytes())];
        let header = Header {
            chain_id: setup.chain_id().to_owned(),
            epoch,
            height: Height(parent.header.height.0 + 1),
            view: self.local(view).1,
            parent: parent.hash(),
            justify_view: View(0),
            time_ms: view,
            payload_root: payload_root(&txs),
            evidence_root: no_evidence(),
            // One member leads all views, and a block's own leader is never on its list.
            absent: Vec::new(),
            vouched: parent.header.vouched.clone(),
        };
        Block { header, txs, notices: Vec::new() }
    }

    /// Adds a block that someone proposed, if its parent is here, it is new, and there is room.
    pub(super) fn learn(&mut self, setup: &Setup, block: &Block) {
        let (hash, parent) = (block.hash(), self.find(&block.header.parent));
        let placed = parent.is_some() || block.header.parent == setup.genesis().hash();
        if !placed || self.find(&hash).is_some() || self.blocks.len() == Set::BITS as usize {
            return;
        }
        let first = self.blocks.len();
        let chain = parent.map_or(0, |at| self.blocks[at].chain) | 1 << first;
        let (epoch, view, label) = (block.header.epoch, block.header.view.0, format!("{hash}"));
        let (block, justify) = (block.clone(), parent);
        self.blocks.push(Known {
            epoch,
            view,
            name: 0,
            parent,
            justify,
            first,
            chain,
            block,
            hash,
            ends: false,
            label,
        });
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

    /// The place of the block with this hash as it is proposed in a view.
    pub(super) fn find_in(&self, view: u64, hash: &BlockHash) -> Option<usize> {
        self.blocks.iter().position(|known| known.view == view && known.hash == *hash)
    }

    /// The blocks of a set.
    pub(super) fn of(&self, set: Set) -> impl Iterator<Item = (usize, &Known)> {
        self.blocks.iter().enumerate().filter(move |(at, _)| set >> at & 1 == 1)
    }

    /// Whether a block extends another one, or is that one.
    pub(super) fn extends(&self, at: usize, of: usize) -> bool {
        self.blocks[at].chain >> self.blocks[of].first & 1 == 1
    }

    /// The view of a certificate that a message of this epoch names: the opening block's, where it is none's.
    pub(super) fn justify_view(&self, epoch: Epoch, at: Option<usize>) -> u64 {
        at.map_or_else(|| self.base(epoch), |at| self.blocks[at].view)
    }

    /// The view that an epoch's blocks begin above.
    pub(super) fn base(&self, epoch: Epoch) -> u64 {
        match self.last.filter(|_| epoch > Epoch(1)) {
            Some(last) => last,
            None => u64::from(self.root.is_some()),
        }
    }

    /// A view of an epoch, counted through all.
    pub(super) fn global(&self, epoch: Epoch, view: View) -> u64 {
        view.0 + self.last.filter(|_| epoch > Epoch(1)).unwrap_or(0)
    }

    /// The epoch of a view that is counted through all, and its number there.
    pub(super) fn local(&self, view: u64) -> (Epoch, View) {
        match self.last.filter(|last| view > *last) {
            Some(last) => (Epoch(2), View(view - last)),
            None => (Epoch(1), View(view)),
        }
    }

    /// Whether nothing is said of this view any more: it follows on the last of the first epoch.
    pub(super) fn is_beyond(&self, epoch: Epoch, view: View) -> bool {
        epoch == Epoch(1) && self.last.is_some_and(|last| view.0 > last)
    }
}
