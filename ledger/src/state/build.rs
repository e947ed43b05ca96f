//! A tree from the log at once: the newest record of each key makes a leaf, and each node is hashed once.

use std::cmp::Reverse;

use super::{
    arena::{Arena, Link, Node, NodeId},
    frame::{Entry, entries},
    key::{Digest, bit, empty_hash, first_difference, leaf_hash, node_hash},
    log::{FrameAt, Log, Place},
};
use crate::AppError;

/// So many bytes of the log are in memory at a time: sorted by key they go into the tree with few cache misses.
const BATCH_BYTES: u64 = 32 << 20;

/// A built tree.
pub(super) struct Built {
    pub(super) root: Option<NodeId>,
    pub(super) hash: Digest,
    /// Bytes of its records.
    pub(super) live: u64,
}

/// Builds the tree of what `frames` leave behind in an empty arena.
pub(super) fn build(log: &Log, frames: &[FrameAt], arena: &mut Arena) -> Result<Built, AppError> {
    let mut build = Build { arena, root: None, keys: Keys::default(), live: 0 };
    let mut rest = frames;
    while !rest.is_empty() {
        let mut bytes = 0;
        let fits = |frame: &&FrameAt| {
            bytes += u64::from(frame.header.body_len);
            bytes <= BATCH_BYTES
        };
        let batch = rest.iter().rev().take_while(fits).count().max(1);
        let (before, batch) = rest.split_at(rest.len() - batch);
        build.add(log, batch)?;
        rest = before;
    }
    let root = build.root.and_then(|root| build.seal(root));
    let hash = root.map_or_else(empty_hash, |root| *build.arena.hash(root));
    Ok(Built { root, hash, live: build.live })
}

struct Build<'a> {
    arena: &'a mut Arena,
    root: Option<NodeId>,
    keys: Keys,
    live: u64,
}

impl Build<'_> {
    /// Adds the records of `frames` whose keys no later frame has.
    fn add(&mut self, log: &Log, frames: &[FrameAt]) -> Result<(), AppError> {
        let bodies =
            frames.iter().map(|frame| log.sound_body(frame)).collect::<Result<Vec<_>, AppError>>()?;
        let mut records = Vec::new();
        for (frame, body) in frames.iter().zip(&bodies) {
            for entry in entries(body) {
                let (at, entry) = entry.ok_or_else(|| frame.damaged("a record in it cannot be read"))?;
                let Entry { key, value, .. } = entry;
                records.push((key, Reverse(records.len()), frame.place(at, &entry), value));
            }
        }
        records.sort_unstable_by_key(|&(key, age, ..)| (key, age));
        records.dedup_by_key(|record| record.0);
        for (key, _, place, value) in records {
            self.insert(key, place, value)?;
        }
        Ok(())
    }

    /// Adds a leaf unless the key has one. A removal leaves a leaf too, of a record nowhere: it hides older records.
    fn insert(&mut self, key: &[u8], place: Place, value: Option<&[u8]>) -> Result<(), AppError> {
        let mut differs = None;
        if let Some(mut at) = self.root {
            while let Link::Inner { bit: n, left, right } = self.arena.link(at) {
                at = if bit(key, n) { right } else { left };
            }
            differs = first_difference(key, self.keys.of(at));
            if differs.is_none() {
                return Ok(());
            }
        }
        let (place, hash) = match value {
            Some(value) => (place, leaf_hash(key, value)),
            None => (Place::NONE, [0; 32]),
        };
        let leaf = self.arena.add(Node { link: Link::Leaf(place), hash });
        self.keys.set(leaf, key)?;
        match (self.root, differs) {
            (Some(root), Some(place)) => self.branch(root, key, place, leaf),
            _ => self.root = Some(leaf),
        }
        Ok(())
    }

    /// Puts `leaf` into the tree, beside all from whose keys its own differs at `place`.
    fn branch(&mut self, root: NodeId, key: &[u8], place: u16, leaf: NodeId) {
        let (mut parent, mut at) = (None, root);
        while let Link::Inner { bit: n, left, right } = self.arena.link(at) {
            if n > place {
                break;
            }
            parent = Some((at, n, left, right));
            at = if bit(key, n) { right } else { left };
        }
        let (left, right) = if bit(key, place) { (at, leaf) } else { (leaf, at) };
        let inner = self.arena.add(Node { link: Link::Inner { bit: place, left, right }, hash: [0; 32] });
        match parent {
            None => self.root = Some(inner),
            Some((parent, n, _, right)) if !bit(key, n) => {
                self.arena.set_link(parent, Link::Inner { bit: n, left: inner, right });
            }
            Some((parent, n, left, _)) => {
                self.arena.set_link(parent, Link::Inner { bit: n, left, right: inner });
            }
        }
    }

    /// Hashes what is at and below `id` and takes removed records out. As deep as a key has bits.
    fn seal(&mut self, id: NodeId) -> Option<NodeId> {
        match self.arena.link(id) {
            Link::Leaf(Place::NONE) => {
                self.arena.free([id]);
                None
            }
            Link::Leaf(place) => {
                self.live += u64::from(place.len);
                Some(id)
            }
            Link::Inner { bit, left, right } => match (self.seal(left), self.seal(right)) {
                (Some(left), Some(right)) => {
                    let hash = node_hash(bit, self.arena.hash(left), self.arena.hash(right));
                    self.arena.set_link(id, Link::Inner { bit, left, right });
                    self.arena.set_hash(id, hash);
                    Some(id)
                }
                (left, right) => {
                    self.arena.free([id]);
                    left.or(right)
                }
            },
        }
    }
}

