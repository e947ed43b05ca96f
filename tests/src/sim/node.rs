//! One node of a cluster: the driver and the workers over a disk, opened as the real node opens them.

use std::path::Path;
use std::sync::Arc;

use althing_consensus::{AppHash, ConsensusParams, Height, Position};
use althing_crypto::{bls, ed25519};
use althing_genesis::Genesis;
use althing_ledger::{Application, AssetLedger};
use althing_mempool::Limits;
use althing_node::driver::{Done, Driver, Job, Peer};
use althing_node::new_chain;
use althing_node::recovery::{door, engine_config, handshake, recover};
use althing_node::storage::{AppState, ChainStore, SafetyStore};
use althing_node::workers::{Fatal, Signer, Workers};

use super::disk::Disk;
use super::load;
use crate::cheap_votes::CHEAP_VOTES;

/// The simulated chain's name.
pub(super) const CHAIN_ID: &str = "simulated";
/// When it began.
const GENESIS_TIME_MS: u64 = 1_700_000_000_000;

/// A validator's keys.
pub(super) struct Member {
    position: Position,
    identity: ed25519::SecretKey,
    vote_key: bls::SecretKey,
}

impl Member {
    fn new(index: usize) -> Self {
        let seed = [u8::try_from(index + 1).expect("fewer than 255 validators"); 32];
        Self {
            position: Position(index as u16),
            identity: ed25519::SecretKey::from_seed(seed),
            vote_key: bls::SecretKey::from_seed(&CHEAP_VOTES, &seed),
        }
    }

    /// Its identity.
    pub(super) fn peer(&self) -> Peer {
        self.identity.public_key()
    }
}

/// The keys and the genesis document of a chain of so many equal validators.
pub(super) fn genesis(validators: usize, params: ConsensusParams) -> (Vec<Member>, Arc<Genesis>) {
    let members: Vec<Member> = (0..validators).map(Member::new).collect();
    let entry = |member: &Member| {
        new_chain::validator(&format!("validator-{}", member.position), &member.identity, &member.vote_key)
    };
    let mut document = new_chain::document(CHAIN_ID, members.iter().map(entry).collect(), &load::accounts());
    document.genesis_time_ms = GENESIS_TIME_MS;
    document.params = params;
    let genesis = Genesis::new(document, &CHEAP_VOTES).expect("a valid document");
    (members, Arc::new(genesis))
}

/// A node that is up.
pub(super) struct Node {
    pub(super) driver: Driver,
    workers: Workers,
    chain: ChainStore,
}

impl Node {
    /// Opens a node on its disk, whatever a crash has left there.
    pub(super) fn open(member: &Member, genesis: &Genesis, disk: &Disk) -> Result<Self, String> {
        let chain = ChainStore::new(disk.chain());
        let ledger = AssetLedger::open(Arc::new(AppState::new(disk.state()))).map_err(|e| e.to_string())?;
        let application: Arc<dyn Application> = Arc::new(ledger);
        let opening = handshake(genesis, &chain, &application).map_err(|e| e.to_string())?.hash();
        let config = engine_config(genesis, opening, Some(member.position));
        let door = Arc::new(door(&config));
        let mut start = recover(&config, &chain, &door).map_err(|e| e.to_string())?;

        let name = Path::new("safety");
        if !disk.has_safety() {
            SafetyStore::format(&mut *disk.safety()).map_err(|e| e.to_string())?;
        }
        let opened = SafetyStore::open_on(disk.safety(), name).map_err(|e| e.to_string())?;
        let epoch = (config.epoch_hash, opening);
        let key = member.vote_key.clone();
        let signer = Signer::open(key, CHAIN_ID, config.set.clone(), epoch, opened, chain.clone())
            .map_err(|e| e.to_string())?;
        start.record = Some(signer.record().clone());

        let workers = Workers::new(&config, door, &chain, &application, Some(signer));
        Ok(Self { driver: Driver::new(config, Limits::default(), start), workers, chain })
    }

    pub(super) fn work(&mut self, job: Job) -> Result<Done, Fatal> {
        self.workers.run(job)
    }

    pub(super) fn app_hash(&self, height: Height) -> Option<AppHash> {
        self.chain.results(height).expect("memory").map(|results| results.execution.app_hash)
    }
}
