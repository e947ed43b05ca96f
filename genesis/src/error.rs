//! What is wrong with a genesis document.

use std::path::PathBuf;

/// Why a genesis document is not acceptable.
#[derive(Debug, thiserror::Error)]
pub enum GenesisError {
    /// The file cannot be read.
    #[error("genesis document {path}: cannot be read: {source}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// Longer than any document may be.
    #[error("genesis document of {len} bytes, at most {max} are read")]
    TooLarge {
        /// Its bytes.
        len: u64,
        /// The bytes accepted.
        max: u64,
    },
    /// Not JSON, or not the fields of a document.
    #[error("genesis document: {0}")]
    Json(#[from] serde_json::Error),
    /// A field has a value that it cannot have.
    #[error("genesis document, field {field}: {reason}")]
    Field {
        /// Its path: `validators[2].vote_key`.
        field: String,
        /// What is wrong with it, with the value, and what is expected.
        reason: String,
    },
}

impl GenesisError {
    pub(crate) fn field(field: impl Into<String>, reason: impl ToString) -> Self {
        Self::Field { field: field.into(), reason: reason.to_string() }
    }
}
