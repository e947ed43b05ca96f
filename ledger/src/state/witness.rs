//! What an answer rests on, cut out of the tree: whoever trusts the root can ask the same question of it.
//!
//! A witness is the tree with every part that the question did not touch cut down to its hash. It must hash to the root
//! of a header that is vouched for; then a query that runs on it answers as the node's state did, or meets a part that
//! was cut and fails. That a record is absent, and that a range is complete, needs nothing more.
//!
//! ```text
//! witness   version byte, tree, number of histories (u16), each: key, number asked for (u32), number of values (u16), values
//! tree      0 empty (at the top only) | 1 hash | 2 key, value | 3 bit (u16), left tree, right tree
//! ```
//! Integers are big-endian; a key has its length before it in one byte, a value in four.

mod decode;
mod encode;

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

use super::{
    arena::NodeId,
    key::Digest,
    records::{Record, Records},
    stored::Stored,
    view::{Reading, View},
    walk::{self, Nodes, Step},
};
use crate::AppError;

/// The longest witness that is made or read.
pub const MAX_WITNESS_BYTES: usize = 8 << 20;

const VERSION: u8 = 1;
const EMPTY: u8 = 0;
const CUT: u8 = 1;
const LEAF: u8 = 2;
const INNER: u8 = 3;

/// Older values of a key, as many as were asked for.
struct History {
    limit: usize,
    values: Vec<Vec<u8>>,
}

type Histories = BTreeMap<Vec<u8>, History>;

/// Runs `ask` on the view, notes what it reads and returns its answer with a witness of just that.
pub fn witness<T>(
    view: &View<'_>,
    ask: impl FnOnce(&dyn Records) -> Result<T, AppError>,
) -> Result<(T, Vec<u8>), AppError> {
    let noting = Noting { view, leaves: RefCell::default(), histories: RefCell::default() };
    let answer = ask(&noting)?;
    let bytes = encode::encode(view, &noting.leaves.into_inner(), &noting.histories.into_inner())?;
    Ok((answer, bytes))
}

/// A view that notes what is read.
struct Noting<'a> {
    view: &'a View<'a>,
    /// The keys of the leaves that were read.
    leaves: RefCell<BTreeSet<Vec<u8>>>,
    histories: RefCell<Histories>,
}

impl Records for Noting<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, AppError> {
        walk::get(&self.reading(), key)
    }

    fn range(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Record>, AppError> {
        walk::range(&self.reading(), from, to, limit)
    }

    fn versions(&self, key: &[u8], limit: usize) -> Result<Vec<Vec<u8>>, AppError> {
        self.get(key)?;
        let values = self.view.versions(key, limit)?;
        let mut histories = self.histories.borrow_mut();
        let noted =
            histories.entry(key.to_vec()).or_insert_with(|| History { limit, values: values.clone() });
        if noted.limit != limit {
            return Err(AppError::Failed(
                "a question asks for the versions of a key in one number only".to_owned(),
            ));
        }
        Ok(values)
    }
}

impl Noting<'_> {
    fn reading(&self) -> NotingReading<'_> {
        NotingReading { reading: self.view.reading(), leaves: &self.leaves }
    }
}

struct NotingReading<'a> {
    reading: Reading<'a>,
    leaves: &'a RefCell<BTreeSet<Vec<u8>>>,
}

impl Nodes for NotingReading<'_> {
    type Id = NodeId;

    fn root(&self) -> Option<NodeId> {
        self.reading.root()
    }

    fn step(&self, at: NodeId) -> Result<Step<NodeId>, AppError> {
        self.reading.step(at)
    }

    fn record(&self, leaf: NodeId) -> Result<Stored, AppError> {
        let record = self.reading.record(leaf)?;
        self.leaves.borrow_mut().insert(record.key().to_vec());
        Ok(record)
    }
}

/// Why bytes are not a witness.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a witness: {0}")]
pub struct BadWitness(&'static str);

enum Node {
    Cut,
    Leaf(Stored),
    Inner { bit: u16, left: usize, right: usize },
}

/// A tree of which only some parts are there. Its content means nothing until [`Witness::root`] was compared with a
/// root that is vouched for.
pub struct Witness {
    /// Children after parents; the first is the top.
    nodes: Vec<Node>,
    root: Digest,
    histories: Histories,
}

impl Witness {
    /// Reads a witness. The bytes may be anything.
    pub fn decode(bytes: &[u8]) -> Result<Self, BadWitness> {
        decode::decode(bytes)
    }

    /// The root of the state that this is a part of.
    pub fn root(&self) -> [u8; 32] {
        self.root
    }
}

fn cut_out(what: &str) -> AppError {
    AppError::Failed(format!("the witness does not hold {what}: it was made for another question"))
}

impl Nodes for Witness {
    type Id = usize;

    fn root(&self) -> Option<usize> {
        (!self.nodes.is_empty()).then_some(0)
    }

    fn step(&self, at: usize) -> Result<Step<usize>, AppError> {
        match self.nodes[at] {
            Node::Cut => Err(cut_out("this part of the state")),
            Node::Leaf(_) => Ok(Step::Leaf),
            Node::Inner { bit, left, right } => Ok(Step::Inner { bit, left, right }),
        }
    }

    fn record(&self, leaf: usize) -> Result<Stored, AppError> {
        match &self.nodes[leaf] {
            Node::Leaf(record) => Ok(record.clone()),
            _ => Err(cut_out("this record")),
        }
    }
}

impl Records for Witness {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, AppError> {
        walk::get(self, key)
    }

    fn range(&self, from: &[u8], to: &[u8], limit: usize) -> Result<Vec<Record>, AppError> {
        walk::range(self, from, to, limit)
    }

    /// The values were not hashed into the root: see [`Records::versions`]. So many must have been asked for, no more and
    /// no fewer: otherwise the number could be raised and the witness still be taken.
    fn versions(&self, key: &[u8], limit: usize) -> Result<Vec<Vec<u8>>, AppError> {
        if self.get(key)?.is_none() {
            return Ok(Vec::new());
        }
        let history = self.histories.get(key).filter(|history| limit == history.limit);
        let history = history.ok_or_else(|| cut_out("so many older values of this record"))?;
        Ok(history.values.iter().take(limit).cloned().collect())
    }
}
