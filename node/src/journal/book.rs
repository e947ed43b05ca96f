//! What the journal knows, in memory: every transaction that this node acknowledged and still answers for. Without disk or clock.
//!
//! A transaction's way: *entered* before the mempool is asked, so that nothing that happens to it is missed; *kept* once it is to be
//! acknowledged, which then waits until that is durable; *ended* by a block or by the mempool; *forgotten* when the time for which
//! its end is told is over, or at once where the chain's own index tells it.

mod batch;
mod due;
mod ends;
mod quota;

use std::collections::BTreeMap;
use std::sync::Arc;

use althing_consensus::Height;
use althing_crypto::TxHash;
use althing_mempool::{Refusal, TxBytes};
use tokio::sync::oneshot;

use self::batch::{Segment, Write};
use self::due::{At, FIRST_AGAIN_MS, LAST_AGAIN_MS};
use self::ends::Ends;
use self::quota::Quota;
pub(super) use self::{batch::Batch, due::Due};
use super::ending::{Ending, passes_by_itself};
use super::record::{Ended, Kept};
use super::{Full, JournalLimits, JournalSizes};

/// Refusals that should pass by themselves, and do not for so long, do not.
const MAX_REFUSED_MS: u64 = 15 * 60_000;

/// One transaction.
#[derive(Debug)]
struct Entry {
    /// None once a block has it.
    bytes: TxBytes,
    client: Arc<str>,
    /// No block up to this height holds it.
    above: Height,
    ended: Option<Ended>,
    /// It was acknowledged, or is about to be.
    kept: bool,
    /// The batch that makes it durable.
    batch: u64,
    /// The segment that holds it.
    segment: Option<u64>,
    /// What of it the segments do not hold yet.
    write: Option<Write>,
    /// Submissions of it that are under way.
    holders: u32,
    /// The chain tells what became of it; it goes once that is written here, too.
    told_by_chain: bool,
    /// Whether the mempool has it.
    pooled: bool,
    /// When it is looked at again; none once it has ended.
    due: Option<At>,
    again_ms: u64,
    /// Since when the mempool refuses it.
    refused_at: Option<u64>,
    /// It failed in a block, and is being handed in again.
    anew: Option<Anew>,
}

/// What a transaction that failed in a block needs if it is to be open again: nothing of it was kept.
#[derive(Debug)]
struct Anew {
    bytes: TxBytes,
    client: Arc<str>,
    above: Height,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Book {
    limits: JournalLimits,
    entries: BTreeMap<TxHash, Entry>,
    quota: Quota,
    /// Kept and not ended.
    due: BTreeMap<At, TxHash>,
    ends: Ends,
    arrivals: u64,
    /// Clients that wait for news of a transaction.
    waiting: BTreeMap<TxHash, BTreeMap<u64, oneshot::Sender<()>>>,
    waiters: u64,
    /// Blocks up to here have been looked through.
    followed: Option<Height>,
    followed_written: Option<Height>,
    to_write: Vec<TxHash>,
    filling: u64,
    segments: BTreeMap<u64, Segment>,
}

impl Book {
    pub(super) fn new(limits: JournalLimits) -> Self {
        Self {
            quota: Quota::new(&limits),
            limits,
            entries: BTreeMap::new(),
            due: BTreeMap::new(),
            ends: Ends::default(),
            arrivals: 0,
            waiting: BTreeMap::new(),
            waiters: 0,
            followed: None,
            followed_written: None,
            to_write: Vec::new(),
            filling: 1,
            segments: BTreeMap::new(),
        }
    }

    /// A submission of a transaction begins. No block up to `above` holds it, or it failed there. Refused where there is no room.
    pub(super) fn enter(
        &mut self,
        tx: TxHash,
        bytes: TxBytes,
        client: &str,
        above: Height,
    ) -> Result<(), Full> {
        let failed = match self.entries.get_mut(&tx) {
            Some(entry) if entry.failed_in_block() && entry.anew.is_none() => true,
            Some(entry) => {
                entry.holders += 1;
                return Ok(());
            }
            None => false,
        };
        self.quota.allows(client, bytes.len())?;
        if !self.make_room(bytes.len()) {
            return Err(Full::Journal);
        }
        match self.entries.get_mut(&tx).filter(|_| failed) {
            Some(entry) => {
                let client = self.quota.add(client, bytes.len());
                entry.holders += 1;
                entry.anew = Some(Anew { bytes, client, above });
            }
            None => {
                let client = self.quota.add(client, bytes.len());
                let kept = Kept { tx, bytes, client: String::new(), above, ended: None };
                self.insert(kept, client, false);
            }
        }
        Ok(())
    }

    fn insert(&mut self, kept: Kept, client: Arc<str>, is_kept: bool) {
        let Kept { tx, bytes, above, ended, .. } = kept;
        let entry = Entry {
            bytes,
            client,
            above,
            ended,
            kept: is_kept,
            batch: 0,
            segment: None,
            write: None,
            holders: u32::from(!is_kept),
            told_by_chain: false,
            pooled: false,
            due: None,
            again_ms: FIRST_AGAIN_MS,
            refused_at: None,
            anew: None,
        };
        self.entries.insert(tx, entry);
    }

