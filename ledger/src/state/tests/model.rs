//! The model: a map for every height, and the root by its definition.

use std::collections::BTreeMap;

use crate::state::{
    Changes, Records, View,
    key::{Digest, MAX_BITS, bit, empty_hash, leaf_hash, node_hash},
};

pub(super) type Map = BTreeMap<Vec<u8>, Vec<u8>>;

/// The root by its definition.
pub(super) fn naive_root(records: &Map) -> Digest {
    fn hash(records: &[(&Vec<u8>, &Vec<u8>)], from: u16) -> Digest {
        let [first, .., last] = records else { return leaf_hash(records[0].0, records[0].1) };
        let place = (from..MAX_BITS).find(|&n| bit(first.0, n) != bit(last.0, n)).unwrap();
        let (left, right): (Vec<_>, Vec<_>) = records.iter().partition(|(key, _)| !bit(key, place));
        node_hash(place, &hash(&left, place + 1), &hash(&right, place + 1))
    }
    if records.is_empty() { empty_hash() } else { hash(&records.iter().collect::<Vec<_>>(), 0) }
}

/// What a state should hold, height by height.
#[derive(Clone, Default)]
pub(super) struct Model {
    pub(super) heights: BTreeMap<u64, Map>,
}

impl Model {
    pub(super) fn newest(&self) -> Map {
        self.heights.values().next_back().cloned().unwrap_or_default()
    }

    pub(super) fn commit(&mut self, version: u64, changes: &Changes) {
        let mut map = self.newest();
        for (key, value) in changes {
            match value {
                Some(value) => map.insert(key.clone(), value.clone()),
                None => map.remove(key),
            };
        }
        self.heights.insert(version, map);
    }

    /// The values of `key` at `version` and before, newest first, back to where the record was made.
    fn versions(&self, version: u64, key: &[u8]) -> Vec<Vec<u8>> {
        let mut versions: Vec<Vec<u8>> = Vec::new();
        for map in self.heights.range(..=version).rev().map(|(_, map)| map) {
            match map.get(key) {
                Some(value) if versions.last() == Some(value) => {}
                Some(value) => versions.push(value.clone()),
                None => break,
            }
        }
        versions
    }

    /// Compares everything that can be asked of a view. Older versions may be there less far back.
    pub(super) fn check(&self, view: &View<'_>, asked: &[Vec<u8>]) {
        let version = view.version().unwrap();
        let map = &self.heights[&version];
        assert_eq!(view.root(), naive_root(map), "the root of height {version}");
        let values: Vec<_> = asked.iter().map(|key| map.get(key).cloned()).collect();
        let mut found = Vec::new();
        let take = |one: Option<(_, &[u8])>| found.push(one.map(|(_, value)| value.to_vec()));
        view.find_all(asked.iter().map(Vec::as_slice), take).unwrap();
        assert_eq!(found, values);
        check_records(map, view, asked);
        for key in asked {
            let found = view.versions(key, usize::MAX).unwrap();
            let expected = self.versions(version, key);
            assert!(expected.iter().skip(1).zip(&found).all(|(a, b)| a == b), "versions of {key:?}");
            assert!(found.len() <= expected.len().saturating_sub(1));
            assert_eq!(view.versions(key, 1).unwrap(), found[..found.len().min(1)]);
        }
    }
}

/// Compares gets and ranges with those of a map.
pub(super) fn check_records(map: &Map, records: &dyn Records, asked: &[Vec<u8>]) {
    for key in asked {
        assert_eq!(records.get(key).unwrap().as_ref(), map.get(key), "{key:?}");
    }
    for pair in asked.windows(2) {
        for (to, limit) in [(&pair[1][..], 3), (&[], 4), (&pair[1][..], usize::MAX)] {
            let from = &pair[0];
            let expected: Vec<_> = map
                .range(from.clone()..)
                .filter(|(key, _)| to.is_empty() || key.as_slice() < to)
                .take(limit)
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect();
            assert_eq!(records.range(from, to, limit).unwrap(), expected, "{from:?}..{to:?}");
        }
    }
    let all: Vec<_> = map.clone().into_iter().collect();
    assert_eq!(records.range(&[], &[], usize::MAX).unwrap(), all);
}
