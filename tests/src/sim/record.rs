//! What a run leaves behind to be measured.

use std::collections::BTreeMap;

use althing_consensus::engine::Event;
use althing_consensus::{Height, Message, Micros, View};
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

/// A run, as seen from outside.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// When a view's proposal was first sent, by whom.
    pub proposed: BTreeMap<View, (Micros, usize)>,
    /// Every commit on every node, in order.
    pub committed: Vec<Committed>,
    /// View timers that fired: when, where, in which view.
    pub timed_out: Vec<(Micros, usize, View)>,
    /// When a view was first entered because the one before was given up.
    pub entered_by_timeout: BTreeMap<View, Micros>,
    /// When a view's block was first certified.
    pub certified: BTreeMap<View, Micros>,
    /// Direct messages sent to others, each once per receiver.
    pub messages: u64,
    /// Bytes of direct messages sent to others.
    pub bytes: u64,
    /// Votes' signatures and aggregates checked by nodes, each as one.
    pub checks: u64,
}

impl Record {
    /// A node sends a message.
    pub(super) fn sent(&mut self, at: Micros, node: usize, message: &Message) {
        if let Message::Proposal(proposal) = message
            && usize::from(proposal.signer.0) == node
        {
            self.proposed.entry(proposal.view).or_insert((at, node));
        }
    }

    /// Something happened in a node's engine.
    pub(super) fn emitted(&mut self, at: Micros, node: usize, event: &Event) {
        match event {
            Event::TimedOut { view } => self.timed_out.push((at, node, *view)),
            Event::EnteredView { view, by_timeout: true, .. } => {
                self.entered_by_timeout.entry(*view).or_insert(at);
            }
            Event::Certified { view, .. } => {
                self.certified.entry(*view).or_insert(at);
            }
            _ => {}
        }
    }

    /// A node commits a block.
    pub(super) fn committed(&mut self, committed: Committed) {
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
        self.entered_by_timeout.clear();
        self.certified.clear();
        self.messages = 0;
        self.bytes = 0;
        self.checks = 0;
    }
}
