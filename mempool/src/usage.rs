//! A count of transactions and of their bytes.

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Usage {
    pub(crate) txs: usize,
    pub(crate) bytes: usize,
}

impl Usage {
    pub(crate) fn add(&mut self, bytes: usize) {
        self.txs += 1;
        self.bytes += bytes;
    }

    pub(crate) fn sub(&mut self, bytes: usize) {
        assert!(
            self.txs > 0 && self.bytes >= bytes,
            "{bytes} bytes are given back that were never counted: {self:?}"
        );
        self.txs -= 1;
        self.bytes -= bytes;
    }

    /// Whether one more of `bytes` stays within the bounds.
    pub(crate) fn fits(&self, bytes: usize, max_txs: usize, max_bytes: usize) -> bool {
        self.txs < max_txs && bytes <= max_bytes.saturating_sub(self.bytes)
    }
}
