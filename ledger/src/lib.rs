//! The application boundary of Althing and its default application, the asset ledger.
//!
//! [`Application`] is what a chain runs: the node orders transactions, the application says what they mean. Write
//! your own against that trait, or take [`AssetLedger`]: accounts, one native asset, transfers. An application keeps
//! its state behind [`StateStore`], the only thing it knows of storage.

pub mod asset;

mod app_hash;
mod application;
mod error;
mod messages;
pub mod state;
mod state_store;

pub use app_hash::{AppHash, AppHashTooLong};
pub use application::Application;
pub use asset::AssetLedger;
pub use error::AppError;
pub use messages::*;
pub use state_store::{MemoryStore, StateStore, StoreError, Write};
