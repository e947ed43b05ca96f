//! JSON-RPC over HTTP in the dialect of CometBFT 0.38: POST of a JSON-RPC request, or GET of `/method?name=value`.
//!
//! `method` has the table of all methods; `docs/rpc.md` is made from it.
//!
//! A connection comes in by `server`; `door` looks at each request before it is read and finds the `Caller` who sends it; `routes` reads it within
//! limits, `dispatch` carries it out if the caller's account in `clients` has room, on the threads of `runtime`.
//!
//! Every JSON-RPC answer has HTTP status 200; what is turned away before it is read has another. A transaction that is refused is a *result* with code, codespace, log and hash; an
//! error object says that the request itself could not be answered.

mod answer;
mod application;
mod blocks;
mod budget;
mod caller;
mod clients;
mod consensus;
mod context;
mod dispatch;
mod door;
mod error;
mod fate;
mod files;
mod follow;
mod handshake;
mod hashes;
mod headers;
mod health;
mod json;
mod keys;
mod light;
mod manners;
mod many;
mod method;
mod metrics;
mod net;
mod notices;
mod params;
mod proxies;
mod published;
mod quotes;
mod routes;
mod runtime;
mod search;
mod server;
mod stall;
mod status;
mod stream;
mod subscriptions;
mod tls;
mod transactions;
mod turns;
mod waits;
mod websocket;
mod who;

pub(crate) use context::Context;
pub use dispatch::submitted;
pub use door::DoorError;
pub use error::RpcError;
pub(crate) use json::time;
pub use proxies::ForwardedHeader;
pub(crate) use runtime::RpcRuntime;
pub use server::{BindError, Server, serve_stream};
pub use transactions::{CODESPACE, Code};
pub use who::Role;

#[cfg(test)]
mod tests;
