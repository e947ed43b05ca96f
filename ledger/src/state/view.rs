//! One height of a state, to be read.

use std::{hint::black_box, sync::RwLockReadGuard};

use super::{
    State, Tree,
    arena::{Link, NodeId},
    key::Digest,
    log::{Log, Place},
    prefetch::{TOGETHER, visit},
    records::{Found, Record, Records},
    stored::Stored,
    walk::{self, Nodes, Step},
};
use crate::AppError;

/// The records of one height. Commits do not change it underfoot; while it lives, its height is kept.
pub struct View<'a> {
    state: &'a State,
    version: Option<u64>,
    root: Option<NodeId>,
    hash: Digest,
}

impl<'a> View<'a> {
    /// The view of a height that [`State`] has pinned.
    pub(super) fn new(state: &'a State, version: Option<u64>, root: Option<NodeId>, hash: Digest) -> Self {
        Self { state, version, root, hash }
    }

    /// The root of its records.
    pub fn root(&self) -> [u8; 32] {
        self.hash
    }

    /// Its height; `None` before the first commit.
    pub fn version(&self) -> Option<u64> {
        self.version
    }

    /// The record of each of `keys`, if there is one, and where. In the order of the keys records lie closest together, and many are
    /// fetched at once, so that the waits for memory pass together.
    pub(crate) fn find_all<'k>(
        &self,
        mut keys: impl Iterator<Item = &'k [u8]>,
        mut take: impl FnMut(Option<(Found, &[u8])>),
    ) -> Result<(), AppError> {
        let (Some(root), Some(version)) = (self.root, self.version) else {
            keys.for_each(|_| take(None));
            return Ok(());
        };
        let reading = self.reading();
        loop {
            let some: Vec<&[u8]> = keys.by_ref().take(TOGETHER).collect();
            if some.is_empty() {
                return Ok(());
            }
            let leaves = visit(&reading.tree.arena, root, some.iter().copied());
            reading.load(&leaves);
            for (key, leaf) in some.into_iter().zip(leaves) {
                let nearest = reading.record(leaf)?;
                let found = nearest.key() == key;
                take(found.then(|| (Found { version, leaf }, nearest.value())));
            }
        }
    }

    /// The tree, held still: not to be asked for twice by one thread at the same time.
    pub(super) fn reading(&self) -> Reading<'_> {
        Reading { tree: self.state.tree(), log: &self.state.log, root: self.root }
    }
}

impl Drop for View<'_> {
    fn drop(&mut self) {
        if let Some(version) = self.version {
            self.state.unpin(version);
        }
    }
}

impl Records for View<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, AppError> {
        walk::get(&self.reading(), key)
    }

    fn range(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Record>, AppError> {
        walk::range(&self.reading(), from, to, limit)
    }

    fn versions(&self, key: &[u8], limit: usize) -> Result<Vec<Vec<u8>>, AppError> {
        let reading = self.reading();
        let mut versions = Vec::new();
        let Some(newest) = walk::find(&reading, key)? else { return Ok(versions) };
        let mut former = newest.former();
        while versions.len() < limit && former != Place::NONE && former.file >= reading.tree.first_file {
            let version = reading.log.version(key, former)?;
            versions.push(version.value().to_vec());
            former = version.former();
        }
        Ok(versions)
    }
}

/// A view while one question is answered.
pub(super) struct Reading<'a> {
    tree: RwLockReadGuard<'a, Tree>,
    log: &'a Log,
    root: Option<NodeId>,
}

impl Reading<'_> {
    fn place(&self, leaf: NodeId) -> Place {
        match self.tree.arena.link(leaf) {
            Link::Leaf(place) => place,
            Link::Inner { .. } => unreachable!("only leaves are asked for records"),
        }
    }

    /// Loads the records of these leaves that are in memory: each may come from far, but all of them can be on their way at once.
    fn load(&self, leaves: &[NodeId]) {
        let first = |leaf: &NodeId| self.tree.tail.first_byte(self.place(*leaf));
        black_box(leaves.iter().filter_map(first).fold(0, |seen, byte| seen ^ byte));
    }

    pub(super) fn hash(&self, node: NodeId) -> &Digest {
        self.tree.arena.hash(node)
    }
}

impl Nodes for Reading<'_> {
    type Id = NodeId;

    fn root(&self) -> Option<NodeId> {
        self.root
    }

    fn step(&self, at: NodeId) -> Result<Step<NodeId>, AppError> {
        Ok(match self.tree.arena.link(at) {
            Link::Inner { bit, left, right } => Step::Inner { bit, left, right },
            Link::Leaf(_) => Step::Leaf,
        })
    }

    fn record(&self, leaf: NodeId) -> Result<Stored, AppError> {
        self.log.record(&self.tree.tail, self.place(leaf), self.tree.arena.hash(leaf))
    }
}
