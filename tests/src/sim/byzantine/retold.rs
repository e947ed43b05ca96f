//! Own blocks that left in another form: the member's votes have to follow.

use std::collections::BTreeMap;

use althing_consensus::{Message, View};
use althing_crypto::BlockHash;
use althing_node::wire::Wire;

use super::Traitor;

const KEPT: usize = 32;

/// Which block was given out in the place of which.
#[derive(Debug, Default)]
pub(super) struct Retold(BTreeMap<(View, BlockHash), BlockHash>);

impl Retold {
    /// In this view, `told` goes out in the place of the node's own block.
    pub(super) fn note(&mut self, view: View, own: BlockHash, told: BlockHash) {
        self.0.insert((view, own), told);
        if self.0.len() > KEPT {
            self.0.pop_first();
        }
    }

    /// The node's vote for its own block, as a vote for the block given out in its place. None if this is no such vote.
    pub(super) fn vote(&self, me: &Traitor<'_>, wire: &Wire) -> Option<Wire> {
        let vote = me.own_vote(wire)?;
        let told = self.0.get(&(vote.view, vote.block))?;
        Some(Message::Vote(me.vote(vote.phase, vote.view, *told)).into())
    }
}
