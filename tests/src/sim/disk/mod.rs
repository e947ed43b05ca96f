//! A node's disk: it survives the node, can end it at a chosen operation, forgets what was not synced, rots, fills up, and can be
//! set back to a backup.

mod faults;
mod file;
mod state;
mod tables;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use althing_consensus::SafetyRecord;
use althing_ledger::state::StateFiles;
use althing_node::storage::{MemoryStore, RedbStore, SafetyStore, SlotFile, Store, StoreError, WriteAhead};

use super::random::Random;
use faults::Faults;
use file::{SafetyFile, SimFile};
use state::{StateDirectory, StateImage};
use tables::Tables;

pub use faults::When;

/// Where the slots of a safety file begin.
const SAFETY_SLOTS: [usize; 2] = [4096, 4096 + (64 << 10)];
/// What waits in the log before the database is passed on from so many bytes on: a few blocks.
const LOG_BYTES: usize = 16 << 10;
/// So much of a slot is in use.
const SAFETY_IN_USE: usize = 1500;

/// Which database for blocks lies on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Database {
    /// Tables in memory, for speed.
    Tables,
    /// The node's own database, on a file whose unsynced writes are lost with the power.
    Redb,
}

/// One database.
#[derive(Clone)]
enum Volume {
    Tables(Arc<MemoryStore>),
    Redb(SimFile),
}

enum VolumeImage {
    Tables(Arc<MemoryStore>),
    Redb(Vec<u8>),
}

/// A backup.
pub(super) struct Image {
    chain: VolumeImage,
    log: StateImage,
    state: StateImage,
    safety: Vec<u8>,
}

/// Everything that a node keeps.
pub struct Disk {
    faults: Faults,
    chain: Volume,
    /// Before it.
    log: StateDirectory,
    state: StateDirectory,
    safety: SimFile,
    synced: Arc<Mutex<Vec<SafetyRecord>>>,
    database: Database,
}

impl Disk {
    /// An empty disk.
    pub fn new(database: Database) -> Self {
        let faults = Faults::default();
        let disk = Self {
            chain: Volume::new(database, &faults),
            log: StateDirectory::new(&faults),
            state: StateDirectory::new(&faults),
            safety: SimFile::new(&faults),
            synced: Arc::default(),
            database,
            faults,
        };
        disk.format();
        disk
    }

    /// Makes a safety file, as `init` does before a node is first started.
    fn format(&self) {
        SafetyStore::format(&mut *self.safety()).expect("an empty disk works");
    }

    /// Takes back what [`Self::burn_at`] ordered, if it has not come to pass.
    pub fn spare(&self) {
        self.faults.spare();
    }

    /// Ends the node at the `n`th persist point (write or sync) from now, the first being 0.
    pub fn burn_at(&self, n: u64, when: When) {
        self.faults.burn_at(n, when);
    }

    /// Whether there is no room left: every write fails.
    pub fn set_full(&self, full: bool) {
        self.faults.set_full(full);
    }

    /// Persist points passed.
    pub fn passed(&self) -> u64 {
        self.faults.passed()
    }

    /// Whether the disk has failed its node; it works again after this.
    pub(super) fn take_failed(&self) -> bool {
        self.faults.take_failed()
    }

    /// The node ends: by itself, or with the power.
    pub(super) fn crash(&self, mut power: Option<&mut Random>) {
        if let Volume::Redb(file) = &self.chain {
            file.crash(power.as_deref_mut());
        }
        self.log.crash(power.as_deref_mut());
        self.state.crash(power.as_deref_mut());
        self.safety.crash(power);
    }

    /// A backup of all that is durable.
    pub(super) fn image(&self) -> Result<Image, StoreError> {
        let (chain, log) = (self.chain.image()?, self.log.image());
        Ok(Image { chain, log, state: self.state.image(), safety: self.safety.image() })
    }

    /// Sets everything back to a backup.
    pub(super) fn restore(&mut self, image: &Image) {
        self.chain.restore(&image.chain);
        self.log.restore(&image.log);
        self.state.restore(&image.state);
        self.safety.restore(&image.safety);
    }

    /// Loses chain and application state, and with `safety` the safety file, too.
    pub(super) fn wipe(&mut self, safety: bool) {
        self.chain = Volume::new(self.database, &self.faults);
        self.log = StateDirectory::new(&self.faults);
        self.state = StateDirectory::new(&self.faults);
        if safety {
            // It is another disk: what was ordered for the old one, or has come to pass there, is none of its faults.
            self.faults.set_full(false);
            self.faults.take_failed();
            self.safety.restore(&[]);
            self.format();
        }
    }

    /// Flips a bit in one of the safety file's two slots, where it is most likely in use.
    pub(super) fn rot_safety(&self, random: &mut Random) {
        let slot = SAFETY_SLOTS[random.index(2)];
        self.safety.rot(slot..slot + SAFETY_IN_USE, random);
    }

    /// Flips some bits in the files of blocks and their log, unless tables stand for them, and of the application's state.
    pub(super) fn rot_data(&self, random: &mut Random) {
        for _ in 0..random.between(1, 8) {
            match &self.chain {
                Volume::Redb(file) if random.percent(50) => file.rot(0..usize::MAX, random),
                Volume::Redb(_) if random.percent(20) => self.log.rot(random),
                _ => self.state.rot(random),
            }
        }
    }

    pub(super) fn chain(&self) -> Result<Arc<dyn Store>, StoreError> {
        let (database, files) = (self.chain.open(&self.faults)?, Arc::new(self.log.reopened()));
        Ok(Arc::new(WriteAhead::open_in_turn(database, files, Path::new("simulated log"), LOG_BYTES)?))
    }

    pub(super) fn state(&self) -> Arc<dyn StateFiles> {
        Arc::new(self.state.reopened())
    }

    pub(super) fn safety(&self) -> Box<dyn SlotFile> {
        Box::new(SafetyFile { file: self.safety.reopened(), synced: Arc::clone(&self.synced) })
    }

    /// The records that became durable since this was last asked.
    pub(super) fn take_synced(&self) -> Vec<SafetyRecord> {
        std::mem::take(&mut self.synced.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Volume {
    fn new(database: Database, faults: &Faults) -> Self {
        match database {
            Database::Tables => Self::Tables(Arc::default()),
            Database::Redb => Self::Redb(SimFile::new(faults)),
        }
    }

    fn open(&self, faults: &Faults) -> Result<Arc<dyn Store>, StoreError> {
        Ok(match self {
            Self::Tables(store) => Arc::new(Tables { store: Arc::clone(store), faults: faults.clone() }),
            Self::Redb(file) => {
                Arc::new(RedbStore::on_backend(file.reopened(), Path::new("simulated.redb"))?)
            }
        })
    }

    fn image(&self) -> Result<VolumeImage, StoreError> {
        Ok(match self {
            Self::Tables(store) => VolumeImage::Tables(Arc::new(tables::copy(store)?)),
            Self::Redb(file) => VolumeImage::Redb(file.image()),
        })
    }

    fn restore(&mut self, image: &VolumeImage) {
        match (self, image) {
            (Self::Tables(store), VolumeImage::Tables(image)) => {
                *store = Arc::new(tables::copy(image).expect("memory can be read"));
            }
            (Self::Redb(file), VolumeImage::Redb(image)) => file.restore(image),
            _ => unreachable!("an image is of its own disk"),
        }
    }
}