    /// The transaction, which was entered, is to be acknowledged. Returns the batch that has to be durable before.
    pub(super) fn keep(&mut self, tx: &TxHash, now: u64) -> u64 {
        let entry = self.entries.get_mut(tx).expect("whoever enters a transaction leaves it later");
        let kept = std::mem::replace(&mut entry.kept, true);
        if !kept {
            self.list(tx);
            self.write(tx, Write::Whole);
        }
        let entry = &self.entries[tx];
        if entry.ended.is_none() && entry.due.is_none() {
            // Whoever enters it offers it.
            self.set_due(tx, now.saturating_add(FIRST_AGAIN_MS));
        }
        self.entries[tx].batch
    }

    /// As [`Self::keep`], before the mempool is asked: what ended is open until that says otherwise.
    pub(super) fn keep_unasked(&mut self, tx: &TxHash, now: u64) -> u64 {
        if self.entries.get(tx).is_some_and(|entry| entry.anew.is_some() || entry.is_dropped()) {
            self.reopen(tx);
        }
        self.keep(tx, now)
    }

    /// A submission is over, acknowledged or not.
    pub(super) fn leave(&mut self, tx: &TxHash) {
        let Some(entry) = self.entries.get_mut(tx) else { return };
        entry.holders = entry.holders.saturating_sub(1);
        if entry.holders == 0
            && let Some(anew) = entry.anew.take()
        {
            self.quota.give_back(&anew.client, anew.bytes.len());
        }
        self.forget_if_done(tx);
    }

    /// The mempool has it.
    pub(super) fn admitted(&mut self, tx: &TxHash, now: u64) {
        let Some(entry) = self.entries.get_mut(tx) else { return };
        entry.pooled = true;
        entry.refused_at = None;
        // Somebody handed it in again.
        if entry.is_dropped() || entry.anew.is_some() {
            self.reopen(tx);
        }
        if self.entries[tx].kept && self.entries[tx].ended.is_none() {
            self.set_due(tx, now.saturating_add(FIRST_AGAIN_MS));
        }
    }

    /// What ended is open again.
    fn reopen(&mut self, tx: &TxHash) {
        self.unlist(tx);
        let Some(entry) = self.entries.get_mut(tx) else { return };
        entry.ended = None;
        entry.told_by_chain = false;
        if let Some(Anew { bytes, client, above }) = entry.anew.take() {
            self.quota.forget_executed();
            (entry.bytes, entry.client, entry.above) = (bytes, client, above);
        }
        if entry.kept {
            self.write(tx, Write::Whole);
        }
    }

    /// A block has it, which is or will be looked through, or was long ago: then the chain is asked when it is due.
    pub(super) fn committed(&mut self, tx: &TxHash, now: u64) {
        let Some(entry) = self.entries.get_mut(tx) else { return };
        entry.pooled = false;
        if entry.is_dropped() {
            self.reopen(tx);
        }
        if self.entries[tx].kept && self.entries[tx].ended.is_none() {
            self.set_due(tx, now.saturating_add(FIRST_AGAIN_MS));
        }
    }

    /// The mempool did not take it, although it may have been acknowledged before it was asked.
    pub(super) fn refused(&mut self, tx: &TxHash, refusal: &Refusal, now: u64, now_ms: u64) {
        let Some(entry) = self.entries.get_mut(tx) else { return };
        if !entry.kept || entry.pooled || entry.ended.is_some() {
            return;
        }
        let refused_at = *entry.refused_at.get_or_insert(now);
        if passes_by_itself(refusal) && now.saturating_sub(refused_at) < MAX_REFUSED_MS {
            let again = entry.again_ms;
            entry.again_ms = again.saturating_mul(2).min(LAST_AGAIN_MS);
            self.set_due(tx, now.saturating_add(again));
        } else {
            self.end_now(tx, Ending::dropped(refusal), now_ms);
            self.tell(tx);
        }
    }

    /// The mempool has it no longer.
    pub(super) fn dropped(&mut self, tx: &TxHash, refusal: &Refusal, now_ms: u64) {
        if let Some(entry) = self.entries.get_mut(tx) {
            entry.pooled = false;
            if entry.ended.is_none() {
                self.end_now(tx, Ending::dropped(refusal), now_ms);
            }
        }
        self.tell(tx);
    }

    /// A block holds it, and its results are stored. `told_by_chain`: whoever asks the chain's index later finds it.
    pub(super) fn executed(&mut self, tx: &TxHash, how: Ending, told_by_chain: bool, now_ms: u64) {
        if let Some(entry) = self.entries.get_mut(tx) {
            entry.pooled = false;
            entry.told_by_chain |= told_by_chain;
            // It may come twice; then what it did counts.
            let done = entry.ended.as_ref().is_some_and(|ended| ended.how.word() == "committed");
            if !done {
                self.end_now(tx, how, now_ms);
                self.bound_executed();
            }
        }
        self.tell(tx);
    }

