//! Going down to many keys at once: each step waits for memory, and the waits of several keys pass together.

use super::{
    Tree,
    arena::{Link, NodeId},
    key::bit,
};

/// So many things are fetched from memory at a time: more do not wait together, and what came first is still near.
pub(super) const TOGETHER: usize = 16;

impl Tree {
    /// The leaves of the newest height nearest to each of `keys`, for the sake of having come by.
    pub(super) fn visit<'k>(&self, keys: impl Iterator<Item = &'k [u8]>) -> Vec<NodeId> {
        let Some(root) = self.window.newest().and_then(|kept| kept.root) else { return Vec::new() };
        let mut visits: Vec<(&[u8], NodeId)> = keys.map(|key| (key, root)).collect();
        for group in visits.chunks_mut(TOGETHER) {
            let mut further = true;
            while further {
                further = false;
                for (key, at) in &mut *group {
                    if let Link::Inner { bit: place, left, right } = self.arena.link(*at) {
                        *at = if bit(key, place) { right } else { left };
                        further = true;
                    }
                }
            }
        }
        visits.into_iter().map(|(_, leaf)| leaf).collect()
    }
}
