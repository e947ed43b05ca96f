//! How much the journal holds, and how much of that one client may.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::record::MAX_CLIENT_BYTES;
use super::super::{Full, JournalLimits};

/// One client may hold such a part of the journal with what no block has.
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
    clients: BTreeMap<Arc<str>, Usage>,
    executed: usize,
}

impl Quota {
    pub(super) fn new(limits: &JournalLimits) -> Self {
        let JournalLimits { max_txs, max_bytes, .. } = *limits;
        Self { max_txs, max_bytes, all: Usage::default(), clients: BTreeMap::new(), executed: 0 }
    }

    /// Takes room for a transaction of this client, whose name as it is kept is returned.
    pub(super) fn take(&mut self, client: &str, len: usize) -> Result<Arc<str>, Full> {
        let bytes = len.saturating_add(OVERHEAD_BYTES);
        if !self.all.fits(bytes, self.max_txs, self.max_bytes) || self.executed >= MAX_EXECUTED {
            return Err(Full::Journal);
        }
        let client = &client[..client.floor_char_boundary(MAX_CLIENT_BYTES)];
        let used = self.clients.get(client).copied().unwrap_or_default();
        let share = used.fits(bytes, self.max_txs.div_ceil(SHARE), self.max_bytes.div_ceil(SHARE));
        // Without a name it is this process itself.
        if !share && !client.is_empty() {
            return Err(Full::Client);
        }
        Ok(self.add(client, len))
    }

    /// As [`Self::take`], of what is in the files already.
    pub(super) fn add(&mut self, client: &str, len: usize) -> Arc<str> {
        let bytes = len.saturating_add(OVERHEAD_BYTES);
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
