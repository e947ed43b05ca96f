//! What a run is about: known to everyone who looks at it, to the checkers and to Byzantine members alike.

use std::collections::BTreeMap;
use std::sync::Arc;

use althing_consensus::{ConsensusParams, Epoch, Position, ValidatorSet};
use althing_crypto::ed25519;

/// What may be expected of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Runs the real node, and its disk keeps what was synced.
    Correct,
    /// Runs the real node on a disk that was wiped or set back: its key may contradict itself, so it counts among the faulty.
    Forgetful,
    /// Does what it likes.
    Byzantine,
}

/// The facts of a run.
#[derive(Clone, Debug)]
pub struct World {
    /// The chain.
    pub chain_id: &'static str,
    /// When it began, in milliseconds of Unix time.
    pub genesis_time_ms: u64,
    /// How far clocks are off at most, in milliseconds.
    pub max_skew_ms: u64,
    /// The consensus parameters.
    pub params: ConsensusParams,
    /// The epoch that is looked at: the first, but in [`World::at`].
    pub epoch: Epoch,
    /// Its validators: of the first epoch, node `i` below their number is the one at position `i`. Then come those that may become
    /// validators. A node of a higher number is a second node of some Byzantine member's keys.
    pub set: Arc<ValidatorSet>,
    /// The validators of all epochs that a node has entered.
    pub sets: BTreeMap<Epoch, Arc<ValidatorSet>>,
    /// The identity of each node but the second ones.
    pub identities: Vec<ed25519::PublicKey>,
    /// By node.
    pub standing: Vec<Standing>,
}

impl World {
    /// The facts in this epoch, if a node that can be believed has entered it.
    pub fn at(&self, epoch: Epoch) -> Option<Self> {
        let set = self.sets.get(&epoch)?.clone();
        Some(Self { epoch, set, ..self.clone() })
    }

    /// The node that is at this position in an epoch.
    pub fn node_of(&self, epoch: Epoch, position: Position) -> Option<usize> {
        let identity = self.sets.get(&epoch)?.get(position)?.identity;
        self.identities.iter().position(|one| *one == identity)
    }

    /// Where a node is in an epoch, if it is a member there.
    pub fn place(&self, epoch: Epoch, node: usize) -> Option<Position> {
        self.sets.get(&epoch)?.position_of(self.identities.get(node)?)
    }

    /// The powers of all nodes in each epoch that a node has entered.
    pub fn powers(&self) -> impl Iterator<Item = Vec<u64>> {
        let power = |set: &ValidatorSet, identity| set.position_of(identity).map_or(0, |at| set.power(at).0);
        self.sets.values().map(move |set| self.identities.iter().map(|one| power(set, one)).collect())
    }

    /// The power of a node in an epoch.
    pub fn power(&self, epoch: Epoch, node: usize) -> u128 {
        let member = || {
            let identity = self.identities.get(node)?;
            let set = self.sets.get(&epoch)?;
            set.members().iter().find(|member| member.identity == *identity)
        };
        member().map_or(0, |member| u128::from(member.power.0))
    }

    /// The power of all members of an epoch.
    pub fn total(&self, epoch: Epoch) -> u128 {
        let members = self.sets.get(&epoch).into_iter().flat_map(|set| set.members());
        members.map(|member| u128::from(member.power.0)).sum()
    }

    /// Whether this node runs as it should on a disk that forgets nothing.
    pub fn is_correct(&self, node: usize) -> bool {
        self.standing.get(node) == Some(&Standing::Correct)
    }
}
