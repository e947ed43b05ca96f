//! The way from a leaf to a root, of which the root binds every bit.

use borsh::{BorshDeserialize, BorshSerialize};

use super::{hash_leaf, hash_node, merkle_proof};
use crate::hash::Hash;

/// What stands beside the way up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub enum Sibling {
    /// On the left of it.
    Left(Hash),
    /// On the right of it.
    Right(Hash),
}

/// That a leaf stands under a root. Other than a [`MerkleProof`](super::MerkleProof) it claims neither the leaf's number nor how many
/// leaves there are, which the root does not bind: so no other path leads from this leaf to this root. Two trees of as many leaves have
/// leaves of one number where the paths turn alike ([`MerklePath::is_beside`]).
#[derive(Debug, Clone, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct MerklePath(Vec<Sibling>);

impl MerklePath {
    /// The path of the leaf at `index`, or `None` if there is no such leaf.
    pub fn of<T: AsRef<[u8]>>(leaves: &[T], index: usize) -> Option<Self> {
        let proof = merkle_proof(leaves, index)?;
        let (mut place, mut last) = (proof.index, proof.total - 1);
        let mut siblings = Vec::with_capacity(proof.path.len());
        for hash in proof.path {
            if place % 2 == 1 || place == last {
                siblings.push(Sibling::Left(hash));
                // As in `MerkleProof::verify`: a last node without a sibling is its own parent.
                let lonely = place.trailing_zeros();
                place >>= lonely;
                last >>= lonely;
            } else {
                siblings.push(Sibling::Right(hash));
            }
            place >>= 1;
            last >>= 1;
        }
        Some(Self(siblings))
    }

    /// The root to which it leads from this leaf.
    pub fn root(&self, leaf: &[u8]) -> Hash {
        self.0.iter().fold(hash_leaf(leaf), |below, sibling| match sibling {
            Sibling::Left(left) => hash_node(left, &below),
            Sibling::Right(right) => hash_node(&below, right),
        })
    }

    /// Whether both turn alike all the way.
    pub fn is_beside(&self, other: &Self) -> bool {
        let left = |sibling: &Sibling| matches!(sibling, Sibling::Left(_));
        self.0.iter().map(left).eq(other.0.iter().map(left))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merkle_root;

    #[test]
    fn each_leaf_has_its_own_path_and_no_other() {
        for total in 1..40usize {
            let leaves: Vec<Vec<u8>> = (0..total).map(|number| vec![number as u8; 5]).collect();
            let root = merkle_root(&leaves);
            let paths: Vec<MerklePath> =
                (0..total).map(|index| MerklePath::of(&leaves, index).expect("a leaf")).collect();
            for (index, leaf) in leaves.iter().enumerate() {
                for (other, path) in paths.iter().enumerate() {
                    assert_eq!(
                        path.root(leaf) == root,
                        other == index,
                        "leaf {index}, path {other} of {total}"
                    );
                    assert_eq!(path.is_beside(&paths[index]), other == index);
                }
            }
            assert_eq!(MerklePath::of(&leaves, total), None);
        }
    }
}
