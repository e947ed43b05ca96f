//! One node of a cluster: the driver and the workers over a disk, opened as the real node opens them.

use std::path::Path;
use std::sync::Arc;

use althing_consensus::{AppHash, ConsensusParams, Height, Position, SafetyRecord, ValidatorSet};
use althing_crypto::bls::VoteScheme;
use althing_crypto::{BlockHash, bls, ed25519, sha256_concat};
use althing_genesis::Genesis;
use althing_ledger::{Application, AssetLedger, ValidatorUpdate, VoteKey};
use althing_mempool::Limits;
use althing_node::driver::{Done, Driver, Job, Peer};
use althing_node::epochs::{Epochs, Seat};
use althing_node::new_chain;
use althing_node::recovery::{handshake, recover};
use althing_node::session::Session;
use althing_node::storage::{ChainStore, SafetyStore};
use althing_node::workers::{Fatal, Signer, Workers};

use super::application::Memoized;
use super::disk::Disk;
use super::load;

/// The simulated chain's name.
pub(super) const CHAIN_ID: &str = "simulated";
/// When it began.
pub(super) const GENESIS_TIME_MS: u64 = 1_700_000_000_000;

/// A validator's keys.
pub(super) struct Member {
    pub(super) position: Position,
    pub(super) peer: Peer,
    pub(super) vote_key: bls::SecretKey,
    /// The one that it may change to, and back.
    next_vote_key: bls::SecretKey,
    pub(super) identity: ed25519::SecretKey,
}

impl Member {
    fn vote_keys(&self) -> Vec<bls::SecretKey> {
        vec![self.vote_key.clone(), self.next_vote_key.clone()]
    }

    /// The vote key that it has at this place of a set, and the other one.
    pub(super) fn keys_at(&self, set: &ValidatorSet, place: Position) -> [&bls::SecretKey; 2] {
        let keys = [&self.vote_key, &self.next_vote_key];
        let rotated = set.get(place).is_some_and(|one| one.vote_key == *self.next_vote_key.public_key());
        if rotated { [keys[1], keys[0]] } else { keys }
    }

    /// An update of it; with one of its vote keys, if it is to have that one.
    pub(super) fn update(&self, power: u64, key: Option<usize>) -> ValidatorUpdate {
        let vote_key = key.map(|key| {
            let key = [&self.vote_key, &self.next_vote_key][key];
            VoteKey { key: *key.public_key().bytes(), proof: *key.prove_possession().as_bytes() }
        });
        ValidatorUpdate { identity: *self.peer.as_bytes(), power, vote_key }
    }

    fn new(scheme: &'static dyn VoteScheme, index: usize) -> Self {
        let seed = *sha256_concat(&[b"simulated member", &index.to_be_bytes()]).as_bytes();
        let identity = ed25519::SecretKey::from_seed(seed);
        Self {
            position: Position(index as u16),
            peer: identity.public_key(),
            vote_key: bls::SecretKey::from_seed(scheme, &seed),
            next_vote_key: bls::SecretKey::from_seed(scheme, sha256_concat(&[b"next", &seed]).as_bytes()),
            identity,
        }
    }
}

/// The keys and the genesis document of a chain of validators of these powers; the keys of so many more that may become validators.
pub(super) fn genesis(
    scheme: &'static dyn VoteScheme,
    powers: &[u64],
    spares: usize,
    params: ConsensusParams,
) -> (Vec<Member>, Arc<Genesis>) {
    let members: Vec<Member> = (0..powers.len() + spares).map(|index| Member::new(scheme, index)).collect();
    let entry = |member: &Member| {
        let name = format!("validator-{}", member.position);
        let mut entry = new_chain::validator(&name, &member.identity, &member.vote_key);
        entry.power = powers[usize::from(member.position.0)];
        entry
    };
    let validators = members[..powers.len()].iter().map(entry).collect();
    let mut document = new_chain::document(CHAIN_ID, validators, &load::accounts());
    document.genesis_time_ms = GENESIS_TIME_MS;
    document.params = params;
    let genesis = Genesis::new(document, scheme).expect("a valid document");
    (members, Arc::new(genesis))
}

/// Heights that a node's ledger keeps: few, so that it forgets some in every run.
const KEPT_HEIGHTS: u64 = 10;

/// A node that is up.
pub(super) struct Node {
    pub(super) driver: Driver,
    workers: Workers,
    chain: ChainStore,
}

impl Node {
    /// Opens a node on its disk, whatever a crash has left there; with the record that it starts from. It says when it began, if it says so.
    pub(super) fn open(
        member: &Member,
        genesis: &Genesis,
        disk: &Disk,
        limits: Limits,
        began_ms: Option<u64>,
    ) -> Result<(Self, SafetyRecord), String> {
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let chain = ChainStore::new(disk.chain().map_err(|e| text(&e))?);
        let ledger = AssetLedger::open(disk.state(), KEPT_HEIGHTS).map_err(|e| text(&e))?;
        let application: Arc<dyn Application> = Arc::new(Memoized(ledger));
        handshake(genesis, &chain, &application).map_err(|e| text(&e))?;
        let keys = member.vote_keys();
        let vote_keys = keys.iter().map(|key| key.public_key().clone()).collect();
        let seat = Seat { identity: Some(member.peer), vote_keys };
        let epochs = Arc::new(Epochs::new(genesis, chain.clone(), seat));

        let opened = SafetyStore::open_on(disk.safety(), Path::new("safety")).map_err(|e| text(&e))?;
        let identity = Arc::new(member.identity.clone());
        let signer =
            Signer::open(identity, keys, epochs.clone(), opened, chain.clone()).map_err(|e| text(&e))?;
        let newest = epochs.newest().map_err(|e| text(&e))?;
        let mut config = newest.config.clone();
        config.me = signer.place(config.epoch);
        let mut start = recover(&config, &chain, &newest.door).map_err(|e| text(&e))?;
        let record = signer.record().clone();
        start.record = Some(record.clone());

        let workers = Workers::new(&epochs, &chain, &application, Some(signer), None);
        let driver = Driver::new(config, limits, start);
        let driver = match began_ms {
            Some(began) => driver.in_session(Session::new(CHAIN_ID, &member.identity, began, 0)),
            None => driver,
        };
        Ok((Self { driver, workers, chain }, record))
    }

    pub(super) fn work(&mut self, job: Job) -> Result<Done, Fatal> {
        self.workers.run(job)
    }

    pub(super) fn app_hash(&self, height: Height) -> Option<AppHash> {
        self.chain.results(height).ok().flatten().map(|results| results.execution.app_hash)
    }

    pub(super) fn holds_body(&self, block: &BlockHash) -> bool {
        matches!(self.chain.body(block), Ok(Some(_)))
    }
}
