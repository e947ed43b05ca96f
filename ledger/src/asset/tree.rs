//! The authenticated tree over the ledger's records: a Jellyfish Merkle tree whose root is the application hash.
//!
//! A leaf's place is SHA-256 of the record's key, its content SHA-256 of the record's bytes. The tree has one version
//! per height and only the newest is kept: nodes that a height replaces are removed in the batch that writes their
//! successors. Values are not read through the tree; the records lie beside it under their own keys.

use althing_crypto::sha256;
use jmt::{
    KeyHash, OwnedValue, Sha256Jmt, Version,
    storage::{LeafNode, NibblePath, Node, NodeKey, TreeReader},
};

use super::state::corrupt;
use crate::{AppError, StateStore, StoreError, Write};

/// The root after `records` (keys and new bytes) are changed in the tree of the version before, and the writes that
/// bring the stored tree there.
pub(super) fn update(
    store: &dyn StateStore,
    version: Version,
    records: &[(Vec<u8>, Vec<u8>)],
) -> Result<([u8; 32], Vec<Write>), AppError> {
    let nodes = Nodes(store);
    if records.is_empty() {
        return carry_over(&nodes, version);
    }
    let leaves = records.iter().map(|(key, value)| (leaf_of(key), value.clone())).collect();
    let (roots, update) =
        Sha256Jmt::new(&nodes).batch_put_value_sets(vec![leaves], None, version).map_err(tree_error)?;
    let root = roots.first().ok_or_else(|| corrupt("state tree", "an update gave no root"))?.0;
    let mut writes = Vec::new();
    for stale in &update.stale_node_index_batch {
        writes.push((node_key(&stale.node_key)?, None));
    }
    for (key, node) in update.node_batch.nodes() {
        writes.push((node_key(key)?, Some(encode(node)?)));
    }
    Ok((root, writes))
}

/// The root of the stored tree at `version`, if it is there.
pub(super) fn root(store: &dyn StateStore, version: Version) -> Result<Option<[u8; 32]>, AppError> {
    let nodes = Nodes(store);
    let root = Sha256Jmt::new(&nodes).get_root_hash_option(version).map_err(tree_error)?;
    Ok(root.map(|hash| hash.0))
}

/// A height that changes nothing has its own version all the same: the next one looks for its root there.
fn carry_over(nodes: &Nodes<'_>, version: Version) -> Result<([u8; 32], Vec<Write>), AppError> {
    let missing = || corrupt("state tree", format!("no root before version {version}"));
    let before = version.checked_sub(1).ok_or_else(missing)?;
    let hash = root(nodes.0, before)?.ok_or_else(missing)?;
    let node = nodes.get_node_option(&root_key(before)).map_err(tree_error)?.ok_or_else(missing)?;
    let writes =
        vec![(node_key(&root_key(before))?, None), (node_key(&root_key(version))?, Some(encode(&node)?))];
    Ok((hash, writes))
}

fn leaf_of(key: &[u8]) -> KeyHash {
    KeyHash(*sha256(key).as_bytes())
}

fn root_key(version: Version) -> NodeKey {
    NodeKey::new(version, NibblePath::from_iter(std::iter::empty()))
}

/// Big-endian version first: what one height writes lies together, newest last.
fn node_key(key: &NodeKey) -> Result<Vec<u8>, AppError> {
    let path = encode(key.nibble_path())?;
    Ok([b"node/", key.version().to_be_bytes().as_slice(), &path].concat())
}

fn encode(value: &impl borsh::BorshSerialize) -> Result<Vec<u8>, AppError> {
    borsh::to_vec(value).map_err(|error| corrupt("state tree", error))
}

/// The tree's own errors carry those of the store within.
fn tree_error(error: anyhow::Error) -> AppError {
    match error.downcast::<AppError>() {
        Ok(ours) => ours,
        Err(error) => match error.downcast::<StoreError>() {
            Ok(store) => AppError::Store(store),
            Err(error) => corrupt("state tree", format!("{error:#}")),
        },
    }
}

/// The stored nodes, as the tree reads them.
struct Nodes<'a>(&'a dyn StateStore);

