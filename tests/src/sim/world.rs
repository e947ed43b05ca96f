//! What a run is about: known to everyone who looks at it, to the checkers and to Byzantine members alike.

use std::sync::Arc;

use althing_consensus::{ConsensusParams, ValidatorSet};

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
    /// The validators: node `i` below their number is the one at position `i`. A node of a higher number is a second node
    /// of some Byzantine member's keys.
    pub set: Arc<ValidatorSet>,
    /// By position.
    pub standing: Vec<Standing>,
}

impl World {
    /// Whether this node runs as it should on a disk that forgets nothing.
    pub fn is_correct(&self, node: usize) -> bool {
        self.standing.get(node) == Some(&Standing::Correct)
    }
}
