//! Finding records in a tree: written once, for a tree in memory, for one that notes what is read, and for a witness.

use super::key::{bit, first_difference};
use super::{records::Record, stored::Stored};
use crate::AppError;

/// One step down a tree.
pub(super) enum Step<Id> {
    /// A branch at place `bit`.
    Inner { bit: u16, left: Id, right: Id },
    /// A record.
    Leaf,
}

/// A tree to find records in.
pub(super) trait Nodes {
    /// What names a node.
    type Id: Copy;

    /// The topmost node; `None` if there are no records.
    fn root(&self) -> Option<Self::Id>;

    /// What is below a node.
    fn step(&self, at: Self::Id) -> Result<Step<Self::Id>, AppError>;

    /// The record of a leaf.
    fn record(&self, leaf: Self::Id) -> Result<Stored, AppError>;
}

/// The leaf of `key`, if its record is there; otherwise one that shares as many bits with it as any.
pub(super) fn nearest<N: Nodes>(nodes: &N, key: &[u8]) -> Result<Option<N::Id>, AppError> {
    let Some(mut at) = nodes.root() else { return Ok(None) };
    while let Step::Inner { bit: place, left, right } = nodes.step(at)? {
        at = if bit(key, place) { right } else { left };
    }
    Ok(Some(at))
}

/// The record of `key`.
pub(super) fn find<N: Nodes>(nodes: &N, key: &[u8]) -> Result<Option<Stored>, AppError> {
    let Some(leaf) = nearest(nodes, key)? else { return Ok(None) };
    let found = nodes.record(leaf)?;
    Ok((found.key() == key).then_some(found))
}

/// The value of `key`.
pub(super) fn get<N: Nodes>(nodes: &N, key: &[u8]) -> Result<Option<Vec<u8>>, AppError> {
    Ok(find(nodes, key)?.map(|found| found.value().to_vec()))
}

/// At most `limit` records with `from <= key < to`, ascending; an empty `to` means the end.
pub(super) fn range<N: Nodes>(
    nodes: &N,
    from: &[u8],
    to: &[u8],
    limit: usize,
) -> Result<Vec<Record>, AppError> {
    let mut records = Vec::new();
    if limit == 0 || (!to.is_empty() && from >= to) {
        return Ok(records);
    }
    let mut ahead = not_before(nodes, from)?;
    while let Some(mut at) = ahead.pop() {
        while let Step::Inner { left, right, .. } = nodes.step(at)? {
            ahead.push(right);
            at = left;
        }
        let record = nodes.record(at)?;
        if !to.is_empty() && record.key() >= to {
            break;
        }
        records.push(record.to_record());
        if records.len() == limit {
            break;
        }
    }
    Ok(records)
}

/// The subtrees that together hold all keys from `from` on, the lowest last.
fn not_before<N: Nodes>(nodes: &N, from: &[u8]) -> Result<Vec<N::Id>, AppError> {
    let mut ahead = Vec::new();
    let Some(leaf) = nearest(nodes, from)? else { return Ok(ahead) };
    let differs = first_difference(from, nodes.record(leaf)?.key());
    let mut at = nodes.root();
    while let Some(id) = at {
        // Below the place where `from` leaves the tree, all keys stand on the same side of it.
        at = match (nodes.step(id)?, differs) {
            (Step::Inner { bit: place, left, right }, differs) if differs.is_none_or(|d| place < d) => {
                if bit(from, place) {
                    Some(right)
                } else {
                    ahead.push(right);
                    Some(left)
                }
            }
            (_, Some(place)) if bit(from, place) => None,
            _ => {
                ahead.push(id);
                None
            }
        };
    }
    Ok(ahead)
}
