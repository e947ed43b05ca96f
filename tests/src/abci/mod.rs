//! Applications behind a socket, for tests of the node's side of it.
//!
//! | file | holds |
//! |---|---|
//! | `server` | any application of ours, served as ABCI 2.0 |
//! | `hash_chain` | an application whose hash chains everything that it executed |

mod hash_chain;
mod server;

pub use hash_chain::{Death, HashChain, link};
pub use server::serve;
