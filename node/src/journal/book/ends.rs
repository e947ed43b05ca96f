//! What has come to an end, and which of it is forgotten first: what was told for long enough; beyond the bounds the oldest that a block
//! has, and of what was dropped the oldest of whoever has most of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use althing_crypto::TxHash;

use super::{Book, Entry};

/// An end: when, and of what.
type End = (u64, TxHash);

/// Looked at to find one that can be forgotten now: not those that are being handed in or written.
const LOOKED_AT: usize = 1_024;

/// Acknowledged transactions that have ended.
#[derive(Debug, Default)]
pub(super) struct Ends {
    all: BTreeSet<End>,
    executed: BTreeSet<End>,
    /// Those dropped, by client.
    dropped: BTreeMap<Arc<str>, (usize, BTreeSet<End>)>,
    /// The clients by how much room those take.
    clients: BTreeSet<(usize, Arc<str>)>,
}

impl Ends {
    /// `dropped`: by whom it was handed in, and the room it takes; none if a block has it. Whether it was not there.
    fn insert(&mut self, end: End, dropped: Option<(&Arc<str>, usize)>) -> bool {
        let is_new = self.all.insert(end);
        match dropped {
            _ if !is_new => {}
            None => _ = self.executed.insert(end),
            Some((client, room)) => {
                let (used, ends) = self.dropped.entry(client.clone()).or_default();
                self.clients.remove(&(*used, client.clone()));
                *used += room;
                ends.insert(end);
                self.clients.insert((*used, client.clone()));
            }
        }
        is_new
    }

    /// Whether it was there.
    fn remove(&mut self, end: End, dropped: Option<(&Arc<str>, usize)>) -> bool {
        let was_there = self.all.remove(&end);
        self.executed.remove(&end);
        if let Some((client, room)) = dropped.filter(|_| was_there)
            && let Some((used, ends)) = self.dropped.get_mut(client)
        {
            self.clients.remove(&(*used, client.clone()));
            *used = used.saturating_sub(room);
            ends.remove(&end);
            if ends.is_empty() {
                self.dropped.remove(client);
            } else {
                self.clients.insert((*used, client.clone()));
            }
        }
        was_there
    }

    pub(super) fn after(&self, at_ms: u64) -> Vec<TxHash> {
        self.all.range((at_ms.saturating_add(1), TxHash::ZERO)..).map(|(_, tx)| *tx).collect()
    }
}

impl Book {
    /// Of one that ended and was acknowledged: from now on it makes room for others where room is scarce.
    pub(super) fn list(&mut self, tx: &TxHash) {
        let Some(entry) = self.entries.get(tx).filter(|entry| entry.kept) else { return };
        let Some(ended) = &entry.ended else { return };
        let dropped = (!ended.how.is_executed()).then_some((&entry.client, entry.bytes.len()));
        let room = dropped.map(|(client, len)| (client, self.quota.room(len)));
        if self.ends.insert((ended.at_ms, *tx), room)
            && let Some((client, len)) = dropped
        {
            self.quota.put_aside(client, len);
        }
    }

    /// Before anything of its end is changed.
    pub(super) fn unlist(&mut self, tx: &TxHash) {
        let Some(entry) = self.entries.get(tx) else { return };
        let Some(ended) = &entry.ended else { return };
        let dropped = (!ended.how.is_executed()).then_some((&entry.client, entry.bytes.len()));
        let room = dropped.map(|(client, len)| (client, self.quota.room(len)));
        if self.ends.remove((ended.at_ms, *tx), room)
            && let Some((client, len)) = dropped
        {
            self.quota.take_back(client, len);
        }
    }

    /// Forgets what ended long enough ago, so many at most. Whether there may be more.
    pub(in super::super) fn sweep(&mut self, now_ms: u64, max: usize) -> bool {
        let kept_ms = u64::try_from(self.limits.status_kept.as_millis()).unwrap_or(u64::MAX);
        let over = self.ends.all.iter().take_while(|(at_ms, _)| at_ms.saturating_add(kept_ms) <= now_ms);
        // One that is being handed in again goes after that, and holds up no other.
        let free = over.filter(|(_, tx)| self.entries.get(tx).is_none_or(|entry| entry.holders == 0));
        let over: Vec<TxHash> = free.take(max).map(|(_, tx)| *tx).collect();
        over.iter().for_each(|tx| self.forget(tx));
        over.len() == max
    }

    /// Makes room for a transaction by forgetting the ends of dropped ones. Whether there is room.
    pub(super) fn make_room(&mut self, len: usize) -> bool {
        while !self.quota.has_room(len) {
            let most = self.ends.clients.last().and_then(|(_, client)| self.ends.dropped.get(client));
            let Some(tx) = most.and_then(|(_, ends)| self.oldest(ends)) else { return false };
            self.forget(&tx);
        }
        true
    }

    /// The chain itself tells of those that a block has, as long as that is kept.
    pub(super) fn bound_executed(&mut self) {
        while self.quota.too_many_executed() {
            let Some(tx) = self.oldest(&self.ends.executed) else { return };
            self.forget(&tx);
        }
    }

    fn oldest(&self, ends: &BTreeSet<End>) -> Option<TxHash> {
        let can_go = |entry: &Entry| entry.holders == 0 && entry.write.is_none();
        let oldest = ends.iter().take(LOOKED_AT).map(|(_, tx)| *tx);
        oldest.into_iter().find(|tx| self.entries.get(tx).is_some_and(can_go))
    }
}
