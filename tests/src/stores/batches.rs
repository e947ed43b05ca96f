//! Batches that follow from their number, so that whoever finds a store after a power cut knows what must be in it: a height, a block of up
//! to 200 KB while an older one goes, tree nodes that replace others, and index entries.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use althing_node::storage::{Batch, Store, StoreError, Table};
use serde::{Deserialize, Serialize};

use super::{Backend, Failure};
use crate::sim::Random;

const HEIGHT: &[u8] = b"height";
const BLOCKS_KEPT: u64 = 32;
const NODES: u64 = 200;
const NODE_PLACES: u64 = 5_000;
const TERMS: u64 = 100;
/// Nobody writes so many more before a cut than were heard of.
const AHEAD: u64 = 1_000;

fn bytes(random: &mut Random, len: u64) -> Vec<u8> {
    let words = std::iter::repeat_with(|| random.word().to_le_bytes());
    words.take(len.div_ceil(8) as usize).flatten().collect()
}

/// Batch `number`, from 1 on.
fn batch(seed: u64, number: u64) -> Batch {
    let mut random = Random::new(seed ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let mut batch = Batch::new();
    batch.put(Table::Meta, HEIGHT, number.to_be_bytes());
    let len = random.between(1_000, 200_000);
    batch.put(Table::Blocks, number.to_be_bytes(), bytes(&mut random, len));
    if let Some(old) = number.checked_sub(BLOCKS_KEPT) {
        batch.delete(Table::Blocks, old.to_be_bytes());
    }
    for _ in 0..NODES {
        let place = random.below(NODE_PLACES).to_be_bytes();
        batch.put(Table::Results, place, bytes(&mut random, 512));
    }
    for _ in 0..TERMS {
        batch.put(Table::Index, bytes(&mut random, 24), []);
    }
    batch
}

/// Writes one batch after the other into a new database at `path` and says each number once it is acknowledged, until nobody listens.
pub fn write(path: &Path, backend: Backend, seed: u64, heard: &mut impl Write) -> Result<(), Failure> {
    let store = backend.create(path)?;
    // As the node does with a new home: whether an empty database is found again is not the question.
    sync_all(path)?;
    File::open(path.parent().ok_or("the root is no place for a database")?)?.sync_all()?;
    for number in 1.. {
        store.write(batch(seed, number))?;
        match writeln!(heard, "{number}").and_then(|()| heard.flush()) {
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => break,
            said => said?,
        }
    }
    Ok(())
}

fn sync_all(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            sync_all(&entry?.path())?;
        }
    }
    File::open(path)?.sync_all()
}

/// What a store holds after a power cut.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// All that was acknowledged, and each batch whole.
    Kept {
        /// The last batch in it.
        found: u64,
    },
    /// Whole batches, but not all that were acknowledged.
    Lost {
        /// The last batch in it; 0 if it is empty.
        found: u64,
    },
    /// Something that no number of whole batches leaves.
    Torn {
        /// The last batch in it, as it says itself.
        found: u64,
        /// What is wrong.
        what: String,
    },
    /// It does not open, or cannot be read.
    Refused {
        /// Its own words.
        why: String,
    },
}

/// Compares the database at `path` with what batches leave of which so many were acknowledged.
pub fn check(path: &Path, backend: Backend, seed: u64, acknowledged: u64) -> Verdict {
    let verdict = backend.open(path).and_then(|store| Ok(compare(&*store, seed, acknowledged)?));
    verdict.unwrap_or_else(|error| Verdict::Refused { why: error.to_string() })
}

fn compare(store: &dyn Store, seed: u64, acknowledged: u64) -> Result<Verdict, StoreError> {
    let height = store.get(Table::Meta, HEIGHT)?.unwrap_or_else(|| vec![0; 8]);
    let found = <[u8; 8]>::try_from(height.as_slice()).map_or(u64::MAX, u64::from_be_bytes);
    let torn = |what: String| Ok(Verdict::Torn { found, what });
    if found > acknowledged + AHEAD {
        return torn("nobody wrote that many batches".to_owned());
    }
    let mut expected: BTreeMap<(Table, Vec<u8>), Vec<u8>> = BTreeMap::new();
    for number in 1..=found {
        for (table, key, value) in batch(seed, number).changes() {
            match value {
                Some(value) => expected.insert((table, key.to_vec()), value.to_vec()),
                None => expected.remove(&(table, key.to_vec())),
            };
        }
    }
    // What a log notes of itself nobody wrote.
    for table in Table::ALL.into_iter().filter(|table| *table != Table::Log) {
        let mut wanted = expected.range((table, vec![])..).take_while(|((of, _), _)| *of == table);
        let mut from = Vec::new();
        loop {
            let some = store.range(table, &from, &[], 1_000, false)?;
            for (key, value) in &some {
                match wanted.next() {
                    Some(((_, wanted), bytes)) if wanted == key && bytes == value => {}
                    Some(((_, wanted), _)) if wanted == key => {
                        return torn(format!("another value under {key:02x?} of {table:?}"));
                    }
                    _ => return torn(format!("{key:02x?} of {table:?}, or what is before it")),
                }
            }
            let Some((last, _)) = some.last() else { break };
            from = [&last[..], &[0]].concat();
        }
        if let Some(((_, key), _)) = wanted.next() {
            return torn(format!("no {key:02x?} in {table:?}"));
        }
    }
    Ok(if found < acknowledged { Verdict::Lost { found } } else { Verdict::Kept { found } })
}

#[cfg(test)]
mod tests {
    use althing_node::storage::MemoryStore;

    use super::*;

    #[test]
    fn what_is_missing_torn_or_too_old_is_told() {
        let store = MemoryStore::new();
        let verdict = |acknowledged| compare(&store, 7, acknowledged).unwrap();
        assert_eq!((verdict(0), verdict(1)), (Verdict::Kept { found: 0 }, Verdict::Lost { found: 0 }));
        (1..=40).for_each(|number| store.write(batch(7, number)).unwrap());
        assert_eq!((verdict(39), verdict(40)), (Verdict::Kept { found: 40 }, Verdict::Kept { found: 40 }));
        assert_eq!(verdict(41), Verdict::Lost { found: 40 });

        let (part, whole) = (batch(7, 41), batch(7, 42));
        let mut half = Batch::new();
        for (table, key, value) in part.changes().take(part.len() / 2) {
            match value {
                Some(value) => half.put(table, key, value),
                None => half.delete(table, key),
            }
        }
        store.write(half).unwrap();
        assert!(matches!(verdict(40), Verdict::Torn { found: 41, .. }), "half of a batch");
        store.write(part).unwrap();
        assert_eq!(verdict(40), Verdict::Kept { found: 41 });
        store.write(whole).unwrap();
        let mut rot = Batch::new();
        rot.put(Table::Blocks, 42u64.to_be_bytes(), [0; 9]);
        store.write(rot).unwrap();
        assert!(matches!(verdict(42), Verdict::Torn { found: 42, .. }), "another value");
    }
}
