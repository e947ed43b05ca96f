//! The databases that could lie behind the node's [`Store`], under its own load: what they do in a second, how long a batch can take, what
//! they need of memory and disk, and whether what they acknowledged is there after a power cut.
//!
//! Which of them a node can have, and why: `docs/adr/0027-the-store-by-measurement.md`.

use std::path::Path;
use std::sync::Arc;

use althing_node::storage::{DirectoryFiles, RedbStore, SledStore, Store, WriteAhead};
use serde::{Deserialize, Serialize};

pub mod batches;
pub mod blocks;
mod fjall;
pub mod load;
mod measured;
pub mod power_cut;
mod sled_alone;
pub mod table;
mod volume;

pub use self::fjall::FjallStore;
pub use self::sled_alone::SledAlone;

/// What stops a measurement.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A database, with all that is set about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Backend {
    /// The default, alone.
    Redb,
    /// As a node has it by default: behind a log.
    RedbLogged,
    /// As a node can have it: with a sync of its files after each flush.
    Sled,
    /// With nothing but its own flush: shows that the power cuts find losses.
    SledAlone,
    /// The log-structured tree, each batch synced.
    Fjall,
}

impl Backend {
    /// The word for it on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Redb => "redb",
            Self::RedbLogged => "redb-logged",
            Self::Sled => "sled",
            Self::SledAlone => "sled-alone",
            Self::Fjall => "fjall",
        }
    }

    /// Makes a new database at `path`, where nothing is.
    pub fn create(self, path: &Path) -> Result<Arc<dyn Store>, Failure> {
        Ok(match self {
            Self::Redb => Arc::new(RedbStore::create(path)?),
            Self::RedbLogged => {
                std::fs::create_dir_all(path.join(LOG))?;
                logged(path, RedbStore::create(&path.join(DATABASE))?)?
            }
            Self::Sled => Arc::new(SledStore::create(path)?),
            Self::SledAlone => Arc::new(SledAlone::create(path)?),
            Self::Fjall => Arc::new(FjallStore::create(path)?),
        })
    }

    /// Opens the database at `path`, which must exist.
    pub fn open(self, path: &Path) -> Result<Arc<dyn Store>, Failure> {
        Ok(match self {
            Self::Redb => Arc::new(RedbStore::open(path)?),
            Self::RedbLogged => logged(path, RedbStore::open(&path.join(DATABASE))?)?,
            Self::Sled => Arc::new(SledStore::open(path)?),
            Self::SledAlone => Arc::new(SledAlone::open(path)?),
            Self::Fjall => Arc::new(FjallStore::open(path)?),
        })
    }
}

/// Where log and database lie under a path.
const LOG: &str = "log";
const DATABASE: &str = "database";

fn logged(path: &Path, database: RedbStore) -> Result<Arc<dyn Store>, Failure> {
    let log = path.join(LOG);
    let files = Arc::new(DirectoryFiles::open(&log)?);
    Ok(Arc::new(WriteAhead::open(Arc::new(database), files, &log)?))
}

#[cfg(test)]
mod tests;
