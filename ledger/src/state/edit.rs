//! The tree after some changes, made beside the tree before them, which stays as it is.

use super::{
    arena::{Arena, FIRST_STAGED, Link, Node, NodeId},
    key::{Digest, bit, empty_hash, first_difference, node_hash},
    log::{Log, Place},
    prefetch::TOGETHER,
    stored::Stored,
    tail::Tail,
    walk::{Nodes, Step, nearest},
};
use crate::AppError;

/// Nodes that a change makes, children before parents, numbered from [`FIRST_STAGED`], and what they replace.
pub(super) struct NewNodes {
    nodes: Vec<Node>,
    root: Option<NodeId>,
    /// The root's hash.
    pub(super) hash: Digest,
    /// Nodes of the tree before that this one does not have.
    pub(super) replaced: Vec<NodeId>,
}

impl NewNodes {
    /// Takes the nodes into the arena; returns the root.
    pub(super) fn add_to(&self, arena: &mut Arena) -> Option<NodeId> {
        let mut ids: Vec<NodeId> = Vec::with_capacity(self.nodes.len());
        for node in &self.nodes {
            let known = |id: NodeId| if id < FIRST_STAGED { id } else { ids[(id - FIRST_STAGED) as usize] };
            let link = match node.link {
                Link::Inner { bit, left, right } => {
                    Link::Inner { bit, left: known(left), right: known(right) }
                }
                leaf @ Link::Leaf(_) => leaf,
            };
            let id = arena.add(Node { link, hash: node.hash });
            ids.push(id);
        }
        self.root.map(|root| if root < FIRST_STAGED { root } else { ids[(root - FIRST_STAGED) as usize] })
    }
}

/// Where a key belongs in a tree.
pub(super) enum Spot {
    /// There is nothing in the tree.
    Empty,
    /// This leaf has the key.
    Here { leaf: NodeId, place: Place, hash: Digest },
    /// The key leaves the paths of all others at this bit.
    Beside(u16),
}

/// A tree under change. Nodes that it owns are changed in place, others are copied first.
pub(super) struct Edit<'a> {
    arena: &'a Arena,
    log: &'a Log,
    tail: &'a Tail,
    root: Option<NodeId>,
    nodes: Vec<Node>,
    /// The keys of own leaves, by number; empty for inner nodes.
    keys: Vec<&'a [u8]>,
    replaced: Vec<NodeId>,
    /// Whether every own node is in the tree, children before parents.
    ordered: bool,
}

/// A record that takes the place of an older one of its key.
pub(super) struct Update<'a> {
    pub(super) key: &'a [u8],
    pub(super) place: Place,
    pub(super) hash: Digest,
}

impl<'a> Edit<'a> {
    /// The tree under `root`, not changed yet.
    pub(super) fn new(arena: &'a Arena, log: &'a Log, tail: &'a Tail, root: Option<NodeId>) -> Self {
        let (nodes, keys, replaced) = (Vec::new(), Vec::new(), Vec::new());
        Self { arena, log, tail, root, nodes, keys, replaced, ordered: true }
    }

    fn link(&self, id: NodeId) -> Link {
        match id.checked_sub(FIRST_STAGED) {
            Some(own) => self.nodes[own as usize].link,
            None => self.arena.link(id),
        }
    }

    fn hash(&self, id: NodeId) -> Digest {
        match id.checked_sub(FIRST_STAGED) {
            Some(own) => self.nodes[own as usize].hash,
            None => *self.arena.hash(id),
        }
    }

    /// Where `key` belongs. Every key is changed once at most, so no own leaf has it.
    pub(super) fn locate(&self, key: &[u8]) -> Result<Spot, AppError> {
        let Some(leaf) = nearest(self, key)? else { return Ok(Spot::Empty) };
        let differs = match leaf.checked_sub(FIRST_STAGED) {
            Some(own) => first_difference(key, self.keys[own as usize]),
            None => first_difference(key, self.record(leaf)?.key()),
        };
        Ok(match (differs, self.link(leaf)) {
            (None, Link::Leaf(place)) => Spot::Here { leaf, place, hash: self.hash(leaf) },
            (Some(place), _) => Spot::Beside(place),
            (None, Link::Inner { .. }) => unreachable!("the nearest is a leaf"),
        })
    }

