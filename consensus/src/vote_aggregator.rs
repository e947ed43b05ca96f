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

#[cfg(test)]
mod tests {
    use althing_crypto::bls::{self, BLS};
    use althing_crypto::{ed25519, sha256};

    use super::*;
    use crate::{Epoch, Validator};

    /// Members of powers 1, 1, 1 and 5: more than two thirds of 8 are 6.
    fn unequal() -> ValidatorSet {
        let member = |(index, power): (u8, u64)| Validator {
            identity: ed25519::SecretKey::from_seed([index; 32]).public_key(),
            vote_key: bls::PublicKey::opaque([index; 48]),
            power: Power(power),
        };
        ValidatorSet::new(&BLS, (0..).zip([1, 1, 1, 5]).map(member).collect()).expect("distinct members")
    }

    /// Who stands behind the quorum, these having voted in this order, each for the block of a name.
    fn quorum(phase: Phase, votes: &[(u16, u8)]) -> Option<Vec<u16>> {
        let mut pools = VoteAggregator::default();
        for (signer, name) in votes {
            let vote = Vote {
                phase,
                epoch: Epoch(1),
                view: View(1),
                block: BlockHash(sha256(&[*name])),
                signer: Position(*signer),
                signature: bls::Signature::from_bytes([7; 96]),
            };
            assert_eq!(pools.add(&vote, View(1)), Added::Pooled);
        }
        let votes = pools.take_quorum(phase, View(1), &unequal())?;
        Some(votes.iter().map(|vote| vote.signer.0).collect())
    }

    #[test]
    fn a_quorum_is_one_of_power_not_of_heads() {
        for phase in [Phase::Vote, Phase::Commit] {
            assert_eq!(quorum(phase, &[(0, 0), (1, 0), (2, 0)]), None, "three of four, with 3 of 8");
            assert_eq!(quorum(phase, &[(3, 0)]), None, "5 of 8");
            assert_eq!(quorum(phase, &[(3, 0), (1, 0)]), Some(vec![1, 3]), "two of four, with 6 of 8");
        }
    }

    #[test]
    fn power_behind_different_blocks_is_not_added() {
        let split = [(0, 0), (1, 0), (2, 0), (3, 1)];
        assert_eq!(quorum(Phase::Vote, &split), None, "all have voted, 5 of 8 for one block");
        let behind_one = [(0, 0), (1, 0), (2, 1), (3, 1)];
        assert_eq!(quorum(Phase::Vote, &behind_one), Some(vec![2, 3]), "only those for that block");
    }
}
