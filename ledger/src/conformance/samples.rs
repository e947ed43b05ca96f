//! What a subject gives to be tried with, as a chain has it.

use std::collections::BTreeSet;

use althing_crypto::{Hash, sha256};

use super::{Subject, instance::Seen, instance::fail};
use crate::{Bytes, Info, InitChain, Member, Misbehaviour, MisbehaviourKind, Query};

/// Time between two sample blocks.
const BLOCK_TIME_MS: u64 = 1_000;

/// In all ways in which a validator can contradict itself.
pub(super) const KINDS: [MisbehaviourKind; 5] = [
    MisbehaviourKind::DoubleVote,
    MisbehaviourKind::DoubleCommitVote,
    MisbehaviourKind::DoubleProposal,
    MisbehaviourKind::ForgottenCommitVote,
    MisbehaviourKind::ForgottenVote,
];

/// A block of the samples, or one made of it.
#[derive(Debug, Clone)]
pub(super) struct BlockSample {
    pub(super) height: u64,
    pub(super) time_ms: u64,
    pub(super) hash: Hash,
    pub(super) txs: Vec<Bytes>,
    pub(super) proposer: [u8; 32],
    pub(super) members: Vec<Member>,
    pub(super) misbehaviour: Vec<Misbehaviour>,
}

/// The samples. Blocks are counted from 0 here; [`BlockSample::height`] is what the application sees.
pub(super) struct Samples<'s> {
    pub(super) subject: &'s dyn Subject,
    pub(super) genesis: InitChain,
    pub(super) blocks: Vec<BlockSample>,
    pub(super) questions: Vec<Query>,
}

impl<'s> Samples<'s> {
    pub(super) fn of(subject: &'s dyn Subject) -> Self {
        let genesis = subject.genesis();
        let members: Vec<Member> = (genesis.validators.iter())
            .map(|one| Member { identity: one.identity, power: one.power, absent: false })
            .collect();
        // One of several contradicts itself in all ways: of each an application hears once.
        let total_power = members.iter().map(|one| one.power).fold(0, u64::saturating_add);
        let culprit = members.last().copied().filter(|_| members.len() > 1);
        let proved = |nth: u64, height: u64| {
            let kind = KINDS.get(usize::try_from(nth).ok()?.checked_sub(1)?)?;
            let Member { identity, power, .. } = culprit?;
            let (view, first, time_ms) = (height, genesis.initial_height, genesis.time_ms);
            Some(Misbehaviour {
                kind: *kind,
                identity,
                power,
                total_power,
                epoch: 1,
                view,
                height: first,
                time_ms,
            })
        };
        let mut leaders = members.iter().map(|one| one.identity).cycle();
        let mut block = |(nth, txs): (u64, Vec<Bytes>)| {
            let height = genesis.initial_height + nth;
            BlockSample {
                height,
                time_ms: genesis.time_ms + BLOCK_TIME_MS * (nth + 1),
                hash: sha256(&height.to_le_bytes()),
                txs,
                proposer: leaders.next().unwrap_or_default(),
                members: members.clone(),
                misbehaviour: proved(nth, height).into_iter().collect(),
            }
        };
        let blocks = (0..).zip(subject.blocks()).map(&mut block).collect();
        Self { subject, blocks, questions: subject.questions(), genesis }
    }

    /// All different transactions of all blocks.
    pub(super) fn txs(&self) -> Vec<Bytes> {
        let mut seen = BTreeSet::new();
        let all = self.blocks.iter().flat_map(|block| &block.txs);
        all.filter(|tx| seen.insert(tx.as_slice())).cloned().collect()
    }

    /// How many blocks an application has committed that says this of itself.
    pub(super) fn committed(&self, info: &Info) -> Seen<usize> {
        let at = |block: &BlockSample| block.height == info.last_height;
        match self.blocks.iter().position(at) {
            Some(nth) => Ok(nth + 1),
            None if info.last_height == 0 => Ok(0),
            None => fail(format!("info names height {}, at which there is no block", info.last_height)),
        }
    }

    /// The height after so many blocks.
    pub(super) fn height_after(&self, blocks: usize) -> u64 {
        blocks.checked_sub(1).map_or(0, |nth| self.blocks[nth].height)
    }
}
