//! The application boundary of Althing and its default application, the asset ledger.
//!
//! [`Application`] is what a chain runs: the node orders transactions, the application says what they mean. Write
//! your own against that trait, beginning with the sample [`kv`], or take [`AssetLedger`]: accounts, assets, locks, roles. An
//! application of ours keeps its state in a [`state::State`]: authenticated, ordered, at several heights.

pub mod abci;
pub mod asset;
pub mod conformance;
pub mod kv;
pub mod noop;
pub mod state;

mod app_hash;
mod application;
mod error;
mod link;
mod messages;

pub use app_hash::{AppHash, AppHashTooLong};
pub use application::Application;
pub use asset::AssetLedger;
pub use error::{AppError, StoreError};
pub use link::Link;
pub use messages::*;
