//! What is there before the network is: the home, read, and everything on disk brought to one state.

use std::io;
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Duration;

use althing_consensus::ValidatorSet;
use althing_consensus::engine::EngineConfig;
use althing_crypto::key_file::KeyFile;
use althing_crypto::{bls, ed25519};
use althing_genesis::Genesis;
use althing_ledger::{AppError, Application};
use althing_mempool::{Limits, Seed};

use super::NodeError;
use crate::config::NodeConfig;
use crate::driver::Driver;
use crate::epochs::{EpochContext, Epochs, Seat};
use crate::home::Home;
use crate::journal::{Journal, JournalLimits};
use crate::recovery::{bring_up, recover};
use crate::storage::{ChainStore, DataDirectory, DirectoryFiles, Indexing, SafetyStore, StoreError};
use crate::workers::{Signer, Workers};

/// What is at hand before the network is.
pub(super) struct Opened {
    pub(super) genesis: Arc<Genesis>,
    pub(super) identity: ed25519::SecretKey,
    pub(super) epochs: Arc<Epochs>,
    /// The epoch that it begins in.
    pub(super) config: EngineConfig,
    pub(super) data: DataDirectory,
    pub(super) chain: ChainStore,
    pub(super) application: Arc<dyn Application>,
    pub(super) driver: Driver,
    pub(super) workers: Workers,
    pub(super) journal: (Journal, JoinHandle<()>),
}

/// The application of a node that does not run yet.
#[derive(Default)]
pub(super) struct Opening(OnceLock<Arc<dyn Application>>);

/// Dropped, nobody waits for that application any longer.
pub(super) struct GiveUp(pub(super) Arc<Opening>);

impl Drop for GiveUp {
    fn drop(&mut self) {
        self.0.0.get().into_iter().for_each(close);
    }
}

/// Whoever waits for the application is told that the node ends.
pub(super) fn close(application: &Arc<dyn Application>) {
    if let Some(link) = application.link() {
        link.close();
    }
}

/// Reads the home and brings everything on disk to one state.
pub(super) fn open(
    config: &NodeConfig,
    application: impl FnOnce(Arc<DirectoryFiles>) -> Result<Arc<dyn Application>, AppError>,
    opening: &Opening,
) -> Result<Opened, NodeError> {
    let home = &config.home;
    let genesis = Arc::new(Genesis::read(&home.genesis_file())?);
    let identity = KeyFile::read_identity(&home.identity_key())?;
    let data = DataDirectory::open(home.path(), config.storage.backend)?;
    let indexing = if config.storage.index { Indexing::On } else { Indexing::Off };
    let chain = ChainStore::new(data.chain.clone()).indexed(indexing);
    let application = application(data.state.clone()).map_err(|error| damaged(home, error))?;
    // Set once only.
    _ = opening.0.set(application.clone());
    bring_up(&genesis, &chain, &application)?;

    let keys = vote_keys(home)?;
    let public = |key: &bls::SecretKey| key.public_key().clone();
    let seat = Seat { identity: Some(identity.public_key()), vote_keys: keys.iter().map(public).collect() };
    let epochs = Arc::new(Epochs::new(&genesis, chain.clone(), seat));
    let newest = epochs.newest()?;
    expect_vote_key(home, &identity.public_key(), &keys, &newest.config.set)?;
    let signer = match keys.is_empty() {
        true => None,
        false => {
            let safety = SafetyStore::open(&home.safety_file())?;
            let identity = Arc::new(identity.clone());
            Some(Signer::open(identity, keys, epochs.clone(), safety, chain.clone())?)
        }
    };
    let mut engine = newest.config.clone();
    engine.me = signer.as_ref().and_then(|signer| signer.place(engine.epoch));
    let limits = mempool_limits(config, application.check_reads_state())?;
    let driver = driver(engine.clone(), limits, &chain, &newest, signer.as_ref())?;
    let limits = JournalLimits {
        max_txs: config.journal.max_txs,
        max_bytes: config.journal.max_bytes,
        status_kept: Duration::from_millis(config.journal.status_kept_ms),
    };
    let journal = Journal::open(home.journal(), home.damaged_journal(), limits)?;
    let workers = Workers::new(&epochs, &chain, &application, signer, config.storage.kept_blocks);
    Ok(Opened {
        genesis,
        identity,
        epochs,
        config: engine,
        data,
        chain,
        application,
        driver,
        workers,
        journal,
    })
}

/// The vote keys in the home: the one, and while it is being changed the next one.
fn vote_keys(home: &Home) -> Result<Vec<bls::SecretKey>, NodeError> {
    let here = [home.vote_key(), home.next_vote_key()].into_iter().filter(|path| path.exists());
    Ok(here.map(|path| KeyFile::read_vote(&path)).collect::<Result<_, _>>()?)
}

/// A member without the key that its set has for it would be taken for one that is down.
fn expect_vote_key(
    home: &Home,
    identity: &ed25519::PublicKey,
    keys: &[bls::SecretKey],
    set: &ValidatorSet,
) -> Result<(), NodeError> {
    let Some(member) = set.position_of(identity).and_then(|place| set.get(place)) else { return Ok(()) };
    let path = home.vote_key();
    match keys {
        // It tells that the file is missing.
        [] => KeyFile::read_vote(&path).map(drop).map_err(NodeError::Key),
        _ if keys.iter().any(|key| *key.public_key() == member.vote_key) => Ok(()),
        [first, ..] => Err(NodeError::VoteKey {
            path: path.display().to_string(),
            found: first.public_key().to_string(),
            expected: member.vote_key.to_string(),
        }),
    }
}

/// Damage of the application's state is damage of the chain data, and what to do about it is the same.
fn damaged(home: &Home, error: AppError) -> NodeError {
    match error {
        AppError::Corrupt { at, reason } => NodeError::Store(StoreError::Corrupt {
            path: home.path().join("data/state"),
            what: format!("{at}: {reason}"),
        }),
        error => NodeError::Application(error),
    }
}

fn mempool_limits(config: &NodeConfig, check_reads_state: bool) -> Result<Limits, NodeError> {
    let default = Limits::default();
    let random = || getrandom::u64().map_err(io::Error::other);
    Ok(Limits {
        // No block drains those that wait for others: a small pool must not fill up with them.
        max_held_txs: default.max_held_txs.min(config.mempool.max_txs / 4),
        max_held_bytes: default.max_held_bytes.min(config.mempool.max_bytes / 4),
        max_txs: config.mempool.max_txs,
        max_bytes: config.mempool.max_bytes,
        max_txs_per_sender: config.mempool.max_txs_per_sender,
        rechecks_senderless: check_reads_state,
        seed: Seed::new(u128::from(random()?) << 64 | u128::from(random()?)),
        ..default
    })
}

fn driver(
    engine: EngineConfig,
    limits: Limits,
    chain: &ChainStore,
    epoch: &EpochContext,
    signer: Option<&Signer>,
) -> Result<Driver, NodeError> {
    let mut start = recover(&engine, chain, &epoch.door)?;
    start.record = signer.map(|signer| signer.record().clone());
    Ok(Driver::new(engine, limits, start))
}
