//! How much the journal holds, and how much of that one client may.
//!
//! Only what is open can be the reason to refuse a submission. What has ended is forgotten earlier where room is needed.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::record::MAX_CLIENT_BYTES;
use super::super::{Full, JournalLimits};

/// One client may hold such a part of the journal with what is open, and no more than it leaves to all others.
const SHARE: usize = 8;
/// What one transaction is counted for beyond its bytes.
const OVERHEAD_BYTES: usize = 256;
/// Transactions that a block has and that are kept here, as the chain may not tell of them as long as promised. They are small.
const MAX_EXECUTED: usize = 1 << 19;

#[derive(Debug, Default, Clone, Copy)]
struct Usage {
    txs: usize,
    bytes: usize,
}

impl Usage {
    fn fits(self, bytes: usize, max_txs: usize, max_bytes: usize) -> bool {
        self.txs < max_txs && self.bytes.saturating_add(bytes) <= max_bytes
    }

    fn add(&mut self, bytes: usize) {
        self.txs += 1;
        self.bytes = self.bytes.saturating_add(bytes);
    }

    fn sub(&mut self, bytes: usize) {
        self.txs = self.txs.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

#[derive(Debug)]
pub(super) struct Quota {
    max_txs: usize,
    max_bytes: usize,
    all: Usage,
    /// Of these, what was dropped and only waits to be forgotten.
    aside: Usage,
    clients: BTreeMap<Arc<str>, Usage>,
    executed: usize,
    pub(super) max_executed: usize,
}

impl Quota {
    pub(super) fn new(limits: &JournalLimits) -> Self {
        let JournalLimits { max_txs, max_bytes, .. } = *limits;
        Self {
            max_txs,
            max_bytes,
            all: Usage::default(),
            aside: Usage::default(),
            clients: BTreeMap::new(),
            executed: 0,
            max_executed: MAX_EXECUTED,
        }
    }

    /// Whether this client may add a transaction to what is open.
    pub(super) fn allows(&self, client: &str, len: usize) -> Result<(), Full> {
        let bytes = len.saturating_add(OVERHEAD_BYTES);
        let free_txs = self.max_txs.saturating_sub(self.all.txs - self.aside.txs);
        let free_bytes = self.max_bytes.saturating_sub(self.all.bytes - self.aside.bytes);
        if free_txs == 0 || free_bytes < bytes {
            return Err(Full::Journal);
        }
        let used = self.clients.get(name(client)).copied().unwrap_or_default();
        let (max_txs, max_bytes) = (self.max_txs.div_ceil(SHARE), self.max_bytes.div_ceil(SHARE));
        // Without a name it is this process itself.
        match client.is_empty() || used.fits(bytes, max_txs.min(free_txs), max_bytes.min(free_bytes)) {
            true => Ok(()),
            false => Err(Full::Client),
        }
    }

    /// Whether there is room, with all that was dropped.
    pub(super) fn has_room(&self, len: usize) -> bool {
        self.all.fits(len.saturating_add(OVERHEAD_BYTES), self.max_txs, self.max_bytes)
    }

    /// The room that a transaction takes, of the bytes or of the places, whichever is more.
    pub(super) fn room(&self, len: usize) -> usize {
        len.saturating_add(OVERHEAD_BYTES).max(self.max_bytes / self.max_txs.max(1))
    }

    /// It was dropped: it is no longer on its client's account.
    pub(super) fn put_aside(&mut self, client: &Arc<str>, len: usize) {
        self.free(client, len.saturating_add(OVERHEAD_BYTES));
        self.aside.add(len.saturating_add(OVERHEAD_BYTES));
    }

    /// It is open again, or about to be forgotten.
    pub(super) fn take_back(&mut self, client: &Arc<str>, len: usize) {
        self.aside.sub(len.saturating_add(OVERHEAD_BYTES));
        self.clients.entry(client.clone()).or_default().add(len.saturating_add(OVERHEAD_BYTES));
    }

    pub(super) fn too_many_executed(&self) -> bool {
        self.executed > self.max_executed
    }

    /// Takes room for a transaction of this client, whose name as it is kept is returned.
    pub(super) fn add(&mut self, client: &str, len: usize) -> Arc<str> {
        let bytes = len.saturating_add(OVERHEAD_BYTES);
        let client = name(client);
        let name = match self.clients.get_key_value(client) {
            Some((name, _)) => name.clone(),
            None => client.into(),
        };
        self.clients.entry(name.clone()).or_default().add(bytes);
        self.all.add(bytes);
        name
    }

    pub(super) fn give_back(&mut self, client: &Arc<str>, len: usize) {
        let bytes = len.saturating_add(OVERHEAD_BYTES);
        self.all.sub(bytes);
        self.free(client, bytes);
    }

    fn free(&mut self, client: &Arc<str>, bytes: usize) {
        if let Some(used) = self.clients.get_mut(client) {
            used.sub(bytes);
            if used.txs == 0 {
                self.clients.remove(client);
            }
        }
    }

    /// A block has it: it is no longer on its client's account.
    pub(super) fn executed(&mut self, client: &Arc<str>, len: usize) {
        self.give_back(client, len);
        self.executed += 1;
    }

    pub(super) fn add_executed(&mut self) {
        self.executed += 1;
    }

    pub(super) fn forget_executed(&mut self) {
        self.executed = self.executed.saturating_sub(1);
    }

    pub(super) fn txs(&self) -> usize {
        self.all.txs
    }

    pub(super) fn bytes(&self) -> usize {
        self.all.bytes
    }

    pub(super) fn executed_txs(&self) -> usize {
        self.executed
    }

    /// Bytes that all of it would take in files, about.
    pub(super) fn live_bytes(&self) -> u64 {
        (self.all.bytes.saturating_add(self.executed.saturating_mul(OVERHEAD_BYTES))) as u64
    }
}

/// A client's name as it is kept.
fn name(client: &str) -> &str {
    &client[..client.floor_char_boundary(MAX_CLIENT_BYTES)]
}
