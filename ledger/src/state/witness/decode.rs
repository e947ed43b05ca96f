//! From bytes that may be anything to a witness: one pass, no recursion, memory in proportion to the bytes.

use super::{
    BadWitness, CUT, EMPTY, Histories, History, INNER, LEAF, MAX_WITNESS_BYTES, Node, VERSION, Witness,
};
use crate::state::{
    frame::MAX_VALUE,
    key::{Digest, MAX_BITS, MAX_KEY, bit, empty_hash, first_difference, leaf_hash, node_hash},
    stored::Stored,
};

pub(super) fn decode(bytes: &[u8]) -> Result<Witness, BadWitness> {
    if bytes.len() > MAX_WITNESS_BYTES {
        return Err(BadWitness("it is longer than any that is made"));
    }
    let mut bytes = Bytes(bytes);
    if bytes.byte()? != VERSION {
        return Err(BadWitness("it is of another version"));
    }
    let (nodes, root) = tree(&mut bytes)?;
    let histories = histories(&mut bytes)?;
    if !bytes.0.is_empty() {
        return Err(BadWitness("something follows it"));
    }
    Ok(Witness { nodes, root, histories })
}

/// A branch of which not all is read yet.
struct Open {
    node: usize,
    bit: u16,
    /// The left side's hash, once it is read.
    left: Option<Digest>,
}

fn tree(bytes: &mut Bytes<'_>) -> Result<(Vec<Node>, Digest), BadWitness> {
    let mut nodes = Vec::new();
    if bytes.0.first() == Some(&EMPTY) {
        bytes.byte()?;
        return Ok((nodes, empty_hash()));
    }
    let mut path: Vec<Open> = Vec::new();
    let mut before: Option<usize> = None;
    loop {
        let node = nodes.len();
        let mut hash = match bytes.byte()? {
            CUT => {
                nodes.push(Node::Cut);
                // Between keys on its two sides lies what nobody can check; the next leaf has no neighbour.
                before = None;
                bytes.array()?
            }
            LEAF => {
                let (key, value) = (bytes.key()?, bytes.value()?);
                check_leaf(key, &path, before.and_then(|before| key_of(&nodes, before)))?;
                let hash = leaf_hash(key, value);
                nodes.push(Node::Leaf(Stored::of(key, value)));
                before = Some(node);
                hash
            }
            INNER => {
                let bit = u16::from_be_bytes(bytes.array()?);
                if bit >= MAX_BITS || path.last().is_some_and(|above| above.bit >= bit) {
                    return Err(BadWitness("its branches do not go down"));
                }
                nodes.push(Node::Inner { bit, left: node + 1, right: 0 });
                path.push(Open { node, bit, left: None });
                continue;
            }
            _ => return Err(BadWitness("a part of it is of no known kind")),
        };
        // What was read completes a left side, or a right side and perhaps branches above.
        loop {
            let next = nodes.len();
            match path.last_mut() {
                None => return Ok((nodes, hash)),
                Some(open) if open.left.is_none() => {
                    open.left = Some(hash);
                    if let Node::Inner { right, .. } = &mut nodes[open.node] {
                        *right = next;
                    }
                    break;
                }
                Some(Open { bit, left, .. }) => {
                    hash = node_hash(*bit, &left.unwrap_or_default(), &hash);
                    path.pop();
                }
            }
        }
    }
}

fn key_of(nodes: &[Node], at: usize) -> Option<&[u8]> {
    match nodes.get(at) {
        Some(Node::Leaf(record)) => Some(record.key()),
        _ => None,
    }
}

/// That a leaf stands where its key leads, and leaves the path of its left neighbour where a branch says so.
fn check_leaf(key: &[u8], path: &[Open], before: Option<&[u8]>) -> Result<(), BadWitness> {
    if path.iter().any(|open| bit(key, open.bit) != open.left.is_some()) {
        return Err(BadWitness("a key stands where it does not belong"));
    }
    let Some(before) = before else { return Ok(()) };
    // The innermost branch of which this is on the right is the one that parts the two.
    let parted = path.iter().rev().find(|open| open.left.is_some()).map(|open| open.bit);
    if first_difference(before, key) != parted {
        return Err(BadWitness("two keys part at another bit than the branch above them says"));
    }
    Ok(())
}

fn histories(bytes: &mut Bytes<'_>) -> Result<Histories, BadWitness> {
    let mut histories = Histories::new();
    for _ in 0..u16::from_be_bytes(bytes.array()?) {
        let key = bytes.key()?;
        if histories.last_key_value().is_some_and(|(last, _)| last.as_slice() >= key) {
            return Err(BadWitness("its histories are out of order"));
        }
        let limit = u32::from_be_bytes(bytes.array()?) as usize;
        let count = usize::from(u16::from_be_bytes(bytes.array()?));
        if count > limit {
            return Err(BadWitness("a history is longer than was asked for"));
        }
        let values = (0..count).map(|_| Ok(bytes.value()?.to_vec())).collect::<Result<_, BadWitness>>()?;
        histories.insert(key.to_vec(), History { limit, values });
    }
    Ok(histories)
}

struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], BadWitness> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(BadWitness("it ends too soon"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], BadWitness> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn byte(&mut self) -> Result<u8, BadWitness> {
        Ok(self.array::<1>()?[0])
    }

    fn key(&mut self) -> Result<&'a [u8], BadWitness> {
        match usize::from(self.byte()?) {
            len if len > MAX_KEY => Err(BadWitness("a key is too long")),
            len => self.take(len),
        }
    }

    fn value(&mut self) -> Result<&'a [u8], BadWitness> {
        match u32::from_be_bytes(self.array()?) as usize {
            len if len > MAX_VALUE => Err(BadWitness("a value is too long")),
            len => self.take(len),
        }
    }
}
