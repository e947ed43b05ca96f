//! What an audit of a fork needs beside the blocks: by which certificates they could be proposed, and the votes behind commit votes.

use althing_consensus::audit::Justification;
use althing_consensus::{Height, QuorumCertificate};
use althing_crypto::{BlockHash, Encoding};

use super::{ChainStore, decode, height_key};
use crate::storage::{Batch, StoreError, Table};

/// Prefix of the justifications of proposals in [`Table::Meta`]: prefix, height, block hash, view.
const JUSTIFIED: &[u8] = b"justified/";
/// Prefix of the certificates of votes in [`Table::Meta`]: prefix, height.
const VOTES: &[u8] = b"votes/";
/// Of one block there are several only where it ended its epoch and came again: one for each view in which it did. So many are kept.
const MAX_KEPT: usize = 1_000;

impl ChainStore {
    /// By which certificates this block could be proposed, as far as this node voted for it or proposed it; by view.
    pub fn justifications(&self, height: Height, hash: &BlockHash) -> Result<Vec<Justification>, StoreError> {
        let from = justified_key(height, Some(hash));
        let found = self.store.range(Table::Meta, &from, &after(&from), MAX_KEPT, false)?;
        found.iter().map(|(_, value)| decode(Table::Meta, value)).collect()
    }

    /// The certificate of votes of the view in which the block of this height was committed by a certificate of its own.
    pub fn votes_at(&self, height: Height) -> Result<Option<QuorumCertificate>, StoreError> {
        self.read(Table::Meta, &votes_key(height))
    }

    /// Whether it is of another view than those kept of this block, and there is room for it.
    pub(super) fn is_new_justification(
        &self,
        height: Height,
        hash: &BlockHash,
        why: &Justification,
    ) -> Result<bool, StoreError> {
        let known = self.justifications(height, hash)?;
        Ok(known.len() < MAX_KEPT && known.iter().all(|known| known.view != why.view))
    }

    /// Forgets how the block of this hash, or any block of this height, could be proposed.
    pub(super) fn forget_justifications(
        &self,
        batch: &mut Batch,
        height: Height,
        hash: Option<&BlockHash>,
    ) -> Result<(), StoreError> {
        let from = justified_key(height, hash);
        // What is left of more, another sweep or none removes: it harms nobody.
        for (key, _) in self.store.range(Table::Meta, &from, &after(&from), MAX_KEPT, false)? {
            batch.delete(Table::Meta, key);
        }
        Ok(())
    }
}

/// To be written with a body.
pub(super) fn keep_justification(batch: &mut Batch, height: Height, hash: &BlockHash, why: &Justification) {
    let key = [&justified_key(height, Some(hash))[..], &why.view.0.to_be_bytes()].concat();
    batch.put(Table::Meta, key, why.encode());
}

/// To be written with a commit.
pub(super) fn keep_votes(batch: &mut Batch, height: Height, votes: Option<&QuorumCertificate>) {
    if let Some(votes) = votes {
        batch.put(Table::Meta, votes_key(height), votes.encode());
    }
}

pub(super) fn votes_key(height: Height) -> Vec<u8> {
    [VOTES, &height_key(height)].concat()
}

fn justified_key(height: Height, hash: Option<&BlockHash>) -> Vec<u8> {
    [JUSTIFIED, &height_key(height), hash.map_or(&[][..], |hash| hash.as_bytes())].concat()
}

/// A bound above all keys that begin so: they go on with some of 40 bytes.
fn after(prefix: &[u8]) -> Vec<u8> {
    [prefix, &[0xff; 41]].concat()
}