/// Bytes of keys that are allocated at a time.
const CHUNK: usize = 1 << 20;
/// Keys begin at multiples of this, so that a number of 32 bits reaches 32 GiB of them.
const STEP: usize = 8;

/// The keys of the leaves while the tree is built, each behind its length.
#[derive(Default)]
struct Keys {
    chunks: Vec<Vec<u8>>,
    /// By node: where its key is, in steps.
    at: Vec<u32>,
}

impl Keys {
    fn set(&mut self, leaf: NodeId, key: &[u8]) -> Result<(), AppError> {
        if self.chunks.last().is_none_or(|chunk| chunk.len() + 1 + key.len() > CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        let before = (self.chunks.len() - 1) * CHUNK;
        let chunk = self.chunks.last_mut().expect("one was made just now");
        let leaf = leaf as usize;
        if self.at.len() <= leaf {
            self.at.resize(leaf + 1, 0);
        }
        self.at[leaf] = place(before + chunk.len())?;
        chunk.push(key.len() as u8);
        chunk.extend_from_slice(key);
        chunk.resize(chunk.len().next_multiple_of(STEP).min(CHUNK), 0);
        Ok(())
    }

    fn of(&self, leaf: NodeId) -> &[u8] {
        let at = self.at[leaf as usize] as usize * STEP;
        let (&len, rest) = self.chunks[at / CHUNK][at % CHUNK..].split_first().expect("a key was set");
        &rest[..len.into()]
    }
}

/// The number of the step at `bytes`, which is at the beginning of one.
fn place(bytes: usize) -> Result<u32, AppError> {
    u32::try_from(bytes / STEP).map_err(|_| {
        AppError::Failed(
            "the state has more than 32 GiB of keys, which is more than can be opened: remove records while other nodes of \
             the chain still run, then let this one fetch the chain anew"
                .to_owned(),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_again_in_any_chunk_and_too_many_are_an_error() {
        let mut keys = Keys::default();
        let key = |n: u32| vec![n as u8; n as usize * 7 % 129];
        (0..60_000).for_each(|n| keys.set(n, &key(n)).unwrap());
        assert!(keys.chunks.len() > 2);
        assert!((0..60_000).all(|n| keys.of(n) == key(n)));
        assert_eq!(place((32 << 30) - STEP).unwrap(), u32::MAX);
        assert!(place(32 << 30).unwrap_err().to_string().contains("32 GiB"));
    }
}