    fn end_now(&mut self, tx: &TxHash, how: Ending, now_ms: u64) {
        self.end(tx, Ended { at_ms: now_ms, how });
        if self.entries.get(tx).is_some_and(|entry| entry.kept) {
            self.write(tx, Write::End);
        }
    }

    fn end(&mut self, tx: &TxHash, ended: Ended) {
        self.unlist(tx);
        let Some(entry) = self.entries.get_mut(tx) else { return };
        let due = entry.due.take();
        let before = entry.ended.replace(ended);
        if entry.ended.as_ref().is_some_and(|ended| ended.how.is_executed()) {
            let bytes = std::mem::take(&mut entry.bytes);
            if !before.is_some_and(|before| before.how.is_executed()) {
                self.quota.executed(&entry.client, bytes.len());
            }
        }
        // It did what it says: it is not needed again.
        if !entry.failed_in_block()
            && let Some(anew) = entry.anew.take()
        {
            self.quota.give_back(&anew.client, anew.bytes.len());
        }
        if let Some(due) = due {
            self.due.remove(&due);
        }
        self.list(tx);
    }

    /// The blocks up to this height have been looked through.
    pub(super) fn follow(&mut self, height: Height) {
        self.followed = self.followed.max(Some(height));
    }

    /// From which height on blocks have to be looked through after a start at `executed`.
    pub(super) fn follow_from(&self, executed: Height) -> Height {
        let open = self.entries.values().filter(|entry| entry.ended.is_none()).map(|entry| entry.above);
        let lowest = open.min().unwrap_or(executed);
        lowest.max(self.followed.unwrap_or(Height(0))).min(executed)
    }

    /// Whether anyone here wants to know what a block holds.
    pub(super) fn wants_blocks(&self) -> bool {
        !self.entries.is_empty() || !self.waiting.is_empty()
    }

    /// What was told of a transaction: its bytes, if no block has it, and its end. None if it was not acknowledged.
    pub(super) fn get(&self, tx: &TxHash) -> Option<(TxBytes, Option<Ending>)> {
        let entry = self.entries.get(tx).filter(|entry| entry.kept)?;
        Some((entry.bytes.clone(), entry.ended.as_ref().map(|ended| ended.how.clone())))
    }

    fn forget_if_done(&mut self, tx: &TxHash) {
        let Some(entry) = self.entries.get(tx) else { return };
        let written = entry.write.is_none();
        if entry.holders == 0 && (!entry.kept || entry.told_by_chain && written) {
            self.forget(tx);
        }
    }

    fn forget(&mut self, tx: &TxHash) {
        self.unlist(tx);
        let Some(entry) = self.entries.remove(tx) else { return };
        if let Some(due) = entry.due {
            self.due.remove(&due);
        }
        match &entry.ended {
            Some(ended) if ended.how.is_executed() => self.quota.forget_executed(),
            _ => self.quota.give_back(&entry.client, entry.bytes.len()),
        }
        if let Some(segment) = entry.segment.and_then(|number| self.segments.get_mut(&number)) {
            segment.live.remove(tx);
        }
    }

    /// News of this transaction will be told to `told`. Returns a number to give the place up by.
    pub(super) fn wait(&mut self, tx: TxHash, told: oneshot::Sender<()>) -> u64 {
        self.waiters += 1;
        self.waiting.entry(tx).or_default().insert(self.waiters, told);
        self.waiters
    }

    pub(super) fn give_up(&mut self, tx: &TxHash, waiter: u64) {
        if let Some(waiters) = self.waiting.get_mut(tx) {
            waiters.remove(&waiter);
            if waiters.is_empty() {
                self.waiting.remove(tx);
            }
        }
    }

    pub(super) fn tell(&mut self, tx: &TxHash) {
        for told in self.waiting.remove(tx).into_iter().flat_map(BTreeMap::into_values) {
            // Who has just given up needs no news.
            let _ = told.send(());
        }
    }

    /// Ends all waiting: the node stops.
    pub(super) fn tell_nobody(&mut self) {
        self.waiting.clear();
    }

    pub(super) fn sizes(&self) -> JournalSizes {
        JournalSizes {
            open: self.due.len(),
            txs: self.quota.txs(),
            bytes: self.quota.bytes(),
            executed: self.quota.executed_txs(),
            file_bytes: self.segments.values().map(|segment| segment.bytes).sum(),
            waiting: self.waiting.values().map(BTreeMap::len).sum(),
        }
    }
}

impl Entry {
    fn is_dropped(&self) -> bool {
        self.ended.as_ref().is_some_and(|ended| !ended.how.is_executed())
    }

    fn failed_in_block(&self) -> bool {
        matches!(&self.ended, Some(Ended { how: Ending::Executed { code, .. }, .. }) if *code != 0)
    }
}

#[cfg(test)]
mod tests;
