//! What the files do not hold yet, and what of them is still needed.
//!
//! Segments go from the oldest on, once nothing in them is needed. So a transaction's end, which stands after it, never goes before it.

use std::collections::BTreeSet;

use althing_consensus::Height;
use althing_crypto::TxHash;

use super::super::record::{Kept, Record};
use super::super::writer::SEGMENT_BYTES;
use super::{Book, Entry};

/// Transactions that are moved out of the oldest segment with one batch.
const MOVED_AT_ONCE: usize = 256;
/// Segments beyond those that their transactions need.
const SPARE_SEGMENTS: usize = 64;
/// How far the height up to which blocks were looked through is written is at most behind.
const FOLLOWED_BEHIND: u64 = 1_000;

/// What is to be written of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Write {
    End,
    Whole,
}

/// One file.
#[derive(Debug, Default)]
pub(super) struct Segment {
    pub(super) bytes: u64,
    /// Those that it holds and no later one.
    pub(super) live: BTreeSet<TxHash>,
}

/// Records to write together.
#[derive(Debug, PartialEq, Eq)]
pub(in super::super) struct Batch {
    pub(in super::super) number: u64,
    pub(in super::super) records: Vec<Record>,
    /// Whether anybody waits until they are durable.
    pub(in super::super) sync: bool,
}

impl Book {
    pub(super) fn write(&mut self, tx: &TxHash, what: Write) {
        let Some(entry) = self.entries.get_mut(tx) else { return };
        if entry.write.is_none() {
            self.to_write.push(*tx);
        }
        entry.write = entry.write.max(Some(what));
        if what == Write::Whole {
            entry.batch = self.filling;
        }
    }

    /// How far what is written of the followed height is behind.
    fn behind(&self) -> u64 {
        match (self.followed, self.followed_written) {
            (Some(Height(now)), Some(Height(written))) => now - written,
            (now, _) => now.map_or(0, |_| FOLLOWED_BEHIND),
        }
    }

    /// Whether there is anything to write.
    pub(in super::super) fn has_work(&self) -> bool {
        !self.to_write.is_empty() || self.behind() >= FOLLOWED_BEHIND
    }

    /// What is to be written, if anything is.
    pub(in super::super) fn take_batch(&mut self) -> Option<Batch> {
        if !self.has_work() {
            return None;
        }
        let behind = self.behind();
        let mut batch = Batch { number: self.filling, records: Vec::new(), sync: false };
        self.filling += 1;
        for tx in std::mem::take(&mut self.to_write) {
            let Some(entry) = self.entries.get_mut(&tx) else { continue };
            match (entry.write.take(), &entry.ended) {
                (Some(Write::End), Some(ended)) => {
                    batch.records.push(Record::Ended { tx, ended: ended.clone() });
                }
                (Some(_), _) => {
                    batch.sync = true;
                    batch.records.push(Record::Kept(entry.record(tx)));
                }
                (None, _) => {}
            }
        }
        if let Some(followed) = self.followed.filter(|_| behind > 0) {
            self.followed_written = Some(followed);
            batch.records.push(Record::Followed(followed));
        }
        Some(batch)
    }

    /// A batch stands in this segment, which has so many bytes now.
    pub(in super::super) fn written(&mut self, batch: &Batch, number: u64, bytes: u64) {
        self.segments.entry(number).or_default().bytes = bytes;
        for record in &batch.records {
            let tx = match record {
                Record::Kept(kept) => kept.tx,
                Record::Ended { tx, .. } => *tx,
                Record::Opened { .. } | Record::Followed(_) => continue,
            };
            if matches!(record, Record::Kept(_)) {
                self.place(&tx, number);
            }
            self.forget_if_done(&tx);
        }
    }

    fn place(&mut self, tx: &TxHash, number: u64) {
        let Some(entry) = self.entries.get_mut(tx) else { return };
        let before = entry.segment.replace(number);
        if let Some(segment) = before.and_then(|before| self.segments.get_mut(&before)) {
            segment.live.remove(tx);
        }
        self.segments.entry(number).or_default().live.insert(*tx);
    }

    /// A segment before `current` that is not needed any more. Where the oldest one is needed for little, that is to be written anew.
    pub(in super::super) fn clean(&mut self, current: u64) -> Option<u64> {
        let total: u64 = self.segments.values().map(|segment| segment.bytes).sum();
        let live = self.quota.live_bytes();
        let crowded = self.segments.len() as u64 > SPARE_SEGMENTS as u64 + live / SEGMENT_BYTES;
        let (oldest, segment) = self.segments.first_key_value().filter(|(oldest, _)| **oldest < current)?;
        let oldest = *oldest;
        if segment.live.is_empty() {
            self.segments.remove(&oldest);
            return Some(oldest);
        }
        if crowded || total > live.saturating_mul(2).saturating_add(2 * SEGMENT_BYTES) {
            let moved: Vec<TxHash> = segment.live.iter().take(MOVED_AT_ONCE).copied().collect();
            moved.iter().for_each(|tx| self.write(tx, Write::Whole));
        }
        None
    }

    /// Takes a record of a segment in that is there already.
    pub(in super::super) fn load(&mut self, record: Record, number: u64) {
        match record {
            Record::Opened { .. } => {}
            Record::Followed(height) => {
                self.follow(height);
                self.followed_written = self.followed;
            }
            Record::Kept(kept) => self.load_kept(kept, number),
            Record::Ended { tx, ended } => self.end(&tx, ended),
        }
    }

    fn load_kept(&mut self, kept: Kept, number: u64) {
        let (tx, ended) = (kept.tx, kept.ended.clone());
        // The later one counts.
        self.forget(&tx);
        let executed = ended.as_ref().is_some_and(|ended| ended.how.is_executed());
        let client = if executed {
            self.quota.add_executed();
            kept.client.as_str().into()
        } else {
            self.quota.add(&kept.client, kept.bytes.len())
        };
        self.insert(kept, client, true);
        self.place(&tx, number);
        match ended {
            Some(_) => self.list(&tx),
            // At once, in the order of their arrival.
            None => self.set_due(&tx, 0),
        }
    }

    /// A segment that is there already is read, with so many bytes.
    pub(in super::super) fn loaded(&mut self, number: u64, bytes: u64) {
        self.segments.entry(number).or_default().bytes = bytes;
    }

    /// An end in the future is one that a clock set back has left: it is kept as long as one of now.
    pub(in super::super) fn loaded_at(&mut self, now_ms: u64) {
        for tx in self.ends.after(now_ms) {
            self.unlist(&tx);
            if let Some(ended) = self.entries.get_mut(&tx).and_then(|entry| entry.ended.as_mut()) {
                ended.at_ms = now_ms;
            }
            self.list(&tx);
        }
        self.sweep(now_ms, usize::MAX);
        self.bound_executed();
    }
}

impl Entry {
    fn record(&self, tx: TxHash) -> Kept {
        Kept {
            tx,
            bytes: self.bytes.clone(),
            client: self.client.to_string(),
            above: self.above,
            ended: self.ended.clone(),
        }
    }
}
