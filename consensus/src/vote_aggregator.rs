//! Pools of votes and commit votes: one slot per validator, phase and view, within a window of views. Signatures are checked
//! once, in aggregate, when a quorum stands behind one block.

use std::collections::{BTreeMap, BTreeSet};

use althing_crypto::BlockHash;

use crate::{Phase, Position, Power, ValidatorSet, View, Vote};

/// How many views below and above the current one votes are kept for.
pub(crate) const WINDOW: u64 = 16;

/// Votes of one phase and view.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Pool {
    votes: BTreeMap<Position, Vote>,
    /// Members whose vote here had a bad signature: they have used up their slot.
    banned: BTreeSet<Position>,
    in_flight: bool,
    certified: bool,
}

/// The pools.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct VoteAggregator {
    pools: BTreeMap<(View, Phase), Pool>,
}

/// What became of a vote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Added {
    /// It took its slot.
    Pooled,
    /// Outside the window, seen before, or its signer has lost the slot.
    Ignored,
    /// The slot holds this vote for another block.
    Conflict(Box<Vote>),
}

impl VoteAggregator {
    pub(crate) fn add(&mut self, vote: &Vote, current: View) -> Added {
        if vote.view.0.saturating_add(WINDOW) < current.0 || vote.view.0 > current.0.saturating_add(WINDOW) {
            return Added::Ignored;
        }
        let pool = self.pools.entry((vote.view, vote.phase)).or_default();
        if pool.banned.contains(&vote.signer) {
            return Added::Ignored;
        }
        match pool.votes.get(&vote.signer) {
            Some(held) if held.block != vote.block => Added::Conflict(Box::new(held.clone())),
            Some(_) => Added::Ignored,
            None => {
                pool.votes.insert(vote.signer, vote.clone());
                Added::Pooled
            }
        }
    }

    /// The votes of this phase and view that are a quorum for one block and not being aggregated yet.
    pub(crate) fn take_quorum(&mut self, phase: Phase, view: View, set: &ValidatorSet) -> Option<Vec<Vote>> {
        let pool = self.pools.get_mut(&(view, phase)).filter(|pool| !pool.in_flight && !pool.certified)?;
        let mut power: BTreeMap<BlockHash, u64> = BTreeMap::new();
        for vote in pool.votes.values() {
            *power.entry(vote.block).or_default() += set.power(vote.signer).0;
        }
        let (block, _) = power.into_iter().find(|(_, power)| set.is_quorum(Power(*power)))?;
        pool.in_flight = true;
        Some(pool.votes.values().filter(|vote| vote.block == block).cloned().collect())
    }

    /// The aggregation of a quorum ended: those with a bad signature lose their slots.
    pub(crate) fn aggregated(&mut self, phase: Phase, view: View, bad: &[Position], certified: bool) {
        let Some(pool) = self.pools.get_mut(&(view, phase)) else { return };
        pool.in_flight = false;
        pool.certified |= certified;
        for signer in bad {
            pool.votes.remove(signer);
            pool.banned.insert(*signer);
        }
    }

    /// A certificate of this phase and view is held: no need to make one.
    pub(crate) fn certified(&mut self, phase: Phase, view: View) {
        if let Some(pool) = self.pools.get_mut(&(view, phase)) {
            pool.certified = true;
        }
    }

    /// How many votes are held.
    pub(crate) fn len(&self) -> usize {
        self.pools.values().map(|pool| pool.votes.len()).sum()
    }

    /// Votes of one signer and phase still held, by view.
    pub(crate) fn by(&self, signer: Position, phase: Phase) -> impl Iterator<Item = &Vote> {
        self.pools
            .iter()
            .filter(move |((_, of), _)| *of == phase)
            .filter_map(move |(_, pool)| pool.votes.get(&signer))
    }

    /// Drops what has left the window.
    pub(crate) fn prune(&mut self, current: View) {
        let low = View(current.0.saturating_sub(WINDOW));
        self.pools.retain(|(view, _), _| *view >= low);
    }
}
