//! A deterministic cluster in one thread: the real engine, safety rules, driver, mempool, workers, store code and asset ledger;
//! replaced are the wire, time, threads, disks (memory that can fail) and, for speed, the vote scheme.
//!
//! Jobs take no simulated time, messages take what the [`Network`] says: so latencies come out in exact multiples of a constant
//! delay. One seed reproduces a run.

pub mod byzantine;
pub mod checkers;
mod cluster;
mod disk;
mod load;
mod network;
mod node;
mod random;
mod record;
mod world;

pub use cluster::{Cluster, Options};
pub use disk::{Disk, When};
pub use load::Load;
pub use network::Network;
pub use random::Random;
pub use record::{Committed, Record};
pub use world::{Standing, World};
