//! The Merkle tree of RFC 6962, section 2.1: leaves are hashed behind `0x00`, nodes behind `0x01`, so neither passes for
//! the other; a tree of n leaves has the largest power of two below n on its left, so no leaf is ever doubled.

use borsh::{BorshDeserialize, BorshSerialize};
use serde::{Deserialize, Serialize};

use crate::hash::{Hash, sha256, sha256_concat};

mod path;

pub use path::{MerklePath, Sibling};

const LEAF: &[u8] = &[0];
const NODE: &[u8] = &[1];

fn hash_leaf(leaf: &[u8]) -> Hash {
    sha256_concat(&[LEAF, leaf])
}

fn hash_node(left: &Hash, right: &Hash) -> Hash {
    sha256_concat(&[NODE, left.as_bytes(), right.as_bytes()])
}

/// Leaves on the left of a tree of `total` leaves, for `total` of 2 or more.
fn left_leaves(total: usize) -> usize {
    1 << (total - 1).ilog2()
}

/// The root over `leaves` in their order. Of no leaves: SHA-256 of nothing.
pub fn merkle_root<T: AsRef<[u8]>>(leaves: &[T]) -> Hash {
    match leaves {
        [] => sha256(&[]),
        [leaf] => hash_leaf(leaf.as_ref()),
        _ => {
            let (left, right) = leaves.split_at(left_leaves(leaves.len()));
            hash_node(&merkle_root(left), &merkle_root(right))
        }
    }
}

/// That one leaf stands at one place under a root.
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize, Serialize, Deserialize)]
pub struct MerkleProof {
    /// Place of the leaf, from 0.
    pub index: u64,
    /// Leaves under the root. The root does not bind it: take it from where the root is taken, or from nowhere.
    pub total: u64,
    /// Siblings on the way from the leaf to the root.
    pub path: Vec<Hash>,
}

/// The proof for the leaf at `index`, or `None` if there is no such leaf.
pub fn merkle_proof<T: AsRef<[u8]>>(leaves: &[T], index: usize) -> Option<MerkleProof> {
    if index >= leaves.len() {
        return None;
    }
    let mut path = Vec::new();
    let (mut subtree, mut place) = (leaves, index);
    while subtree.len() > 1 {
        let (left, right) = subtree.split_at(left_leaves(subtree.len()));
        if place < left.len() {
            path.push(merkle_root(right));
            subtree = left;
        } else {
            path.push(merkle_root(left));
            place -= left.len();
            subtree = right;
        }
    }
    path.reverse();
    Some(MerkleProof { index: index as u64, total: leaves.len() as u64, path })
}

impl MerkleProof {
    /// Whether `leaf` stands at `index` of the `total` leaves under `root`. (RFC 9162, section 2.1.3.2.)
    pub fn verify(&self, root: &Hash, leaf: &[u8]) -> bool {
        if self.index >= self.total {
            return false;
        }
        let (mut place, mut last) = (self.index, self.total - 1);
        let mut hash = hash_leaf(leaf);
        for sibling in &self.path {
            if last == 0 {
                return false;
            }
            if place % 2 == 1 || place == last {
                hash = hash_node(sibling, &hash);
                // A last node without a sibling is its own parent: climb to where it has one.
                let lonely = place.trailing_zeros();
                place >>= lonely;
                last >>= lonely;
            } else {
                hash = hash_node(&hash, sibling);
            }
            place >>= 1;
            last >>= 1;
        }
        last == 0 && hash == *root
    }
}

#[cfg(test)]
mod tests;