impl TreeReader for Nodes<'_> {
    fn get_node_option(&self, key: &NodeKey) -> anyhow::Result<Option<Node>> {
        let stored = self.0.get(&node_key(key)?)?;
        Ok(stored.map(|bytes| borsh::from_slice(&bytes)).transpose()?)
    }

    fn get_value_option(&self, _version: Version, key: KeyHash) -> anyhow::Result<Option<OwnedValue>> {
        anyhow::bail!("values are not kept in the tree; one was asked for under {key:?}")
    }

    fn get_rightmost_leaf(&self) -> anyhow::Result<Option<(NodeKey, LeafNode)>> {
        anyhow::bail!("the rightmost leaf is only asked for when a tree is restored, which is not done here")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::MemoryStore;
    use althing_crypto::{Hash, sha256_concat};
    use proptest::{collection::vec, prelude::*};

    type Records = Vec<(Vec<u8>, Vec<u8>)>;

    fn record(key: u8, value: u8) -> (Vec<u8>, Vec<u8>) {
        (vec![key], vec![value])
    }

    /// The root, said anew: a subtree of no leaves is the placeholder, of one leaf that leaf, else the hash of its halves.
    fn expected_root(leaves: &[(Hash, Hash)], bit: usize) -> Hash {
        match leaves {
            [] => Hash::from_bytes(*b"SPARSE_MERKLE_PLACEHOLDER_HASH__"),
            [(key, value)] => sha256_concat(&[b"JMT::LeafNode", key.as_bytes(), value.as_bytes()]),
            _ => {
                let right = |key: &Hash| key.as_bytes()[bit / 8] >> (7 - bit % 8) & 1 == 1;
                let (low, high) = leaves.split_at(leaves.partition_point(|(key, _)| !right(key)));
                let halves = [expected_root(low, bit + 1), expected_root(high, bit + 1)];
                sha256_concat(&[b"JMT::IntrnalNode", halves[0].as_bytes(), halves[1].as_bytes()])
            }
        }
    }

    /// Runs one batch per version and returns the roots.
    fn run(store: &MemoryStore, batches: &[Records]) -> Vec<[u8; 32]> {
        let step = |(version, batch): (usize, &Records)| {
            let (hash, writes) = update(store, version as u64, batch).unwrap();
            store.write(writes).unwrap();
            assert_eq!(root(store, version as u64).unwrap(), Some(hash));
            hash
        };
        batches.iter().enumerate().map(step).collect()
    }

    #[test]
    fn an_empty_height_keeps_the_root_and_the_next_one_builds_on_it() {
        let store = MemoryStore::new();
        let roots = run(&store, &[vec![record(1, 1), record(2, 1)], vec![], vec![], vec![record(1, 2)]]);
        assert_eq!((roots[0], roots[0]), (roots[1], roots[2]));
        let expected = run(&MemoryStore::new(), &[vec![record(1, 2), record(2, 1)]]);
        assert_eq!(roots[3], expected[0]);
    }

    #[test]
    fn a_version_without_its_predecessor_is_an_error_not_an_empty_tree() {
        let store = MemoryStore::new();
        run(&store, &[vec![record(1, 1)]]);
        for records in [vec![], vec![record(2, 2)]] {
            assert!(matches!(update(&store, 2, &records), Err(AppError::Corrupt { .. })));
        }
    }

    proptest! {
        /// The root is a function of the records alone, and the store holds the newest version and nothing else.
        #[test]
        fn the_root_depends_on_the_records_only(
            batches in vec(vec((any::<u8>(), any::<u8>()).prop_map(|(k, v)| record(k, v)), 0..12), 1..12),
        ) {
            let mut batches: Vec<Records> = batches;
            batches[0].push(record(0, 0));
            let store = MemoryStore::new();
            let roots = run(&store, &batches);

            let all: BTreeMap<_, _> = batches.concat().into_iter().collect();
            let leaves: BTreeMap<_, _> = all.iter().map(|(key, value)| (sha256(key), sha256(value))).collect();
            let leaves: Vec<_> = leaves.into_iter().collect();
            prop_assert_eq!(roots.last().copied(), Some(*expected_root(&leaves, 0).as_bytes()));

            let at_once = MemoryStore::new();
            run(&at_once, &[all.into_iter().collect()]);
            prop_assert_eq!(store.len(), at_once.len());
        }
    }
}
