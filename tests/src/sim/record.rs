//! What a run leaves behind, and the checks that need no end: they look at every message as it is sent.

use std::collections::BTreeMap;

use althing_consensus::{Height, Message, Micros, Phase, View};
use althing_crypto::{BlockHash, TxHash};

/// A block that a node committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The node.
    pub node: usize,
    /// When.
    pub at: Micros,
    /// The block's height.
    pub height: Height,
    /// The view it was made in.
    pub view: View,
    /// Its hash.
    pub block: BlockHash,
    /// Its transactions.
    pub txs: Vec<TxHash>,
}

/// Which signature, of those that a key gives once a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Proposal,
    Vote,
    CommitVote,
}

/// A run, as seen from outside.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// When a view's proposal was first sent, by whom.
    pub proposed: BTreeMap<View, (Micros, usize)>,
    /// Every commit on every node, in order.
    pub committed: Vec<Committed>,
    /// View timers that fired: when, where, in which view.
    pub timed_out: Vec<(Micros, usize, View)>,
    /// Consensus messages sent to others.
    pub messages: u64,
    signed: BTreeMap<(usize, Kind, View), BlockHash>,
    /// The highest view that a node gave up.
    given_up: BTreeMap<usize, View>,
}

impl Record {
    /// A node sends a message.
    ///
    /// # Panics
    /// If a key contradicts itself: two blocks in one view, or a commit vote first sent after a timeout vote of that or a later view.
    pub(super) fn sent(&mut self, at: Micros, node: usize, message: &Message) {
        self.messages += 1;
        match message {
            Message::Proposal(proposal) if usize::from(proposal.signer.0) == node => {
                self.proposed.entry(proposal.view).or_insert((at, node));
                self.signed_once(node, Kind::Proposal, proposal.view, proposal.block.hash());
            }
            Message::Vote(vote) if usize::from(vote.signer.0) == node => {
                let kind = if vote.phase == Phase::Vote { Kind::Vote } else { Kind::CommitVote };
                let first = self.signed_once(node, kind, vote.view, vote.block);
                let given_up = self.given_up.get(&node).is_some_and(|given_up| *given_up >= vote.view);
                assert!(
                    kind != Kind::CommitVote || !first || !given_up,
                    "node {node} commit-votes in view {} after it gave that view up",
                    vote.view
                );
            }
            Message::Timeout(timeout) if usize::from(timeout.signer.0) == node => {
                let highest = self.given_up.entry(node).or_default();
                *highest = timeout.view.max(*highest);
            }
            _ => {}
        }
    }

    /// Whether it is the first such signature.
    fn signed_once(&mut self, node: usize, kind: Kind, view: View, block: BlockHash) -> bool {
        let held = self.signed.insert((node, kind, view), block);
        assert!(held.is_none_or(|held| held == block), "node {node} signs two {kind:?}s in view {view}");
        held.is_none()
    }

    /// A node commits a block.
    ///
    /// # Panics
    /// If another node has committed another block at that height.
    pub(super) fn committed(&mut self, committed: Committed) {
        let other = self.committed.iter().rev().find(|other| other.height == committed.height);
        if let Some(other) = other {
            assert_eq!(other.block, committed.block, "two blocks committed at height {}", committed.height);
        }
        self.committed.push(committed);
    }

    /// The times from a view's proposal to its block's commits, one per node that committed it.
    pub fn commit_latencies(&self) -> Vec<Micros> {
        let since = |one: &Committed| {
            let (proposed, _) = self.proposed.get(&one.view)?;
            Some(Micros(one.at.0 - proposed.0))
        };
        self.committed.iter().filter_map(since).collect()
    }

    /// The times from one view's proposal to the next view's, where both were made.
    pub fn periods(&self) -> Vec<Micros> {
        let after = |(view, (at, _)): (&View, &(Micros, usize))| {
            let (next, _) = self.proposed.get(&view.next())?;
            Some(Micros(next.0 - at.0))
        };
        self.proposed.iter().filter_map(after).collect()
    }

    /// Forgets what was measured, not what was signed.
    pub fn measure_anew(&mut self) {
        self.proposed.clear();
        self.committed.clear();
        self.timed_out.clear();
        self.messages = 0;
    }
}
