//! Faults of an application: what stops a node, as opposed to what refuses a transaction.

/// A failure of the storage below, in its own words.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct StoreError(Box<dyn std::error::Error + Send + Sync>);

impl StoreError {
    /// Wraps an error or a sentence.
    pub fn new(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self(cause.into())
    }
}

/// A fault of the application or of its disk. The node stops on it with this message; a transaction can never cause
/// one (it is refused or fails with a [`crate::TxError`] or a [`crate::TxResult`] of its own).
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// The store could not read or write.
    #[error("the application's store failed: {0}; check the disk, then start the node again")]
    Store(#[from] StoreError),
    /// The store holds something that this application did not write there.
    #[error(
        "the application's state is damaged at {at}: {reason}; restore the data directory or sync it anew"
    )]
    Corrupt {
        /// Which record.
        at: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The genesis document's application state is not acceptable.
    #[error("genesis app_state: {field}: {reason}")]
    Genesis {
        /// The field at fault, as a path: `accounts[3].balance`.
        field: String,
        /// What is wrong with it and what is expected.
        reason: String,
    },
    /// `init_chain` was called on a state that another genesis made, or that has moved on from its genesis.
    #[error(
        "the state at hand was made by another genesis or is past it ({reason}); use a fresh data directory for a new chain"
    )]
    OtherGenesis {
        /// What differs.
        reason: String,
    },
    /// A block was to be executed before `init_chain`.
    #[error("the application has no state yet: init_chain must come first")]
    NotInitialised,
    /// A block of another height than the next one was to be executed.
    #[error("block {found} cannot be executed: the state needs block {expected} next")]
    WrongHeight {
        /// The height that must be executed next.
        expected: u64,
        /// The height asked for.
        found: u64,
    },
    /// `commit` without a `finalize_block` before it.
    #[error("nothing to commit: finalize_block must come first")]
    NothingToCommit,
    /// The application is a process of its own and cannot be reached. The node waits for it.
    #[error("{reason}")]
    Unavailable {
        /// Where it should be, and why it cannot be reached.
        reason: String,
    },
    /// Any other fault, in the application's own words.
    #[error("{0}")]
    Failed(String),
}
