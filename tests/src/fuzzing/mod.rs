//! What the fuzz targets do with bytes: one function per target, used by libFuzzer (`tests/fuzz/`) and, on every committed
//! corpus file, by the test `corpus`.
//!
//! Each holds a decoder, or all that stands behind one, to more than "no panic": what is decoded encodes to the very same
//! bytes, what passes a check satisfies the rule as it is restated here, and no sequence of inputs makes an honest
//! validator break a promise.

mod adversary;
mod blocks;
mod chain;
mod disk;
mod documents;
mod door;
mod driver;
mod engine;
mod laws;
mod method;
mod node;
mod p2p;
mod promises;
mod query;
mod rpc;
mod samples;
mod script;
mod seal;
mod seeds;
mod served;
mod transaction;
mod wire;
mod witness;

pub use blocks::blocks;
pub use disk::disk;
pub use documents::documents;
pub use door::door;
pub use driver::driver;
pub use engine::engine;
pub use method::method;
pub use p2p::p2p;
pub use query::query;
pub use rpc::rpc;
pub use seeds::seeds;
pub use transaction::transaction;
pub use wire::wire;
pub use witness::witness;

/// What a target does with one input.
pub type Target = fn(&[u8]);

/// Every target by its name, which is also that of its corpus directory.
pub const TARGETS: [(&str, Target); 13] = [
    ("blocks", blocks),
    ("disk", disk),
    ("documents", documents),
    ("door", door),
    ("driver", driver),
    ("engine", engine),
    ("method", method),
    ("p2p", p2p),
    ("query", query),
    ("rpc", rpc),
    ("transaction", transaction),
    ("wire", wire),
    ("witness", witness),
];
