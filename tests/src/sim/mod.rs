//! A deterministic cluster in one thread: the real engine, safety rules, driver, mempool, workers, store code and asset ledger;
//! replaced are the wire ([`Network`]), time, threads, disks ([`Disk`]) and, for speed, the vote scheme.
//!
//! Work and messages take the time that the run says: with no time for work and a constant delay, latencies come out in exact
//! multiples of it. One seed reproduces a run bit for bit. [`checkers`] look at everything that happens; members may be
//! [`byzantine`]; [`swarm`] draws whole runs from a seed.

mod application;
pub mod byzantine;
pub mod checkers;
mod cluster;
mod disk;
mod load;
mod network;
mod node;
mod random;
mod record;
pub mod swarm;
mod trace;
mod world;

pub use application::Change;
pub use cluster::{Backup, Cluster, Options};
pub use disk::{Database, Disk, When};
pub use load::Load;
pub use network::Network;
pub use random::Random;
pub use record::{Committed, Record};
pub use trace::Trace;
pub use world::{Standing, World};
