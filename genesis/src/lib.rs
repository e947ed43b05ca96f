//! The genesis document: what all nodes of a chain must share before there is a block.
//!
//! [`Document`] is the JSON of `genesis.json` as it stands in the file. [`Genesis`] is a document that was checked: its keys are
//! keys, each validator proved to hold its vote key, powers and parameters are within bounds. It gives the hash that names the
//! chain, the validators of epoch 1 and block 0.
//!
//! ```json
//! {
//!   "version": 1,
//!   "chain_id": "example-1",
//!   "genesis_time_ms": 1767225600000,
//!   "validators": [
//!     { "name": "alice", "identity": "<64 hex digits>", "vote_key": "<96>", "proof_of_possession": "<192>", "power": "10" }
//!   ],
//!   "params": { "max_unexecuted_blocks": 8 },
//!   "application": { "kind": "ledger", "state": { } }
//! }
//! ```

mod canonical;
mod document;
mod error;
mod genesis;

pub use document::{Application, Document, ValidatorEntry};
pub use error::GenesisError;
pub use genesis::{Genesis, MAX_DOCUMENT_BYTES};
