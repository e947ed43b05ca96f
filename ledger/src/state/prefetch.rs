//! Going down to many keys at once: each step waits for memory, and the waits of several keys pass together.

use super::{
    arena::{Arena, Link, NodeId},
    key::bit,
};

/// So many things are fetched from memory at a time: more do not wait together, and what came first is still near.
pub(super) const TOGETHER: usize = 16;

/// The leaves below `root` that are nearest to each of `keys`.
pub(super) fn visit<'k>(arena: &Arena, root: NodeId, keys: impl Iterator<Item = &'k [u8]>) -> Vec<NodeId> {
    let mut visits: Vec<(&[u8], NodeId)> = keys.map(|key| (key, root)).collect();
    for group in visits.chunks_mut(TOGETHER) {
        let mut further = true;
        while further {
            further = false;
            for (key, at) in &mut *group {
                if let Link::Inner { bit: place, left, right } = arena.link(*at) {
                    *at = if bit(key, place) { right } else { left };
                    further = true;
                }
            }
        }
    }
    visits.into_iter().map(|(_, leaf)| leaf).collect()
}