    /// The tree with these records, whose keys it has, ascending. Before all else: of the nodes on the way each is copied once.
    pub(super) fn update(&mut self, updates: &[Update<'a>]) {
        let root = self.root.filter(|_| !updates.is_empty());
        if let Some(root) = root {
            debug_assert!(self.nodes.is_empty() && updates.is_sorted_by(|a, b| a.key < b.key));
            self.root = Some(self.update_below(root, updates));
        }
    }

    /// As deep as a key has bits.
    fn update_below(&mut self, at: NodeId, updates: &[Update<'a>]) -> NodeId {
        self.replaced.push(at);
        match self.arena.link(at) {
            Link::Leaf(_) => {
                let &Update { key, place, hash } = &updates[0];
                self.own(Node { link: Link::Leaf(place), hash }, key)
            }
            Link::Inner { bit: n, left, right } => {
                let (lefts, rights) = updates.split_at(updates.partition_point(|one| !bit(one.key, n)));
                let left = if lefts.is_empty() { left } else { self.update_below(left, lefts) };
                let right = if rights.is_empty() { right } else { self.update_below(right, rights) };
                self.own(Node { link: Link::Inner { bit: n, left, right }, hash: [0; 32] }, &[])
            }
        }
    }

    /// Sets the record of `key`, which belongs at `spot`.
    pub(super) fn put(&mut self, key: &'a [u8], spot: &Spot, place: Place, hash: Digest) {
        self.ordered = false;
        let leaf = Node { link: Link::Leaf(place), hash };
        let new = self.own(leaf, key);
        match *spot {
            Spot::Empty => self.root = Some(new),
            Spot::Here { leaf, .. } => {
                let (parent, _) = self.descend(key, |_| true);
                self.replaced.push(leaf);
                self.set_child(parent, key, Some(new));
            }
            Spot::Beside(place) => {
                let (parent, below) = self.descend(key, |bit| bit < place);
                let (left, right) = if bit(key, place) { (below, new) } else { (new, below) };
                let inner = Node { link: Link::Inner { bit: place, left, right }, hash: [0; 32] };
                let inner = self.own(inner, &[]);
                self.set_child(parent, key, Some(inner));
            }
        }
    }

    /// Removes the leaf of `key`.
    pub(super) fn remove(&mut self, key: &[u8], leaf: NodeId) {
        self.ordered = false;
        let mut last = None;
        // The branch above the leaf goes with it; the other side takes its place.
        let mut above = self.root;
        while let Some(Link::Inner { bit: place, left, right }) = above.map(|id| self.link(id)) {
            last = Some(place);
            above = Some(if bit(key, place) { right } else { left });
        }
        self.replaced.push(leaf);
        let Some(last) = last else { return self.root = None };
        let (parent, branch) = self.descend(key, |bit| bit < last);
        let Link::Inner { left, right, .. } = self.link(branch) else {
            unreachable!("the branch was seen just now")
        };
        if branch < FIRST_STAGED {
            self.replaced.push(branch);
        }
        self.set_child(parent, key, Some(if bit(key, last) { left } else { right }));
    }

    /// Goes down towards `key` as long as `further` says so of the bits at branches, and takes the branches on the way
    /// as its own. Returns the last of them and what is below it.
    fn descend(&mut self, key: &[u8], further: impl Fn(u16) -> bool) -> (Option<NodeId>, NodeId) {
        let mut parent = None;
        let mut at = self.root.expect("a tree with a leaf");
        while let Link::Inner { bit: place, left, right } = self.link(at) {
            if !further(place) {
                break;
            }
            if at < FIRST_STAGED {
                self.replaced.push(at);
                at = self.own(Node { link: self.arena.link(at), hash: [0; 32] }, &[]);
                self.set_child(parent, key, Some(at));
            }
            parent = Some(at);
            at = if bit(key, place) { right } else { left };
        }
        (parent, at)
    }

    fn own(&mut self, node: Node, key: &'a [u8]) -> NodeId {
        self.nodes.push(node);
        self.keys.push(key);
        FIRST_STAGED + (self.nodes.len() - 1) as NodeId
    }

    /// Puts `child` below `parent` on the side of `key`, or in the root's place.
    fn set_child(&mut self, parent: Option<NodeId>, key: &[u8], child: Option<NodeId>) {
        let Some(parent) = parent else { return self.root = child };
        let child = child.expect("an inner node has two children");
        match &mut self.nodes[(parent - FIRST_STAGED) as usize].link {
            Link::Inner { bit: place, right, .. } if bit(key, *place) => *right = child,
            Link::Inner { left, .. } => *left = child,
            Link::Leaf(_) => unreachable!("a leaf has no children"),
        }
    }

    /// The changed tree, hashed.
    pub(super) fn finish(mut self) -> NewNodes {
        let (mut nodes, root) = if self.ordered {
            (std::mem::take(&mut self.nodes), self.root)
        } else {
            let mut nodes = Vec::with_capacity(self.nodes.len());
            let root = self.root.map(|root| self.collect(root, &mut nodes));
            (nodes, root)
        };
        for start in (0..nodes.len()).step_by(TOGETHER) {
            let end = nodes.len().min(start + TOGETHER);
            self.load_siblings(&nodes[start..end]);
            for at in start..end {
                if let Link::Inner { bit, left, right } = nodes[at].link {
                    let hash = |id: NodeId| match id.checked_sub(FIRST_STAGED) {
                        Some(own) => &nodes[own as usize].hash,
                        None => self.arena.hash(id),
                    };
                    nodes[at].hash = node_hash(bit, hash(left), hash(right));
                }
            }
        }
        let hash = match root.map(|id| (id, id.checked_sub(FIRST_STAGED))) {
            None => empty_hash(),
            Some((_, Some(own))) => nodes[own as usize].hash,
            Some((id, None)) => *self.arena.hash(id),
        };
        NewNodes { nodes, root, hash, replaced: self.replaced }
    }

    /// Puts what is own at and below `id` into `out`, children first; returns its new number. As deep as a key has bits.
    fn collect(&self, id: NodeId, out: &mut Vec<Node>) -> NodeId {
        let Some(own) = id.checked_sub(FIRST_STAGED) else { return id };
        let mut node = self.nodes[own as usize];
        if let Link::Inner { left, right, .. } = &mut node.link {
            *left = self.collect(*left, out);
            *right = self.collect(*right, out);
        }
        out.push(node);
        FIRST_STAGED + (out.len() - 1) as NodeId
    }

    /// Loads the hashes that new nodes need of old ones: each comes from far, but all of them can be on their way at once.
    fn load_siblings(&self, nodes: &[Node]) {
        let mut seen = 0;
        for node in nodes {
            if let Link::Inner { left, right, .. } = node.link {
                for id in [left, right].into_iter().filter(|&id| id < FIRST_STAGED) {
                    seen ^= self.arena.hash(id)[0];
                }
            }
        }
        std::hint::black_box(seen);
    }
}

impl Nodes for Edit<'_> {
    type Id = NodeId;

    fn root(&self) -> Option<NodeId> {
        self.root
    }

    fn step(&self, at: NodeId) -> Result<Step<NodeId>, AppError> {
        Ok(match self.link(at) {
            Link::Inner { bit, left, right } => Step::Inner { bit, left, right },
            Link::Leaf(_) => Step::Leaf,
        })
    }

    fn record(&self, leaf: NodeId) -> Result<Stored, AppError> {
        match self.link(leaf) {
            Link::Leaf(place) => self.log.record(self.tail, place, &self.hash(leaf)),
            Link::Inner { .. } => unreachable!("only leaves are asked for records"),
        }
    }
}
