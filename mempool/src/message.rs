//! What goes into the pool and what comes out of it.

use std::sync::Arc;

use althing_crypto::TxHash;

use crate::Refusal;

/// The bytes of a transaction as submitted, shared between the pool and whoever works on them.
pub type TxBytes = Arc<[u8]>;

/// A transaction on its way in: its bytes, and their hash if somebody has computed it already, which is never done twice.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tx {
    bytes: TxBytes,
    hash: Option<TxHash>,
}

impl Tx {
    /// Computes the hash now.
    pub fn hashed(bytes: impl Into<TxBytes>) -> Self {
        let bytes = bytes.into();
        let hash = Some(TxHash::of(&bytes));
        Tx { bytes, hash }
    }

    /// The hash of the bytes: the one that is known, or computed by this call.
    pub fn hash(&self) -> TxHash {
        self.hash.unwrap_or_else(|| TxHash::of(&self.bytes))
    }

    /// The bytes.
    pub fn bytes(&self) -> &TxBytes {
        &self.bytes
    }
}

/// Its hash is computed when it is asked for: of what a peer sends beyond its room it never is.
impl<B: Into<TxBytes>> From<B> for Tx {
    fn from(bytes: B) -> Self {
        Tx { bytes: bytes.into(), hash: None }
    }
}

/// Who hands in a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// A client of this node. Each transaction handed in under a ticket gets exactly one [`Action::Answer`].
    Local {
        /// Chosen by the driver; comes back in the answer.
        ticket: u64,
    },
    /// A peer, by gossip. It gets no answer; what does not fit is left out, gossip is best effort.
    Peer {
        /// The driver's number for the peer that answers for these bytes.
        id: u64,
    },
    /// This node itself, after a restart or from an abandoned block. Bounded by the size of the pool alone.
    Returned,
}

/// What the application's `precheck` tells of a well-formed transaction.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Admission {
    /// Whose transaction it is, if the application knows senders. At most [`MAX_SENDER_BYTES`](crate::MAX_SENDER_BYTES).
    pub sender: Option<Vec<u8>>,
    /// Its place among the sender's transactions. Means nothing without a sender.
    pub sequence: u64,
    /// Higher goes first; a transaction never goes before an earlier one of its sender.
    pub priority: u64,
    /// The last height at which it may execute; `None` if it does not expire.
    pub expiry_height: Option<u64>,
}

/// What the application's `check_tx` tells of a transaction that could execute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct CheckedTx {
    /// The sequence the sender uses next in executed state. `None`: this transaction needs no order among the
    /// sender's others.
    pub next_sequence: Option<u64>,
}

/// What happened outside.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Input {
    /// Transactions are handed in.
    Submit {
        /// By whom.
        source: Source,
        /// Which.
        txs: Vec<Tx>,
    },
    /// Verdicts of `precheck`: answers to [`Action::Precheck`], and those the driver learnt on its own, from a block.
    /// They must be the application's own words, since they also decide whether a block is valid.
    Prechecked {
        /// One verdict per transaction, in any order.
        results: Vec<(TxHash, Result<Admission, Refusal>)>,
    },
    /// Verdicts of `check_tx`: answers to [`Action::Check`] and [`Action::Recheck`].
    Checked {
        /// One verdict per transaction, in the order in which they were asked for.
        results: Vec<(TxHash, Result<CheckedTx, Refusal>)>,
    },
    /// A block is committed. Also tells old blocks at start, so that their transactions are known as committed.
    Committed {
        /// The block's height.
        height: u64,
        /// Its transactions in their order.
        txs: Vec<TxHash>,
    },
    /// The application committed the state after the block of this height; checks asked from now on see it.
    Executed {
        /// The block's height.
        height: u64,
    },
    /// An epoch has begun whose blocks take transactions of at most so many bytes.
    MaxTxBytes(usize),
}

/// What is to be done outside.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Have the application `precheck` these. Must be answered with [`Input::Prechecked`].
    Precheck(Vec<(TxHash, TxBytes)>),
    /// Have the application `check_tx` this new one. Must be answered with [`Input::Checked`].
    Check(TxHash, TxBytes),
    /// Have the application `check_tx` this pending one again. Must be answered with [`Input::Checked`].
    Recheck(TxHash, TxBytes),
    /// The answer to one transaction of a local ticket.
    Answer {
        /// The ticket it was handed in under.
        ticket: u64,
        /// The transaction.
        hash: TxHash,
        /// What became of it.
        outcome: Outcome,
    },
    /// A pending transaction that a client has handed in here, before or after a peer did: tell the peers, once.
    Gossip(TxHash, TxBytes),
    /// A pending transaction is no longer kept. It was admitted before; whoever waits for it can stop.
    Dropped {
        /// The transaction.
        hash: TxHash,
        /// Why.
        refusal: Refusal,
    },
    /// Whether a batch would now hold anything. Only said when it changes; at first it would not.
    WorkChanged(bool),
    /// A peer handed in a transaction that fails the stateless precheck, which no honest node passes on.
    Penalise {
        /// The peer's number.
        peer: u64,
        /// The transaction.
        hash: TxHash,
        /// The application's verdict.
        refusal: Refusal,
    },
}

/// What became of a transaction that was handed in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It is in the pool.
    Accepted {
        /// It was there before, or was handed in twice at once.
        duplicate: bool,
    },
    /// It is already in a committed block.
    Committed {
        /// The block's height.
        height: u64,
    },
    /// It is not taken.
    Refused(Refusal),
}

/// Where a transaction stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// Never seen, or forgotten.
    Unknown,
    /// The application's verdict is awaited.
    Checking,
    /// In the pool; a block may take it now.
    Ready,
    /// In the pool; waits for an earlier transaction of its sender.
    Held {
        /// The first sequence that is missing.
        missing: u64,
    },
    /// In a committed block.
    Committed {
        /// The block's height.
        height: u64,
    },
    /// Admitted once and then dropped. It may be handed in again.
    Dropped(Refusal),
}
