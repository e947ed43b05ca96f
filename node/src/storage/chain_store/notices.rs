//! What committed blocks carried beside transactions, by number, so that it is found without the blocks; and evidence found here that
//! no committed block carries yet.

use althing_consensus::{Charge, Counted, EVIDENCE_EPOCHS, Epoch, Evidence, Height, Notice, oldest_evidence};
use althing_crypto::{Encoding, mutant};
use borsh::{BorshDeserialize, BorshSerialize};

use super::{ChainStore, corrupt, decode};
use crate::body::Body;
use crate::storage::{Batch, StoreError, Table};

/// Prefix of the convictions in [`Table::Meta`]: prefix, number.
const CONVICTIONS: &[u8] = b"convictions/";
/// Prefix of the registrations of the newest epoch in [`Table::Meta`]: prefix, number.
const REGISTRATIONS: &[u8] = b"registrations/";
/// Prefix of evidence found here in [`Table::Meta`]: prefix, epoch, position, kind.
const FOUND: &[u8] = b"found/";
/// Entries that are read at once.
const PAGE: usize = 64;

/// A notice that a committed block carries.
#[derive(Clone, Debug, PartialEq, Eq, BorshSerialize, BorshDeserialize)]
pub struct CarriedNotice {
    /// The block's height.
    pub height: Height,
    /// The block's epoch.
    pub epoch: Epoch,
    /// What it carries.
    pub notice: Notice,
}

impl Encoding for CarriedNotice {
    const NAME: &'static str = "carried notice";
    const VERSION: u8 = 2;
    const MAX_BYTES: usize = Notice::MAX_BYTES + 16;
}

impl ChainStore {
    /// Adds what these blocks carry, which are about to be committed. Evidence that was found here waits no longer.
    pub(super) fn carry<'a>(
        &self,
        batch: &mut Batch,
        bodies: impl Iterator<Item = &'a Body>,
    ) -> Result<(), StoreError> {
        let (mut convictions, mut registrations) = (None, None);
        for body in bodies {
            let (height, epoch) = (body.block.header.height, body.block.header.epoch);
            for notice in &body.block.notices {
                let (prefix, next) = match notice {
                    Notice::Evidence(evidence) => {
                        batch.delete(Table::Meta, found_key(&evidence.charge()));
                        (CONVICTIONS, &mut convictions)
                    }
                    Notice::Registration(_) => (REGISTRATIONS, &mut registrations),
                };
                let number = match *next {
                    Some(number) => number,
                    None => self.numbers(prefix)?,
                };
                *next = Some(number + 1);
                let carried = CarriedNotice { height, epoch, notice: notice.clone() };
                batch.put(Table::Meta, numbered(prefix, number), carried.encode());
            }
        }
        Ok(())
    }

    /// This epoch begins with what is about to be committed: what bears on no block of it is let go.
    pub(super) fn let_notices_go(&self, batch: &mut Batch, epoch: Epoch) -> Result<(), StoreError> {
        let old = [FOUND, &oldest_evidence(epoch).0.to_be_bytes()].concat();
        for (from, to) in [(FOUND, old), (REGISTRATIONS, numbered(REGISTRATIONS, u64::MAX))] {
            let mut from = from.to_vec();
            loop {
                let some = self.store.range(Table::Meta, &from, &to, PAGE, false)?;
                let Some((last, _)) = some.last() else { break };
                from = [&last[..], &[0]].concat();
                some.into_iter().for_each(|(key, _)| batch.delete(Table::Meta, key));
            }
        }
        Ok(())
    }

    /// What committed blocks carried that bears on what blocks of this epoch, the newest one, may carry.
    pub fn counted(&self, epoch: Epoch) -> Result<Counted, StoreError> {
        let mut counted = Counted::default();
        for prefix in [CONVICTIONS, REGISTRATIONS] {
            let mut to = numbered(prefix, u64::MAX);
            'older: loop {
                let some = self.store.range(Table::Meta, prefix, &to, PAGE, true)?;
                for (key, value) in &some {
                    let carried: CarriedNotice = decode(Table::Meta, value)?;
                    // No evidence is of a later epoch than the block that carries it.
                    if carried.epoch.0 + EVIDENCE_EPOCHS < epoch.0 {
                        break 'older;
                    }
                    if carried.notice.is_of(epoch) {
                        counted.count(&carried.notice);
                    }
                    to.clone_from(key);
                }
                if some.len() < PAGE {
                    break;
                }
            }
        }
        Ok(counted)
    }

    /// How many convictions committed blocks carry.
    pub fn convictions(&self) -> Result<u64, StoreError> {
        self.numbers(CONVICTIONS)
    }

    /// A conviction, by its number from 0.
    pub fn conviction(&self, number: u64) -> Result<Option<CarriedNotice>, StoreError> {
        self.read(Table::Meta, &numbered(CONVICTIONS, number))
    }

    /// Keeps evidence that was found here until a committed block carries it, or none may any more.
    pub fn keep_evidence(&self, evidence: &Evidence) -> Result<(), StoreError> {
        let key = found_key(&evidence.charge());
        if mutant!("own_evidence_not_kept") || self.store.get(Table::Meta, &key)?.is_some() {
            return Ok(());
        }
        let mut batch = Batch::new();
        batch.put(Table::Meta, key, evidence.encode());
        self.store.write(batch)
    }

    /// Evidence that was found here and that no committed block carries: at most `max` pieces.
    pub fn kept_evidence(&self, max: usize) -> Result<Vec<Evidence>, StoreError> {
        let kept = self.store.range(Table::Meta, FOUND, &[FOUND, &[u8::MAX]].concat(), max, false)?;
        kept.iter().map(|(_, value)| decode(Table::Meta, value)).collect()
    }

    /// The number after the last one under this prefix.
    fn numbers(&self, prefix: &[u8]) -> Result<u64, StoreError> {
        let newest = self.store.range(Table::Meta, prefix, &numbered(prefix, u64::MAX), 1, true)?;
        let Some((key, _)) = newest.first() else { return Ok(0) };
        let number = key[prefix.len()..].try_into().map(u64::from_be_bytes);
        number.map(|number| number + 1).map_err(|_| corrupt("a notice without a number"))
    }
}

fn numbered(prefix: &[u8], number: u64) -> Vec<u8> {
    [prefix, &number.to_be_bytes()].concat()
}

fn found_key(charge: &Charge) -> Vec<u8> {
    let Charge { epoch, signer, kind } = *charge;
    [FOUND, &epoch.0.to_be_bytes(), &signer.0.to_be_bytes(), &[kind as u8]].concat()
}

#[cfg(test)]
mod tests;
