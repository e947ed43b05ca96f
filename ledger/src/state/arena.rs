//! The nodes of all kept trees, in memory.
//!
//! A node never changes once a tree has it (but for where its record lies), so trees of different heights share what
//! they have in common. Links and hashes lie apart: to go down the tree needs only the links, which are small enough
//! that much of the tree's upper part stays in the processor's cache. Memory grows by chunks and is never moved.

use super::{key::Digest, log::Place};

/// The number of a node in an [`Arena`].
pub(super) type NodeId = u32;

/// What a node leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    /// Keys with a 0 at place `bit` to the left, with a 1 to the right; all agree in the bits before.
    Inner { bit: u16, left: NodeId, right: NodeId },
    /// One record, and where in the log it lies.
    Leaf(Place),
}

/// A node with the hash of all that is below it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Node {
    pub(super) link: Link,
    pub(super) hash: Digest,
}

/// Marks the packed links of a leaf.
const LEAF: u32 = 1 << 31;
const CHUNK: usize = 1 << 16;

struct Chunk {
    links: Box<[[u32; 3]]>,
    hashes: Box<[Digest]>,
}

/// The nodes, by number.
#[derive(Default)]
pub(super) struct Arena {
    chunks: Vec<Chunk>,
    /// Numbers given out so far.
    used: NodeId,
    free: Vec<NodeId>,
}

/// Numbers from here on are not the arena's: they stand for nodes that a staged change makes.
pub(super) const FIRST_STAGED: NodeId = 1 << 31;

impl Arena {
    /// How many nodes are in use.
    pub(super) fn len(&self) -> usize {
        self.used as usize - self.free.len()
    }

    pub(super) fn link(&self, id: NodeId) -> Link {
        unpack(self.chunks[id as usize / CHUNK].links[id as usize % CHUNK])
    }

    pub(super) fn hash(&self, id: NodeId) -> &Digest {
        &self.chunks[id as usize / CHUNK].hashes[id as usize % CHUNK]
    }

    /// Takes in a node whose children are here.
    pub(super) fn add(&mut self, node: Node) -> NodeId {
        let id = self.free.pop().unwrap_or_else(|| {
            let id = self.used;
            assert!(id < FIRST_STAGED, "a tree of a billion records");
            if id as usize == self.chunks.len() * CHUNK {
                self.chunks.push(Chunk {
                    links: vec![[0; 3]; CHUNK].into_boxed_slice(),
                    hashes: vec![[0; 32]; CHUNK].into_boxed_slice(),
                });
            }
            self.used += 1;
            id
        });
        self.set_link(id, node.link);
        self.set_hash(id, node.hash);
        id
    }

    /// Changes a node in place: for whoever builds a tree that nobody reads yet, or says where a record lies now.
    pub(super) fn set_link(&mut self, id: NodeId, link: Link) {
        self.chunks[id as usize / CHUNK].links[id as usize % CHUNK] = pack(link);
    }

    /// Sets the hash of a node in a tree that nobody reads yet.
    pub(super) fn set_hash(&mut self, id: NodeId, hash: Digest) {
        self.chunks[id as usize / CHUNK].hashes[id as usize % CHUNK] = hash;
    }

    /// Gives back nodes that no tree has any more.
    pub(super) fn free(&mut self, ids: impl IntoIterator<Item = NodeId>) {
        self.free.extend(ids);
    }
}

fn pack(link: Link) -> [u32; 3] {
    match link {
        Link::Inner { bit, left, right } => [u32::from(bit), left, right],
        Link::Leaf(Place { file, offset, len }) => [LEAF | len, file, offset],
    }
}

fn unpack([head, a, b]: [u32; 3]) -> Link {
    if head & LEAF == 0 {
        Link::Inner { bit: head as u16, left: a, right: b }
    } else {
        Link::Leaf(Place { file: a, offset: b, len: head & !LEAF })
    }
}
